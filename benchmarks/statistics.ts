/** What a series of times says. All values in milliseconds. */
export type Summary = {
  readonly samples: number;
  readonly median: number;
  /** The 99th percentile where there are at least 100 samples, the maximum otherwise. */
  readonly high: { readonly kind: 'p99' | 'max'; readonly value: number };
  /** The middle half: first and third quartile. */
  readonly quartiles: readonly [number, number];
};

const fewestForP99 = 100;

/** Throws where there is no sample. */
export function summarize(samples: readonly number[]): Summary {
  const sorted = samples.toSorted((a, b) => a - b);
  const kind = sorted.length >= fewestForP99 ? 'p99' : 'max';
  return {
    samples: sorted.length,
    median: quantile(sorted, 0.5),
    high: { kind, value: quantile(sorted, kind === 'p99' ? 0.99 : 1) },
    quartiles: [quantile(sorted, 0.25), quantile(sorted, 0.75)],
  };
}

/** Linear between the two nearest ranks. `sorted` ascends; `part` is from 0 to 1. */
export function quantile(sorted: readonly number[], part: number): number {
  const at = (sorted.length - 1) * part;
  const below = sorted[Math.floor(at)];
  const above = sorted[Math.ceil(at)];
  if (below === undefined || above === undefined) throw new Error('no samples');
  return below + (above - below) * (at - Math.floor(at));
}

/** Three digits that count, in ms or s. */
export function durationText(ms: number): string {
  if (ms >= 1000) return `${(ms / 1000).toFixed(ms >= 10_000 ? 1 : 2)} s`;
  return `${ms.toFixed(ms >= 100 ? 0 : ms >= 10 ? 1 : 2)} ms`;
}
