import { closeSync, constants, fstatSync, fsyncSync, openSync } from 'node:fs';
import { errnoCode } from '../files/errno.ts';
import { syncFileSystem } from '../files/native.ts';

/** Up to this many, an fsync each beats one syncfs, which also writes what others left dirty. */
const few = 4;

/** Makes the content of files durable, given with descriptors of their directories. Throws system errors. */
export function syncFiles(files: readonly { readonly path: string; readonly parentFd: number }[]): void {
  if (files.length > few) return syncFileSystems(files.map(({ parentFd }) => parentFd));
  for (const { path } of files) syncFile(path);
}

/** Makes the names in open directories durable. Throws system errors. */
export function syncDirectories(fds: readonly number[]): void {
  if (fds.length > few) return syncFileSystems(fds);
  for (const fd of fds) fsyncSync(fd);
}

function syncFileSystems(fds: readonly number[]): void {
  for (const fd of oneOfEachDevice(fds)) syncFileSystem(fd);
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

function oneOfEachDevice(fds: readonly number[]): number[] {
  const byDevice = new Map<number, number>();
  for (const fd of fds) byDevice.set(fstatSync(fd).dev, fd);
  return [...byDevice.values()];
}
