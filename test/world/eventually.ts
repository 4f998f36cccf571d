import { setTimeout as pause } from 'node:timers/promises';

/** Both in milliseconds; by default a check every 10 ms. */
type Patience = { readonly deadlineMs?: number; readonly pollMs?: number };

/**
 * Waits until a condition holds; polls, since the condition is about other processes. Fails with what was
 * expected, and with `detail`, when the deadline has passed. Default deadline: 20 s.
 */
export async function eventually(
  expected: string,
  holds: () => boolean | Promise<boolean>,
  options: Patience & { readonly detail?: () => string } = {},
): Promise<void> {
  const { deadlineMs = 20_000, pollMs } = options;
  const deadline = deadlineOf(deadlineMs, pollMs);
  while (!(await holds())) {
    if (await deadline.passed()) {
      const detail = options.detail === undefined ? '' : `\n${options.detail()}`;
      throw new Error(`expected within ${deadlineMs} ms: ${expected}${detail}`);
    }
  }
}

/**
 * Repeats `check` until it returns instead of throwing, and returns what it returned. After the deadline
 * it throws with what the last check said. Default deadline: 10 s.
 */
export async function succeeds<T>(check: () => T | Promise<T>, options: Patience = {}): Promise<T> {
  const { deadlineMs = 10_000, pollMs } = options;
  const deadline = deadlineOf(deadlineMs, pollMs);
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (!(await deadline.passed())) continue;
      const seen = error instanceof Error ? error.message : String(error);
      throw new Error(`not within ${deadlineMs} ms; last seen: ${seen}`, { cause: error });
    }
  }
}

/** `passed` is true after the deadline, and pauses before it. */
function deadlineOf(deadlineMs: number, pollMs = 10): { passed(): Promise<boolean> } {
  const end = performance.now() + deadlineMs;
  return {
    passed: async () => {
      if (performance.now() >= end) return true;
      await pause(pollMs);
      return false;
    },
  };
}
