import { run } from './arguments.ts';
import { exitCodeOf } from './exit-code.ts';

/**
 * Runs any command line; the exit code. The bundle holds this apart from the start (main.ts), which has copies of its
 * own of what both use: between the two go texts and numbers, no classes.
 */
export function runProgram(argv: readonly string[]): Promise<number> {
  return exitCodeOf(argv, () => run(argv));
}
