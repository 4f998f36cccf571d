import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ReplicaPath } from '../core/path.ts';
import { Directories } from './confined.ts';
import type { Folder } from './folder.ts';
import type { LookOptions } from './observe.ts';
import { type Scanned, Walk, type Watched } from './walk.ts';

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

/**
 * Walks the replicated tree: parents before children, children in the order of their bytes, links never
 * followed. Yields the paths that are included, and besides them only directories and names of which it could
 * not be seen what is at or below them: nothing below such a path is known to be absent. A start that does not
 * exist is yielded as absent. Throws the reason of `signal`.
 */
export function scan(options: ScanOptions): AsyncGenerator<Scanned> {
  return walk(options, false) as AsyncGenerator<Scanned>;
}

/**
 * As scan, and what is as it was of a directory's children comes as one folder, before the others: cheaper by far where
 * hardly anything changed.
 */
export function scanFolders(options: ScanOptions): AsyncGenerator<Scanned | Folder> {
  return walk(options, true);
}

async function* walk(options: ScanOptions, folders: boolean): AsyncGenerator<Scanned | Folder> {
  const { root, watchlists, from, signal } = options;
  signal?.throwIfAborted();
  const look = { ...options, folders, checkWriters: options.checkWriters ?? false };
  const starts = from === undefined ? watchlists.roots : startsBelow(watchlists.roots, from);
  let sliceEnd = performance.now() + sliceMs;
  for (const start of starts) {
    using directories = new Directories(root, { checkPlace: 'when-told' });
    for (const step of new Walk(directories, look).from(start)) {
      if (step !== undefined) yield step;
      if (performance.now() < sliceEnd) continue;
      await nextTurn();
      signal?.throwIfAborted();
      directories.recheck();
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
