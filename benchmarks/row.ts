import { setTimeout as pause } from 'node:timers/promises';
import { seeded } from '../test/world/tree.ts';
import { type Bar, judgeAll, type Verdict } from './bar.ts';
import type { Peer } from './peer.ts';
import { type Summary, summarize } from './statistics.ts';

export type Size = {
  readonly files: number;
  readonly bytes: number;
  readonly directories: number;
  /** Files that a burst changes. */
  readonly changed: number;
  readonly seed: number;
};

/** Samples of one peer. */
export type Series = AsyncDisposable & {
  /** One time in milliseconds. Throws where the result is wrong. */
  sample(round: number): Promise<number>;
  /** Throws where the result of all samples is wrong: then none of them counts. */
  check(): Promise<void>;
};

export type Row = {
  readonly name: string;
  title(size: Size): string;
  /** How often by default. */
  readonly repeat: number;
  readonly peers: readonly Peer[];
  /** What is expected of it. Missing one is reported and nothing else. */
  readonly bars: readonly Bar[];
  /** Of the size that is asked for, the one that this row takes. Default: the same. */
  scale?(size: Size): Size;
  open(peer: Peer, size: Size): Promise<Series>;
};

export type Result = { readonly peer: string; readonly about: string } & (
  | { readonly kind: 'measured'; readonly samplesMs: readonly number[]; readonly summary: Summary }
  | { readonly kind: 'failed' | 'not run'; readonly reason: string }
);

export type RowResult = {
  readonly name: string;
  readonly title: string;
  readonly results: readonly Result[];
  readonly verdicts: readonly Verdict[];
};

export type MeasureOptions = {
  readonly size: Size;
  readonly repeat?: number | undefined;
  /** Stops between two samples; everything that was started ends, and `measure` throws the reason. */
  readonly signal?: AbortSignal;
};

/** Thrown by `open` where there is nothing to measure, which is no failure. */
export class NotRun extends Error {
  override readonly name = 'NotRun';
}

type Running = {
  readonly peer: Peer;
  series?: Series;
  readonly samplesMs: number[];
  failed?: { readonly kind: 'failed' | 'not run'; readonly reason: string };
};

/** Measures all peers of a row in turns, so that what disturbs the machine disturbs all of them. */
export async function measure(row: Row, options: MeasureOptions): Promise<RowResult> {
  const size = row.scale?.(options.size) ?? options.size;
  const all: Running[] = row.peers.map((peer) => ({ peer, samplesMs: [] }));
  const random = seeded(size.seed);
  const repeat = options.repeat ?? row.repeat;
  try {
    for (const running of all) {
      options.signal?.throwIfAborted();
      await attempt(running, async () => {
        running.series = await row.open(running.peer, size);
      });
    }
    for (let round = 0; round < repeat; round += 1) {
      for (const running of all) {
        const { series, peer, samplesMs } = running;
        if (series === undefined || round >= (peer.mostSamples ?? repeat)) continue;
        options.signal?.throwIfAborted();
        // Whoever gathers events by a clock of his own is met at any phase of it.
        await pause(50 + 150 * random());
        await attempt(running, async () => {
          samplesMs.push(await series.sample(round));
        });
      }
    }
    for (const running of all) await attempt(running, async () => running.series?.check());
  } finally {
    for (const running of all) await running.series?.[Symbol.asyncDispose]();
  }
  const results = all.map(resultOf);
  return { name: row.name, title: row.title(size), results, verdicts: judgeAll(row.bars, results) };
}

/** A peer that failed once gives no result, and the others go on. */
async function attempt(running: Running, step: () => Promise<void>): Promise<void> {
  if (running.failed !== undefined) return;
  try {
    await step();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    running.failed = { kind: error instanceof NotRun ? 'not run' : 'failed', reason };
  }
}

function resultOf({ peer, samplesMs, failed }: Running): Result {
  const { name, about } = peer;
  if (failed !== undefined) return { peer: name, about, ...failed };
  return { peer: name, about, kind: 'measured', samplesMs, summary: summarize(samplesMs) };
}
