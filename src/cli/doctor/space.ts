import { existsSync, statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { sizeText } from '../render.ts';
import { type Check, error, ok, shellWord, warning } from './check.ts';

/** What is free on one file system. Bytes, and inodes where it counts them. */
export type Space = {
  readonly path: string;
  readonly freeBytes: number;
  readonly inodes: { readonly free: number; readonly of: number } | undefined;
};

/** The free space of the file systems that these folders are on, each once. What does not exist counts as its parent. */
export function spaceOf(folders: readonly string[]): Space[] {
  const seen = new Set<number>();
  return folders.map(existing).flatMap((path) => {
    const { dev } = statSync(path);
    if (seen.has(dev)) return [];
    seen.add(dev);
    const { blocks, bavail, bsize, files, ffree } = statfsSync(path);
    // Those in memory without a limit count nothing.
    if (blocks === 0) return [];
    return [{ path, freeBytes: bavail * bsize, inodes: files > 0 ? { free: ffree, of: files } : undefined }];
  });
}

function existing(path: string): string {
  return existsSync(path) ? path : existing(dirname(path));
}

const name = 'space';
/** Within this many times the limit, a burst or a log file can use the rest up. */
const narrow = 4;
const fewInodes = 1000;

/** `minFreeBytes`: below it nothing is written on the passive. */
export function judgeSpace(spaces: readonly Space[], minFreeBytes: number): Check[] {
  const problems = spaces.flatMap(({ path, freeBytes, inodes }) => {
    const mend = `du -xh --max-depth=2 ${shellWord(path)} | sort -h | tail   # then free some`;
    const free = `${sizeText(freeBytes)} free on the file system of ${path}`;
    const limit = `limits.minFreeDisk is ${sizeText(minFreeBytes)}`;
    if (freeBytes < minFreeBytes)
      return [error(name, `${free}, ${limit}: nothing is written any more`, mend)];
    if (inodes !== undefined && inodes.free < fewInodes)
      return [error(name, `${inodes.free} of ${inodes.of} inodes free on the file system of ${path}`, mend)];
    return freeBytes < narrow * minFreeBytes ? [warning(name, `only ${free}; ${limit}`, mend)] : [];
  });
  if (problems.length > 0) return problems;
  return [ok(name, spaces.map(({ path, freeBytes }) => `${path} ${sizeText(freeBytes)} free`).join(', '))];
}
