import { statfsSync } from 'node:fs';
import type { PathFailure } from '../core/failure.ts';

/** A file takes whole blocks, and something is needed for its inode and its name. Bytes. */
const unit = 4096;

/**
 * Whether writing `size` bytes into an open directory would leave less than `minFreeBytes` on its file
 * system. Throws a system error when the file system cannot be asked.
 */
export function lackOfSpace(fd: number, size: number, minFreeBytes: number): PathFailure | undefined {
  return lackIn(freeBytes(fd), size, minFreeBytes);
}

function lackIn(free: number, size: number, minFreeBytes: number): PathFailure | undefined {
  if (free - size >= minFreeBytes) return undefined;
  const detail = `expected ${minFreeBytes} bytes to stay free (limits.minFreeDisk), found ${free} free for ${size} more`;
  return { reason: 'low-disk', detail };
}

/**
 * As lackOfSpace, for the files of one batch: what a file system told of a directory serves for the files that follow,
 * less what they take. Before one is refused it is asked again.
 */
export class Space {
  /** By descriptors of directories: what would be left if nothing of this batch were taken, and when it was asked. */
  readonly #left = new Map<number, number>();
  #taken = 0;

  lack(fd: number, size: number, minFreeBytes: number): PathFailure | undefined {
    const known = this.#left.get(fd);
    if (known === undefined || known - this.#taken - size < minFreeBytes) {
      const free = freeBytes(fd);
      const lack = lackIn(free, size, minFreeBytes);
      if (lack !== undefined) return lack;
      this.#left.set(fd, free + this.#taken);
    }
    this.#taken += Math.ceil(size / unit) * unit + unit;
    return undefined;
  }

  /** The descriptors are about to mean something else. */
  forget(): void {
    this.#left.clear();
    this.#taken = 0;
  }
}

function freeBytes(fd: number): number {
  const { bavail, bsize } = statfsSync(`/proc/self/fd/${fd}`);
  return bavail * bsize;
}
