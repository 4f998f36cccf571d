import { statfsSync } from 'node:fs';
import type { PathFailure } from '../core/failure.ts';

/**
 * Whether writing `size` bytes into an open directory would leave less than `minFreeBytes` on its file
 * system. Throws a system error when the file system cannot be asked.
 */
export function lackOfSpace(fd: number, size: number, minFreeBytes: number): PathFailure | undefined {
  const { bavail, bsize } = statfsSync(`/proc/self/fd/${fd}`);
  const free = bavail * bsize;
  if (free - size >= minFreeBytes) return undefined;
  const detail = `expected ${minFreeBytes} bytes to stay free (limits.minFreeDisk), found ${free} free for ${size} more`;
  return { reason: 'low-disk', detail };
}
