import { type BigIntStats, lstatSync } from 'node:fs';
import type { Entry } from '../core/entry.ts';
import { nameOf, type ReplicaPath } from '../core/path.ts';
import type { Directories } from './confined.ts';
import { timeText } from './observe.ts';
import { groupName, ownerName } from './owners.ts';

/**
 * Whether a file or a directory shows this entry at first sight: by type, size, mtime, mode and owners, in one look and
 * without being read. False for everything else, which only `observe` can tell.
 */
export function resembles(directories: Directories, path: ReplicaPath, entry: Entry): boolean {
  if (entry.kind !== 'file' && entry.kind !== 'directory') return false;
  const parent = directories.parentOf(path);
  const stats = parent.ok ? statsOf(parent.child(nameOf(path))) : undefined;
  if (stats === undefined || Number(stats.mode & 0o7777n) !== entry.mode) return false;
  if (ownerName(Number(stats.uid)) !== entry.owner || groupName(Number(stats.gid)) !== entry.group)
    return false;
  if (entry.kind === 'directory') return stats.isDirectory();
  return stats.isFile() && stats.size === BigInt(entry.size) && timeText(stats.mtimeNs) === entry.mtime;
}

/** Undefined also for what cannot be looked at: a closer look tells why. */
function statsOf(full: string): BigIntStats | undefined {
  try {
    return lstatSync(full, { bigint: true, throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
