import { setTimeout as pause } from 'node:timers/promises';

const pollMs = 10;

/**
 * Waits until a condition holds; polls, since the condition is about other processes. Fails with what was
 * expected, and with `detail`, when the deadline has passed. Default deadline: 20 s.
 */
export async function eventually(
  expected: string,
  holds: () => boolean | Promise<boolean>,
  options: { readonly deadlineMs?: number; readonly detail?: () => string } = {},
): Promise<void> {
  const deadlineMs = options.deadlineMs ?? 20_000;
  const end = performance.now() + deadlineMs;
  while (!(await holds())) {
    if (performance.now() > end) {
      throw new Error(
        `expected within ${deadlineMs} ms: ${expected}${options.detail === undefined ? '' : `\n${options.detail()}`}`,
      );
    }
    await pause(pollMs);
  }
}
