import { lstatSync } from 'node:fs';
import { Statx } from '../files/statx.ts';

/** What stands at a path, as far as a watcher cares; `unknown` where it cannot be told. */
export type Kind = 'absent' | 'directory' | 'other' | 'unknown';

let newest: Statx | undefined;

/**
 * What has this full path now. It is asked several times for each file that a receiver places: by a third of what Node's own
 * call takes.
 */
export function kindAt(full: string): Kind {
  newest ??= new Statx();
  const type = newest.lookAt(full);
  if (type !== undefined) return type === 'directory' ? 'directory' : 'other';
  if (newest.isAbsent) return 'absent';
  try {
    const stats = lstatSync(full, { throwIfNoEntry: false });
    if (stats === undefined) return 'absent';
    return stats.isDirectory() ? 'directory' : 'other';
  } catch {
    // Permission, a loop of links, a failing disk: the look that the hint causes reports it.
    return 'unknown';
  }
}
