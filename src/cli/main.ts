#!/usr/bin/env node
import { type Ended, exitCodes, Failure, nagiosCodes } from '../core/failure.ts';
import { printable } from '../core/path.ts';
import { runQuickly } from './quick.ts';

/** What monitors call often does without the parser of all command lines, whose words it would have to load. */
async function run(argv: readonly string[]): Promise<Ended> {
  return (await runQuickly(argv)) ?? (await import('./arguments.ts')).run(argv);
}

/** The one place that decides about the exit code and prints a failure. */
async function main(): Promise<void> {
  try {
    process.exitCode = { ...exitCodes, ...nagiosCodes }[await run(process.argv.slice(2))];
  } catch (error) {
    if (process.argv.includes('--nagios')) return unknown(error);
    if (error instanceof Failure) {
      process.stderr.write(
        `error: ${error.message.split('\n').map(printable).join('\n       ')}\nhint:  ${printable(error.hint)}\n`,
      );
      process.exitCode = exitCodes[error.exit];
      return;
    }
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(`bug: ${stack.split('\n').map(printable).join('\n')}\n`);
    process.stderr.write(
      'hint:  this is a mistake in bm-confsync itself; please report it with the lines above\n',
    );
    process.exitCode = exitCodes.bug;
  }
}

/** A monitor reads one line and the exit code, also of what could not be checked. */
function unknown(error: unknown): void {
  const text = error instanceof Error ? error.message : String(error);
  process.stdout.write(`BM-CONFSYNC UNKNOWN - ${printable(text)}\n`);
  process.exitCode = nagiosCodes.unknown;
}

// A reader that went away (`| head`) is no error of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});
await main();
