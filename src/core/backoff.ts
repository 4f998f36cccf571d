export type Backoff = {
  /** First pause, milliseconds. */
  readonly firstMs: number;
  /** Upper bound of a pause, milliseconds. */
  readonly maxMs: number;
};

/**
 * Pause before attempt number `attempt` (0 is the first retry): doubles up to the bound, then takes a
 * random part between one half and the whole, so that nodes do not knock in step. `random`: 0 to 1.
 */
export function pauseMs(backoff: Backoff, attempt: number, random: number): number {
  const whole = Math.min(backoff.maxMs, backoff.firstMs * 2 ** Math.min(attempt, 30));
  return whole / 2 + (whole / 2) * random;
}
