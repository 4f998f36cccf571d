import { setTimeout as pause } from 'node:timers/promises';
import { makePair, type Pair } from '../test/rig/pair.ts';
import { compareTrees, eventually, makeTree, seededRandom } from '../test/rig/tree.ts';
import { mustRun } from './child.ts';
import { etcOf, type Peer } from './peer.ts';
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
  open(peer: Peer, size: Size): Promise<Series>;
};

export type Result = { readonly peer: string; readonly about: string } & (
  | { readonly kind: 'measured'; readonly samplesMs: readonly number[]; readonly summary: Summary }
  | { readonly kind: 'failed'; readonly reason: string }
);

export type RowResult = {
  readonly name: string;
  readonly title: string;
  readonly results: readonly Result[];
};

export type MeasureOptions = { readonly size: Size; readonly repeat?: number | undefined };

type Running = { readonly peer: Peer; series?: Series; readonly samplesMs: number[]; failed?: string };

/** Measures all peers of a row in turns, so that what disturbs the machine disturbs all of them. */
export async function measure(row: Row, options: MeasureOptions): Promise<RowResult> {
  const all: Running[] = row.peers.map((peer) => ({ peer, samplesMs: [] }));
  const random = seededRandom(options.size.seed);
  const repeat = options.repeat ?? row.repeat;
  try {
    for (const running of all) {
      await attempt(running, async () => {
        running.series = await row.open(running.peer, options.size);
      });
    }
    for (let round = 0; round < repeat; round += 1) {
      for (const running of all) {
        const { series, peer, samplesMs } = running;
        if (series === undefined || round >= (peer.mostSamples ?? repeat)) continue;
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
  return { name: row.name, title: row.title(options.size), results: all.map(resultOf) };
}

/** A peer that failed once gives no result, and the others go on. */
async function attempt(running: Running, step: () => Promise<void>): Promise<void> {
  if (running.failed !== undefined) return;
  try {
    await step();
  } catch (error) {
    running.failed = error instanceof Error ? error.message : String(error);
  }
}

function resultOf({ peer, samplesMs, failed }: Running): Result {
  const { name, about } = peer;
  if (failed !== undefined) return { peer: name, about, kind: 'failed', reason: failed };
  return { peer: name, about, kind: 'measured', samplesMs, summary: summarize(samplesMs) };
}

export type Made = {
  /** Its active node has the tree below `root/etc`. */
  readonly pair: Pair;
  /** The tree's files, relative to the root. */
  readonly paths: readonly string[];
  /** What has to end with the series, in reverse order, before the pair. */
  readonly held: AsyncDisposableStack;
};

/** Makes a pair with the tree and a series on it. Nothing is left where that fails half-way. */
export async function openSeries(
  size: Size,
  build: (made: Made) => Promise<Pick<Series, 'sample' | 'check'>>,
): Promise<Series> {
  await using held = new AsyncDisposableStack();
  const pair = held.use(await makePair({ unrestrictedKey: true }));
  const series = await build({ pair, paths: makeTree(pair.active.root, size), held });
  const kept = held.move();
  return { ...series, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** Starts a peer that follows by itself, until the series ends. Undefined where the peer does not. */
export async function follow(peer: Peer, { pair, held }: Made): Promise<AsyncDisposable | undefined> {
  const following = await peer.follow?.(pair);
  return following === undefined ? undefined : held.use(following);
}

/** Makes both trees the same by a local copy, before anything is measured. */
export async function copyLocally(pair: Pair): Promise<void> {
  await mustRun('rsync', ['-a', '--delete', etcOf(pair, 'active'), etcOf(pair, 'passive')]);
}

/** Throws with the differences where the trees differ. */
export async function mustBeEqual(pair: Pair): Promise<void> {
  const differences = await compareTrees(`${pair.active.root}/etc`, `${pair.passive.root}/etc`);
  if (differences.length === 0) return;
  throw new Error(`${differences.length} differences, first: ${differences.slice(0, 3).join(' | ')}`);
}

/**
 * Like mustBeEqual, for one who may go on by himself: then the content has arrived, and the last touches,
 * such as a temporary file that goes away, may take a moment.
 */
export function mustEndEqual(pair: Pair, following: AsyncDisposable | undefined): Promise<void> {
  if (following === undefined) return mustBeEqual(pair);
  return eventually(() => mustBeEqual(pair), { deadlineMs: 20_000, pollMs: 200 });
}
