import { Command, CommanderError } from 'commander';
import type { Ended } from '../core/failure.ts';
import { printable } from '../core/path.ts';
import type { Ends } from './declare/command.ts';
import { declareConflicts } from './declare/conflicts.ts';
import { declareDoctor } from './declare/doctor.ts';
import { declareNode } from './declare/node.ts';
import { declareOther } from './declare/other.ts';
import { declarePair } from './declare/pair.ts';
import { declareSeat } from './declare/seat.ts';
import { declareTree } from './declare/tree.ts';
import { declareVersions } from './declare/versions.ts';
import { type Io, processIo } from './io.ts';
import { productVersion } from './product.ts';

/** Parses the command line, runs the command, and says how it ended. Throws Failures. */
export async function run(argv: readonly string[], io: Io = processIo()): Promise<Ended> {
  let exit: Ended = 'done';
  const ends = (result: Promise<Ended>): Promise<void> =>
    result.then((code) => {
      exit = code;
    });
  const program = declareProgram(io, ends);
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 'done';
    // To a monitor the exit code of a mistyped command line would say that something is wrong with the nodes.
    return argv.includes('--nagios') ? 'unknown' : 'usage';
  }
  return exit;
}

/** The program with all its commands, not yet run. Manual pages and completions are made from it too. */
export function declareProgram(io: Io, ends: Ends): Command {
  const program = new Command('bm-confsync')
    .description(
      'Keeps the configuration of a passive BlueMind node the same as the active one, in real time.',
    )
    .version(productVersion, '-V, --version', 'print the version')
    .helpCommand(false)
    // What stands after a command belongs to it: `restore --version` is not the program's own.
    .enablePositionalOptions()
    .showHelpAfterError('(see bm-confsync COMMAND --help)')
    .configureOutput({
      writeOut: io.out,
      writeErr: io.err,
      // What was typed is repeated in the message, whatever it was.
      outputError: (text, write) =>
        write(
          `${text
            .trimEnd()
            .split(/\n(?=\(Did you mean )/)
            .map(printable)
            .join('\n')}\n`,
        ),
    })
    .exitOverride()
    .addHelpText(
      'after',
      '\nExit codes: 0 done, in sync · 1 drift or conflicts · 2 usage or configuration · 3 peer unreachable · 4 refused · 5 halted · 70 bug',
    );
  declareNode(program, io, ends);
  declarePair(program, io, ends);
  declareSeat(program, io, ends);
  declareTree(program, io, ends);
  declareVersions(program, io, ends);
  declareConflicts(program, io, ends);
  declareDoctor(program, io, ends);
  declareOther(program, io, ends);
  return program;
}
