import { constants as os } from 'node:os';
import koffi from 'koffi';

/** Read leases of the kernel, see fcntl(2). `fd` is always open for reading only. */

type Fcntl = (fd: number, command: number, type: string, value: number) => number;

const setLease = 1024;
const getLease = 1025;
const readLease = 0;
const noLease = 2;

let loaded: Fcntl | undefined;

function fcntl(fd: number, command: number, value: number): number {
  loaded ??= koffi.load('libc.so.6').func('int fcntl(int, int, ...)') as Fcntl;
  return loaded(fd, command, 'int', value);
}

let listening = false;

/**
 * Whether any process, this one included, has the file open for writing or mapped for it. The kernel grants a read
 * lease exactly when nobody has; it is given back at once. Undefined where leases are not available: the file system
 * has none, or the file is another user's.
 */
export function isOpenForWriting(fd: number): boolean | undefined {
  const lease = takeLease(fd);
  if (lease === 'taken') giveLeaseBack(fd);
  return lease === 'unavailable' ? undefined : lease === 'written';
}

/**
 * As isOpenForWriting, and a lease that was taken stays: whoever opens the file to write, or cuts it, waits until it is
 * given back or `fd` is closed. That has to be soon.
 */
export function takeLease(fd: number): 'taken' | 'written' | 'unavailable' {
  if (!listening) {
    // Somebody who opens the file while we hold the lease makes the kernel send SIGIO, which would end the process.
    process.on('SIGIO', () => undefined);
    listening = true;
  }
  if (fcntl(fd, setLease, readLease) === 0) return 'taken';
  return koffi.errno() === os.errno.EAGAIN ? 'written' : 'unavailable';
}

/** Whether the lease is held and nobody waits for its end in order to write. */
export function isLeaseWhole(fd: number): boolean {
  return fcntl(fd, getLease, 0) === readLease;
}

export function giveLeaseBack(fd: number): void {
  fcntl(fd, setLease, noLease);
}
