/** Lengths of time as people write them. */

const unitMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** For messages: what parseDuration takes. */
export const durationForm = 'a duration such as 500ms, 30s, 5m, 2h or 1d';

/** A month of 31 days: longer than any wait here means anything, and timers cannot hold much less. */
const maxMs = 31 * 86_400_000;

/**
 * Milliseconds of `500ms`, `30s`, `1.5m`, `2h`, `1d`; undefined for anything else, for zero and for more
 * than 31 days. A bare number is refused, since nobody can tell its unit.
 */
export function parseDuration(text: string): number | undefined {
  const parts = /^(\d{1,9}(?:\.\d{1,3})?) ?(ms|s|m|h|d)$/.exec(text.trim());
  const factor = unitMs[parts?.[2] ?? ''];
  if (parts === null || factor === undefined) return undefined;
  const ms = Math.round(Number(parts[1]) * factor);
  return ms >= 1 && ms <= maxMs ? ms : undefined;
}
