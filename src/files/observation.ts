import type { Entry } from '../core/entry.ts';
import type { PathFailure } from '../core/failure.ts';
import type { Move } from '../core/move.ts';
import type { Packed } from '../core/packed.ts';
import type { ReplicaPath } from '../core/path.ts';
import type { Folder } from './folder.ts';

/**
 * What a look at a path gave.
 * - `entry`: read and proven stable while it was read. `stamp` identifies the inode and its state
 *   (inode, size, mtime and ctime in nanoseconds); empty for `absent`.
 * - `unstable`: it changed while it was read, or a process has it open for writing. Look again later.
 * - `unsupported`: a FIFO, a socket or a device; reported and skipped.
 * - `failed`: it may or may not be there; never to be taken for a deletion.
 */
export type Observation =
  | { readonly kind: 'entry'; readonly entry: Entry; readonly stamp: string }
  | { readonly kind: 'unstable' }
  | {
      readonly kind: 'unsupported';
      readonly type: 'fifo' | 'socket' | 'character-device' | 'block-device' | 'unknown';
    }
  | { readonly kind: 'failed'; readonly failure: PathFailure };

export function isDirectory(seen: Observation): boolean {
  return seen.kind === 'entry' && seen.entry.kind === 'directory';
}

/** Why what was found cannot be replicated, whenever it is looked at. */
export function troubleOf(seen: Extract<Observation, { kind: 'unsupported' | 'failed' }>): PathFailure {
  if (seen.kind === 'failed') return seen.failure;
  return { reason: 'unsupported-type', detail: `a ${seen.type} is not replicated` };
}

/** Remembers entries by stamp, so that an unchanged file is not read again. */
export interface EntryCache {
  get(path: string): { readonly stamp: string; readonly entry: Entry } | undefined;
  /** The entry that is remembered with exactly the stamp that was seen, which is asked for only where something is remembered. */
  packed(path: string, seen: { readonly stamp: string }): Packed | undefined;
  /** Whether anything is remembered of the path, with whatever stamp. */
  knows(path: string): boolean;
  /** Takes over what another process of this node has remembered with exactly this stamp, where others are asked. */
  learn(path: string, stamp: string): Entry | undefined;
  set(path: string, stamp: string, entry: Entry): void;
  delete(path: string): void;
  /** A directory was renamed, which changes nothing of the files that are in it: what is known of them goes with it. */
  moved(move: Move): void;
  /** What is remembered of the children of a directory, as far as they are remembered together. */
  folder(directory: ReplicaPath): Folder | undefined;
  /** Remembers, in memory, what a walk found in a directory, in place of what was known of its children. */
  keep(folder: Folder): void;
  /**
   * After a walk over everything, which found `count` paths: what is remembered of paths that do not exist any more is
   * forgotten, once it is more than the tree.
   */
  retain(count: number, exists: (path: ReplicaPath) => boolean): void;
  /** Has what is new survive the end of the process. */
  commit(): void;
}
