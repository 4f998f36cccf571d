import type { Entry } from '../core/entry.ts';
import { nameOf, type ReplicaPath } from '../core/path.ts';
import type { Directories } from './confined.ts';
import { groupName, ownerName } from './owners.ts';
import { statsIfTold } from './stats.ts';

/**
 * Whether a file or a directory shows this entry at first sight: by type, size, mtime, mode and owners, in one look and
 * without being read. False for everything else, which only `observe` can tell.
 */
export function resembles(directories: Directories, path: ReplicaPath, entry: Entry): boolean {
  if (entry.kind !== 'file' && entry.kind !== 'directory') return false;
  const parent = directories.parentOf(path);
  const stats = parent.ok ? statsIfTold(parent, nameOf(path)) : undefined;
  if (stats?.type !== entry.kind || stats.mode !== entry.mode) return false;
  if (ownerName(stats.uid) !== entry.owner || groupName(stats.gid) !== entry.group) return false;
  return entry.kind === 'directory' || (stats.size === entry.size && stats.mtime === entry.mtime);
}
