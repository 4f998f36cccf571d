import { join } from 'node:path';
import { makePair, type Pair, type PairOptions } from '../test/rig/pair.ts';
import { compareTrees } from '../test/rig/tree.ts';
import { succeeds } from '../test/world/eventually.ts';
import { untilAllArrived, untilSameNames } from './arrival.ts';
import { mustRun } from './child.ts';
import { now } from './clock.ts';
import { groundOfNodes, spreadDirectories } from './ground.ts';
import { etcOf, type Following, type Peer } from './peer.ts';
import { ackFileOf } from './peers/confsync.ts';
import { program } from './program.ts';
import type { Series, Size } from './row.ts';
import { plantTree } from './template.ts';

export type Made = {
  readonly pair: Pair;
  /** The tree's files, relative to the root. None where the row makes its tree later. */
  readonly paths: readonly string[];
  /** What has to end with the series, in reverse order, before the pair. */
  readonly held: AsyncDisposableStack;
};

export type SeriesOptions = {
  readonly size: Size;
  /** Leaves the active node's tree empty. */
  readonly empty?: boolean;
  readonly place?: PairOptions['place'];
  /** What ends after the pair, such as the network that it is on. */
  readonly below?: AsyncDisposable;
};

/** What is renamed and deleted here is meant: the guard against mass deletion is set so that it lets it pass. */
const limits = { maxFileSize: '1GiB', massDeletion: { paths: 1_000_000, percent: 100 } };

/** The product's default. It stays out of the trees that are compared, which are those below etc. */
const canary = { interval: '60s' };

/** A pair for measuring: the installed program, every key, no guard in the way, acks noted. */
export function makeBenchPair(more: Pick<PairOptions, 'place'> = {}): Promise<Pair> {
  return makePair({
    ...more,
    leaveIn: groundOfNodes(),
    unrestrictedKey: true,
    program: program().file,
    active: { limits, canary },
    passive: { limits, canary },
    env: (folder) => ({
      BM_CONFSYNC_TRACE: ackFileOf(folder),
      BM_CONFSYNC_TRACE_ONLY: 'acked',
      ...profiling(),
    }),
  });
}

/** With `BM_CONFSYNC_BENCH_PROFILE=FOLDER` each process of the program leaves a CPU profile there. */
function profiling(): Record<string, string> {
  const folder = process.env['BM_CONFSYNC_BENCH_PROFILE'];
  return folder === undefined ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${folder}` };
}

/** Makes a pair with the tree and a series on it. Nothing is left where that fails half-way. */
export async function openSeries(
  options: SeriesOptions,
  build: (made: Made) => Promise<Pick<Series, 'sample' | 'check'>>,
): Promise<Series> {
  await using held = new AsyncDisposableStack();
  if (options.below !== undefined) held.use(options.below);
  const { place } = options;
  const pair = held.use(await makeBenchPair(place === undefined ? {} : { place }));
  spreadDirectories(pair.active.root, pair.passive.root);
  const paths = options.empty === true ? [] : await plant(pair, options.size);
  const series = await build({ pair, paths, held });
  const kept = held.move();
  return { ...series, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** Puts the tree of that size into the active node's `etc`; its files, relative to the root. */
export async function plant(pair: Pair, size: Size): Promise<string[]> {
  return (await plantTree(join(pair.active.root, 'etc'), size)).map((path) => `etc/${path}`);
}

/** Starts whatever the peer needs, until the series ends. Undefined where it does not follow by itself. */
export async function follow(peer: Peer, { pair, held }: Made): Promise<Following | undefined> {
  if (peer.follow !== undefined) return held.use(await peer.follow(pair));
  if (peer.serve !== undefined) held.use(await peer.serve(pair));
  return undefined;
}

/** Makes both trees the same by a local copy, before anything is measured. */
export async function copyLocally(pair: Pair): Promise<void> {
  await mustRun('rsync', ['-a', '--delete', etcOf(pair, 'active'), etcOf(pair, 'passive')]);
}

/** What a sample does to the active node, with paths relative to the root. */
export type Change = {
  act(): void;
  /** Files with their content, for who only shows what has arrived; none: names and sizes tell. */
  readonly expected: ReadonlyMap<string, Buffer>;
  /** All that is changed, made or removed, for who says what is durable. */
  readonly touched: readonly string[];
};

const deadlineMs = 300_000;

/**
 * From the first step of a change until the peer has carried all of it over, milliseconds. Checks the result. Both nodes are on
 * one disk here: what preparing the change left to be written is written before, or who makes the change durable waits for
 * that as well.
 */
export async function timeChange(
  peer: Peer,
  { pair, following }: { readonly pair: Pair; readonly following: Following | undefined },
  change: Change,
): Promise<number> {
  await mustRun('sync', ['--file-system', pair.folder]);
  const start = now();
  change.act();
  const end = await carried();
  await mustEndEqual(pair, following);
  return end - start;

  async function carried(): Promise<number> {
    if (following?.durable !== undefined) return following.durable(change.touched, start);
    if (following === undefined) {
      await peer.copy?.(pair);
      return now();
    }
    if (change.expected.size === 0) return untilSameNames(pair, change.touched, deadlineMs);
    const there = [...change.expected].map(
      ([path, content]) => [join(pair.passive.root, path), content] as const,
    );
    return untilAllArrived(new Map(there), deadlineMs);
  }
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
export function mustEndEqual(pair: Pair, following: Following | undefined): Promise<void> {
  if (following === undefined) return mustBeEqual(pair);
  return succeeds(() => mustBeEqual(pair), { deadlineMs: 20_000, pollMs: 200 });
}
