import type { Result } from './row.ts';
import { durationText } from './statistics.ts';

/** A value of ours against the same value of another peer. */
export type Bar = {
  /** Whose value. Default: bm-confsync. */
  readonly of?: string;
  /** `high` is the 99th percentile, or the maximum where there are few samples. Default: median. */
  readonly value?: 'median' | 'high';
  /** It is met where ours is at most so many times theirs. */
  readonly times: number;
  readonly against: string;
  /** Allowed on top, milliseconds. */
  readonly plusMs?: number;
};

/** `not judged` where one of the two has no time. */
export type Verdict = {
  readonly text: string;
  readonly found: string;
  readonly verdict: 'met' | 'missed' | 'not judged';
};

export function judgeAll(bars: readonly Bar[], results: readonly Result[]): Verdict[] {
  return bars.map((bar) => judge(bar, results));
}

function judge(bar: Bar, results: readonly Result[]): Verdict {
  const { of = 'bm-confsync', value = 'median', plusMs = 0 } = bar;
  const text = textOf(bar);
  const ours = timeOf(results, of, value);
  const theirs = timeOf(results, bar.against, value);
  if (ours === undefined || theirs === undefined) return { text, found: 'no time', verdict: 'not judged' };
  const found = `${factorText(ours / theirs)} (${durationText(ours)} to ${durationText(theirs)})`;
  return { text, found, verdict: ours <= theirs * bar.times + plusMs ? 'met' : 'missed' };
}

function textOf({ of, value = 'median', times, against, plusMs }: Bar): string {
  const whose = of === undefined ? '' : `${of}: `;
  const what = value === 'median' ? 'median' : 'p99 or maximum';
  const extra = plusMs === undefined ? '' : ` plus ${plusMs} ms`;
  return `${whose}${what} at most ${factorText(times)} ${against}${extra}`;
}

function timeOf(results: readonly Result[], peer: string, value: 'median' | 'high'): number | undefined {
  const found = results.find((result) => result.peer === peer);
  if (found?.kind !== 'measured') return undefined;
  return value === 'median' ? found.summary.median : found.summary.high.value;
}

/** Below one tenth as a fraction, which is how such bars are said. */
export function factorText(factor: number): string {
  if (factor < 0.1) return `1/${(1 / factor).toFixed(0)} of`;
  return `${factor >= 10 ? factor.toFixed(0) : Number(factor.toFixed(2))} ×`;
}
