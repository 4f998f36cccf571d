import { type RunOptions, runDaemon } from './commands/run.ts';
import { exitCodeOf } from './exit-code.ts';

/**
 * Runs the daemon; the exit code. The bundle holds this apart from the start (main.ts), as it does program.ts, and apart from
 * the parser of command lines, for which a machine that just started need not wait.
 */
export function runService(argv: readonly string[], options: RunOptions): Promise<number> {
  return exitCodeOf(argv, () => runDaemon(options));
}
