import { closeSync, constants } from 'node:fs';
import type { Packed } from '../core/packed.ts';
import { openBelow } from './below.ts';
import { errnoCode } from './errno.ts';
import { sha256OfFile } from './hash.ts';

const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOATIME;

/**
 * Whether a child of an open directory still holds what was remembered, by reading it. `size`: bytes. False also where it
 * cannot be read so: a closer look tells what is the matter. The target of a link cannot change without its ctime.
 */
export function holdsStill(directory: number, name: string, packed: Packed, size: number): boolean {
  if (!packed.startsWith('f ')) return true;
  const from = packed.indexOf(' ', 2) + 1;
  return packed.startsWith(`${digestOf(directory, name, size)} `, from);
}

/** Undefined where it cannot be read, or has another size by now. */
function digestOf(directory: number, name: string, size: number): string | undefined {
  let fd: number | undefined;
  try {
    fd = openBelow(directory, name, flags);
    const read = sha256OfFile(fd, size);
    return read.size === size ? read.digest : undefined;
  } catch (error) {
    if (errnoCode(error) === '') throw error;
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
