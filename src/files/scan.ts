import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ReplicaPath } from '../core/path.ts';
import { Directories } from './confined.ts';
import type { Folder } from './folder.ts';
import type { LookOptions } from './observe.ts';
import { type Scanned, type Step, Walk, type Watched } from './walk.ts';

export type ScanOptions = Omit<LookOptions, 'checkWriters'> & {
  readonly root: string;
  readonly watchlists: Watched & {
    /** Where the walk starts; none below another. */
    readonly roots: readonly ReplicaPath[];
  };
  /** Only what is at or below this path. Default: everything. */
  readonly from?: ReplicaPath;
  /** Default false: a file that is open for writing is read all the same, and found unstable if it moves. */
  readonly checkWriters?: boolean;
  /** Default false: of a file that has to be read only the name is told, until its observation is asked for. */
  readonly lazy?: boolean;
  /** Ends the walk with its reason at the next turn. */
  readonly signal?: AbortSignal;
  /** Called for each temporary name of ours, which is never yielded. */
  readonly onLeftover?: (path: ReplicaPath) => void;
};

/** Work between two turns of the event loop, milliseconds. */
const sliceMs = 10;

/** What one slice of a walk brings. It is walked on as it is read, and what it yields is to be used before it is read on. */
export type Slice<Item> = Iterable<Item>;

/**
 * Walks the replicated tree: parents before children, children in the order of their bytes, links never
 * followed. Yields the paths that are included, and besides them only directories and names of which it could
 * not be seen what is at or below them: nothing below such a path is known to be absent. A start that does not
 * exist is yielded as absent. They come in slices, between which the event loop has its turn. Throws the reason of `signal`.
 */
export function scan(options: ScanOptions): AsyncGenerator<Slice<Scanned>> {
  return walk(options, false) as AsyncGenerator<Slice<Scanned>>;
}

/**
 * As scan, and what is as it was of a directory's children comes as one folder, before the others: cheaper by far where
 * hardly anything changed.
 */
export function scanFolders(options: ScanOptions): AsyncGenerator<Slice<Scanned | Folder>> {
  return walk(options, true);
}

async function* walk(options: ScanOptions, folders: boolean): AsyncGenerator<Slice<Scanned | Folder>> {
  const { root, watchlists, from, signal } = options;
  signal?.throwIfAborted();
  const look = { ...options, folders, checkWriters: options.checkWriters ?? false };
  const starts = from === undefined ? watchlists.roots : startsBelow(watchlists.roots, from);
  // Of small starts many fit into one.
  let sliceEnd = performance.now() + sliceMs;
  for (const start of starts) {
    using directories = new Directories(root, { checkPlace: 'when-told' });
    const steps = new Steps(new Walk(directories, look).from(start));
    for (;;) {
      yield steps.until(sliceEnd);
      if (steps.over) break;
      await nextTurn();
      signal?.throwIfAborted();
      directories.recheck();
      sliceEnd = performance.now() + sliceMs;
    }
  }
}

/** The steps of a walk, to be taken slice by slice. */
class Steps {
  readonly #steps: Generator<Step>;
  #over = false;

  constructor(steps: Generator<Step>) {
    this.#steps = steps;
  }

  /** Whether nothing is left. */
  get over(): boolean {
    return this.#over;
  }

  /** What comes until that moment, by `performance.now`, and one step at least. Who stops to read it gets the rest with the next one. */
  *until(end: number): Generator<Scanned | Folder> {
    for (let next = this.#steps.next(); next.done !== true; next = this.#steps.next()) {
      if (next.value !== undefined) yield next.value;
      if (performance.now() >= end) return;
    }
    this.#over = true;
  }
}

/** Where a walk starts that is limited to `from`: `from` itself below a root, or the roots below `from`. */
function startsBelow(roots: readonly ReplicaPath[], from: ReplicaPath): ReplicaPath[] {
  const isAtOrBelow = (path: string, top: string): boolean =>
    path === top || top === '/' || path.startsWith(`${top}/`);
  if (roots.some((root) => isAtOrBelow(from, root))) return [from];
  return roots.filter((root) => isAtOrBelow(root, from));
}
