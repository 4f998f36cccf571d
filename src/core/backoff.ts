export type Backoff = {
  /** First pause, milliseconds. */
  readonly firstMs: number;
  /** Upper bound of a pause, milliseconds. */
  readonly maxMs: number;
  /** How much of a pause is certain, 0 to 1; the rest is random. Default one half. */
  readonly certain?: number;
};

/**
 * Pause before attempt number `attempt` (0 is the first retry): doubles up to the bound, of which a part
 * is random, so that nodes do not knock in step. `random`: 0 to 1.
 */
export function pauseMs(backoff: Backoff, attempt: number, random: number): number {
  const whole = Math.min(backoff.maxMs, backoff.firstMs * 2 ** Math.min(attempt, 30));
  const certain = whole * (backoff.certain ?? 0.5);
  return certain + (whole - certain) * random;
}
