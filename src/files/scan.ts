import { readdirSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { childOf, isTemporaryName, parseReplicaPath, printable, type ReplicaPath } from '../core/path.ts';
import { Directories, type OpenDirectory } from './confined.ts';
import { errnoCode, errnoFailure } from './errno.ts';
import type { Observation } from './observation.ts';
import { type LookOptions, observe, observeAt } from './observe.ts';

export type ScanOptions = Omit<LookOptions, 'checkWriters'> & {
  readonly root: string;
  readonly watchlists: {
    readonly roots: readonly ReplicaPath[];
    includes(path: ReplicaPath): boolean;
    mayContain(directory: ReplicaPath): boolean;
  };
  /** Only what is at or below this path. Default: everything. */
  readonly from?: ReplicaPath;
  /** Default false: a file that is open for writing is read all the same, and found unstable if it moves. */
  readonly checkWriters?: boolean;
  readonly signal?: AbortSignal;
  /** Called for each temporary name of ours. */
  readonly onLeftover?: (path: ReplicaPath) => void;
};

export type Scanned = { readonly path: ReplicaPath; readonly observation: Observation };

/** Work between two turns of the event loop, milliseconds. */
const sliceMs = 10;

/**
 * Walks the replicated tree: parents before children, children in order, links never followed. A directory
 * that cannot be read is yielded as a failure, and the walk goes on.
 */
export async function* scan(options: ScanOptions): AsyncGenerator<Scanned> {
  const { root, watchlists, from } = options;
  const starts = from === undefined ? watchlists.roots : startsBelow(watchlists.roots, from);
  let sliceEnd = performance.now() + sliceMs;
  for (const start of starts) {
    using directories = new Directories(root);
    const look = { checkWriters: false, ...options };
    const walk = new Walk(directories, look);
    for (const scanned of walk.from(start)) {
      yield scanned;
      if (performance.now() < sliceEnd) continue;
      await nextTurn();
      options.signal?.throwIfAborted();
      sliceEnd = performance.now() + sliceMs;
    }
  }
}

/** Where a walk starts that is limited to `from`: `from` itself below a root, or the roots below `from`. */
function startsBelow(roots: readonly ReplicaPath[], from: ReplicaPath): ReplicaPath[] {
  const isAtOrBelow = (path: string, top: string): boolean =>
    path === top || top === '/' || path.startsWith(`${top}/`);
  if (roots.some((root) => isAtOrBelow(from, root))) return [from];
  return roots.filter((root) => isAtOrBelow(root, from));
}

/** A walk that yields in the middle of directories; descriptors of finished directories are given up. */
class Walk {
  readonly #directories: Directories;
  readonly #options: ScanOptions & LookOptions;

  constructor(directories: Directories, options: ScanOptions & LookOptions) {
    this.#directories = directories;
    this.#options = options;
  }

  *from(start: ReplicaPath): Generator<Scanned> {
    const observation = observe({ ...this.#options, directories: this.#directories, path: start });
    if (this.#options.watchlists.includes(start)) yield { path: start, observation };
    if (observation.kind === 'entry' && observation.entry.kind === 'directory') yield* this.#below(start);
    else if (observation.kind === 'failed' && !this.#options.watchlists.includes(start))
      yield { path: start, observation };
  }

  *#below(path: ReplicaPath): Generator<Scanned> {
    if (!this.#options.watchlists.mayContain(path)) return;
    const directory = this.#directories.open(path);
    if (!directory.ok) {
      if (directory.reason === 'permission' || directory.reason === 'io') {
        yield {
          path,
          observation: { kind: 'failed', failure: { reason: directory.reason, detail: directory.detail } },
        };
      }
      return;
    }
    const names = namesIn(directory);
    if (!Array.isArray(names)) {
      yield { path, observation: names };
      return;
    }
    for (const name of names) yield* this.#child(path, directory, name);
    this.#directories.release(path);
  }

  *#child(parent: ReplicaPath, directory: OpenDirectory, name: string): Generator<Scanned> {
    const path = childOf(parent, name);
    if (isTemporaryName(name)) return this.#options.onLeftover?.(path);
    const { watchlists } = this.#options;
    const included = watchlists.includes(path);
    if (name.includes('\uFFFD') || !parseReplicaPath(path).ok) {
      if (included) yield { path: childOf(parent, printable(name)), observation: unusable(directory, name) };
      return;
    }
    if (!included && !watchlists.mayContain(path)) return;
    const observation = observeAt(directory.child(name), path, this.#options);
    if (included) yield { path, observation };
    if (observation.kind === 'entry' && observation.entry.kind === 'directory') yield* this.#below(path);
  }
}

function namesIn(directory: OpenDirectory): string[] | Observation {
  try {
    return readdirSync(directory.child('.')).sort();
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return [];
    return { kind: 'failed', failure: errnoFailure(error) };
  }
}

/** Names that a lossy decoding would turn into others are reported with their bytes, and never touched. */
function unusable(directory: OpenDirectory, decoded: string): Observation {
  const raw = readdirSync(directory.child('.'), { encoding: 'buffer' }).find(
    (name) => name.toString('utf8') === decoded,
  );
  const bytes = raw === undefined ? '' : ` (bytes ${raw.toString('hex')})`;
  return {
    kind: 'failed',
    failure: {
      reason: 'bad-path',
      detail: `the name is not valid UTF-8${bytes}; rename the file to have it replicated`,
    },
  };
}
