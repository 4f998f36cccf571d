import { closeSync, constants, openSync } from 'node:fs';
import { errnoCode } from '../files/errno.ts';
import { syncFileSystem } from '../files/native.ts';
import { deviceOfOpen } from '../files/stats.ts';
import { syncTogether } from '../files/sync-together.ts';

/** Up to this many, an fsync each beats one syncfs, which also writes what others left dirty. */
const few = 4;

/** Makes the content of files durable, given with descriptors of their directories. Throws system errors. */
export function syncFiles(files: readonly { readonly path: string; readonly parentFd: number }[]): void {
  if (files.length > few) return syncFileSystems(files.map(({ parentFd }) => parentFd));
  // A file that somebody removed meanwhile needs nothing; placing it will find that out.
  syncPaths(files.map(({ path }) => path));
}

/** Makes the names in open directories durable. Throws system errors. */
export function syncDirectories(fds: readonly number[]): void {
  if (fds.length > few) syncFileSystems(fds);
  else syncTogether(fds);
}

/** Versions that were kept and may not survive a power cut yet. */
export type UnsettledVersions = {
  /** The state folder, which holds them. */
  readonly folder: string;
  /** How many there are. */
  readonly unsettled: number;
  /** Full paths of all that has to be synced for them and their rows. */
  unsettledPaths(): Iterable<string>;
  /** It was. */
  settled(): void;
  /** How many displaced contents are not synced yet, for which nobody waits. */
  readonly displaced: number;
  /** Full paths of all that has to be synced for them. */
  displacedPaths(): Iterable<string>;
  /** It was. */
  displacedSettled(): void;
};

/** So many of them are not left to wait for a quiet moment, which may never come. */
const mostDisplaced = 1000;

/**
 * Makes names in open directories durable, and versions with their rows: for a few all of it side by side, since they
 * share what the disk does then. Whichever of them a power cut leaves out, nothing was answered yet. Throws system errors.
 */
export function makeDurable(directories: readonly number[], versions: UnsettledVersions): void {
  const isBulk = directories.length > few || versions.unsettled > few || versions.displaced > mostDisplaced;
  if (isBulk) return syncWithVersions(directories, versions);
  syncPaths(versions.unsettledPaths(), directories);
  versions.settled();
}

/** Syncs displaced contents, for when nobody waits. Throws system errors. */
export function settleDisplaced(versions: UnsettledVersions): void {
  if (versions.displaced === 0) return;
  if (versions.displaced > few) return syncWithVersions([], versions);
  syncPaths(versions.displacedPaths());
  versions.displacedSettled();
}

function syncWithVersions(directories: readonly number[], versions: UnsettledVersions): void {
  const isAny = versions.unsettled + versions.displaced > 0;
  const folder = isAny ? [openSync(versions.folder, constants.O_RDONLY)] : [];
  try {
    syncFileSystems([...directories, ...folder]);
  } finally {
    for (const fd of folder) closeSync(fd);
  }
  versions.settled();
  versions.displacedSettled();
}

/** Each file system that holds one of the descriptors, once. */
function syncFileSystems(fds: readonly number[]): void {
  for (const fd of oneOfEachDevice(fds).values()) syncFileSystem(fd);
}

/** All that the paths lead to, where there is something, and what the descriptors stand for. */
function syncPaths(paths: Iterable<string>, fds: readonly number[] = []): void {
  const opened: number[] = [];
  try {
    for (const path of paths) {
      const fd = openExisting(path);
      if (fd !== undefined) opened.push(fd);
    }
    syncTogether([...opened, ...fds]);
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}

function openExisting(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function oneOfEachDevice(fds: readonly number[]): ReadonlyMap<number, number> {
  const byDevice = new Map<number, number>();
  for (const fd of new Set(fds)) byDevice.set(deviceOfOpen(fd), fd);
  return byDevice;
}
