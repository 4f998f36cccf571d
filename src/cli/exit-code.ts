import { type Ended, exitCodes, Failure, nagiosCodes } from '../core/failure.ts';
import { printable } from '../core/path.ts';
import { pluginLine } from './plugin-line.ts';

/**
 * The exit code of a piece of work that may have been left undone, undefined then. Prints the failure in which it
 * ends. Never throws.
 */
export function exitCodeOf(argv: readonly string[], work: () => Promise<Ended>): Promise<number>;
export function exitCodeOf(
  argv: readonly string[],
  work: () => Promise<Ended | undefined>,
): Promise<number | undefined>;
export async function exitCodeOf(
  argv: readonly string[],
  work: () => Promise<Ended | undefined>,
): Promise<number | undefined> {
  try {
    const ended = await work();
    return ended === undefined ? ended : { ...exitCodes, ...nagiosCodes }[ended];
  } catch (error) {
    return tell(error, argv.includes('--nagios'));
  }
}

function tell(error: unknown, nagios: boolean): number {
  if (nagios) {
    // A monitor reads one line and the exit code, also of what could not be checked.
    const text = error instanceof Error ? error.message : String(error);
    process.stdout.write(pluginLine({ state: 'unknown', texts: [text], measures: [] }));
    return nagiosCodes.unknown;
  }
  if (error instanceof Failure) {
    process.stderr.write(
      `error: ${error.message.split('\n').map(printable).join('\n       ')}\nhint:  ${printable(error.hint)}\n`,
    );
    return exitCodes[error.exit];
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`bug: ${stack.split('\n').map(printable).join('\n')}\n`);
  process.stderr.write(
    'hint:  this is a mistake in bm-confsync itself; please report it with the lines above\n',
  );
  return exitCodes.bug;
}
