import { closeSync, constants, openSync, statSync } from 'node:fs';
import { endianness } from 'node:os';
import koffi from 'koffi';

/** F_GETLK, F_WRLCK, F_RDLCK and F_UNLCK of Linux; `struct flock` of 64-bit systems, 32 bytes. */
const getLock = 5;
const writeLock = 1;
const unlocked = 2;
const pidOffset = 24;

type Fcntl = (fd: number, command: number, type: string, lock: Buffer) => number;
let fcntl: Fcntl | undefined;

/**
 * The process that holds a record lock (fcntl) on a file; undefined where nobody does, or there is no such
 * file. Takes no lock itself. 0 stands for a process of another namespace. This process must hold no record lock of its
 * own on the file: closing any descriptor of a file drops those. Throws system errors other than a missing file.
 */
export function recordLockHolder(file: string): number | undefined {
  if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true) return undefined;
  fcntl ??= koffi.load('libc.so.6').func('int fcntl(int, int, ...)') as Fcntl;
  const fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const lock = Buffer.alloc(32);
    const little = endianness() === 'LE';
    if (little) lock.writeInt16LE(writeLock, 0);
    else lock.writeInt16BE(writeLock, 0);
    // A file system without record locks holds none.
    if (fcntl(fd, getLock, 'void *', lock) !== 0) return undefined;
    const type = little ? lock.readInt16LE(0) : lock.readInt16BE(0);
    if (type === unlocked) return undefined;
    return Math.max(0, little ? lock.readInt32LE(pidOffset) : lock.readInt32BE(pidOffset));
  } finally {
    closeSync(fd);
  }
}
