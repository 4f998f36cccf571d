import type { Command } from '../config/watchlist.ts';
import type { PathFailure } from '../core/failure.ts';
import type { ReplicaPath } from '../core/path.ts';
import { type CommandOptions, type CommandOutcome, commandText, runCommand } from './command.ts';

/** The validators that concern a path. */
export function validatorsOf(path: ReplicaPath, validators: readonly Command[]): Command[] {
  return validators.filter((validator) => validator.matches(path));
}

/** The command with the staged file in it. */
export function argumentsFor(run: readonly string[], file: string): string[] {
  return run.map((word) => word.replaceAll('{file}', file));
}

/**
 * The way to a staged file for another process: `/proc/self` would be its own. `temporary`: a path that leads
 * through one of our descriptors.
 */
export function pathForOthers(temporary: string, pid: number): string {
  return temporary.replace(/^\/proc\/self\//, `/proc/${pid}/`);
}

/** What the outcome of a validator means for the file; undefined: it may be placed. */
export function objection(run: readonly string[], outcome: CommandOutcome): PathFailure | undefined {
  if (outcome.kind === 'passed' || outcome.kind === 'missing') return undefined;
  const detail = outcome.kind === 'failed' ? outcome.detail : `${commandText(run)} was not finished`;
  return { reason: 'validator-failed', detail: `expected the file to pass its validator: ${detail}` };
}

/**
 * Runs the validators of one staged file, one after the other. Answers the first objection; undefined when
 * there is none. `onMissing` is told the name of each program that is not installed.
 */
export async function validate(
  file: { readonly temporary: string; readonly validators: readonly Command[] },
  options: { readonly signal: AbortSignal; readonly onMissing: (program: string) => void },
): Promise<PathFailure | undefined> {
  const staged = pathForOthers(file.temporary, process.pid);
  for (const { run, timeoutMs } of file.validators) {
    const limits: CommandOptions = { timeoutMs, signal: options.signal };
    const outcome = await runCommand(argumentsFor(run, staged), limits);
    if (outcome.kind === 'missing') options.onMissing(run[0] ?? '');
    const failure = objection(run, named(outcome, staged));
    if (failure !== undefined) return failure;
  }
  return undefined;
}

/** The descriptor's number means nothing to people. */
function named(outcome: CommandOutcome, staged: string): CommandOutcome {
  if (outcome.kind !== 'failed') return outcome;
  return { kind: 'failed', detail: outcome.detail.replaceAll(staged, '{file}') };
}
