import { rmdirSync, unlinkSync } from 'node:fs';
import type { ReplicaPath } from '../core/path.ts';
import type { Observation } from '../files/observation.ts';
import { observeAt } from '../files/observe.ts';

/** What every step of placing does with names beside the target. */

/** Looks where we placed, through the descriptor: the path may lead elsewhere by now. */
export function lookAt(full: string, path: ReplicaPath, checkWriters = true): Observation {
  return observeAt(full, path, { maxFileSizeBytes: Number.MAX_SAFE_INTEGER, checkWriters });
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
