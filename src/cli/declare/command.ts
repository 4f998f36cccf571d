import { type Command, InvalidArgumentError } from 'commander';
import { parseDuration } from '../../config/duration.ts';
import type { Ended } from '../../core/failure.ts';
import { parseReplicaPath, type ReplicaPath } from '../../core/path.ts';
import { defaultConfig } from '../default-config.ts';

/** Options that most commands have. */
export type Common = { config: string; json: boolean };

/** Takes the way a command ends to the one place that knows the exit code. */
export type Ends = (result: Promise<Ended>) => Promise<void>;

/** A command of the program: its words here, its work in a file of its own that is loaded when it runs. */
export type Declared = {
  readonly name: string;
  readonly summary: string;
  readonly examples: readonly string[];
  /** Exit codes beyond 0 and 2, with what they mean here. */
  readonly exits: readonly string[];
};

export const peerExits = ['3  a peer could not be reached', '4  refused, with the reason'];

/** Declares a command with what all of them have: `--config`, examples and exit codes. */
export function declare(program: Command, about: Declared, options?: { isDefault?: boolean }): Command {
  const exits = ['0  done', ...about.exits, '2  usage or configuration'].sort();
  return program
    .command(about.name, options)
    .description(about.summary)
    .option('--config <FILE>', 'configuration file', defaultConfig)
    .hook('preAction', (command) => {
      const above: unknown = program.opts()['config'];
      if (typeof above === 'string') command.setOptionValue('config', above);
    })
    .addHelpText(
      'after',
      `\nExamples:\n${about.examples.map((line) => `  $ bm-confsync ${line}`).join('\n')}\n\nExit codes:\n${exits.map((line) => `  ${line}`).join('\n')}`,
    );
}

/** Declares the word before a family of commands; `--config` may stand before or after the second word. */
export function declareFamily(program: Command, about: { name: string; summary: string }): Command {
  return program
    .command(about.name)
    .description(about.summary)
    .helpCommand(false)
    .option('--config <FILE>', 'configuration file');
}

/** Reads one path of the command line; a slash at its end is no matter. */
export function replicaPath(raw: string): ReplicaPath {
  const trimmed = raw.length > 1 ? raw.replace(/\/+$/, '') : raw;
  const parsed = parseReplicaPath(trimmed);
  if (parsed.ok) return parsed.path;
  throw new InvalidArgumentError(
    `expected an absolute path without . or .., found one that is ${parsed.fault}`,
  );
}

/** Reads one more path. */
export function replicaPaths(raw: string, before: ReplicaPath[]): ReplicaPath[] {
  return [...before, replicaPath(raw)];
}

/** Reads a duration, milliseconds. */
export function duration(raw: string): number {
  const parsed = parseDuration(raw);
  if (parsed === undefined)
    throw new InvalidArgumentError(
      `expected a duration such as 500ms, 30s or 5m, found ${JSON.stringify(raw)}`,
    );
  return parsed;
}
