import { closeSync, constants, fstatSync, fsyncSync, openSync } from 'node:fs';
import { errnoCode } from '../files/errno.ts';
import { syncFileSystem } from '../files/native.ts';

/** Up to this many, an fsync each beats one syncfs, which also writes what others left dirty. */
const few = 4;

/** Makes the content of files durable, given with descriptors of their directories. Throws system errors. */
export function syncFiles(files: readonly { readonly path: string; readonly parentFd: number }[]): void {
  if (files.length > few) {
    syncFileSystems(files.map(({ parentFd }) => parentFd));
    return;
  }
  for (const { path } of files) syncFile(path);
}

/** Makes the names in open directories durable. Answers the devices that were written as a whole. Throws system errors. */
export function syncDirectories(fds: readonly number[]): ReadonlySet<number> {
  if (fds.length > few) return syncFileSystems(fds);
  for (const fd of fds) fsyncSync(fd);
  return new Set();
}

function syncFileSystems(fds: readonly number[]): ReadonlySet<number> {
  const byDevice = oneOfEachDevice(fds);
  for (const fd of byDevice.values()) syncFileSystem(fd);
  return new Set(byDevice.keys());
}

/** A file that somebody removed meanwhile needs nothing; placing it will find that out. */
function syncFile(path: string): void {
  const fd = openExisting(path);
  if (fd === undefined) return;
  fsyncSync(fd);
  closeSync(fd);
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
  for (const fd of new Set(fds)) byDevice.set(fstatSync(fd).dev, fd);
  return byDevice;
}
