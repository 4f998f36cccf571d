import { closeSync, constants, fstatSync, fsyncSync, openSync } from 'node:fs';
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

function syncFile(path: string): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  fsyncSync(fd);
  closeSync(fd);
}

function oneOfEachDevice(fds: readonly number[]): number[] {
  const byDevice = new Map<number, number>();
  for (const fd of fds) byDevice.set(fstatSync(fd).dev, fd);
  return [...byDevice.values()];
}
