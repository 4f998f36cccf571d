import { rmdirSync, unlinkSync } from 'node:fs';
import type { ReplicaPath } from '../core/path.ts';
import { blockThread } from '../files/block-thread.ts';
import { errnoCode } from '../files/errno.ts';
import type { Observation } from '../files/observation.ts';
import { observeAt } from '../files/observe.ts';
import type { Operation } from './operation.ts';

/** What every step of placing does with names beside the target. */

/** Looks where we placed, through the descriptor: the path may lead elsewhere by now. */
export function lookAt(full: string, path: ReplicaPath, checkWriters = true): Observation {
  return observeAt(full, path, { maxFileSizeBytes: Number.MAX_SAFE_INTEGER, checkWriters });
}

/** How long a writer of a file that was in place for a moment is waited for, and how often is looked, milliseconds. */
const writerPatienceMs = 500;
const writerPollMs = 2;

/**
 * As lookAt, of something that had the target's name for a moment: whoever opened it then may be writing to it. Waits
 * until nobody does, or for half a second at most.
 */
export function lookAfterWriters(full: string, path: ReplicaPath): Observation {
  for (let waitedMs = 0; waitedMs < writerPatienceMs; waitedMs += writerPollMs) {
    const seen = lookAt(full, path);
    if (seen.kind !== 'unstable') return seen;
    blockThread(writerPollMs);
  }
  return lookAt(full, path);
}

/** Removes what has a temporary name; that it is gone already is as good. */
export function removeTemporary(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'EISDIR' || code === 'EPERM') rmdirSync(path);
    else if (code !== 'ENOENT') throw error;
  }
}

/**
 * Removes what was staged for operations that are not placed, the last one first, since what came before may hold it. A new
 * directory in which somebody else left something stays, for the sweep.
 */
export function discardAll(operations: readonly Operation[]): void {
  for (const operation of operations.toReversed()) {
    if (operation.kind !== 'staged') continue;
    try {
      removeTemporary(operation.staged.temporary);
    } catch (error) {
      if (operation.tree === undefined || errnoCode(error) !== 'ENOTEMPTY') throw error;
    }
  }
}
