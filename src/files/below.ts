import { constants, openSync } from 'node:fs';
import koffi from 'koffi';

type OpenAt = (directory: number, name: string, flags: number, mode: number) => number;

let openAt: OpenAt | undefined;

function load(): OpenAt {
  return koffi.load('libc.so.6').func('int openat(int, const char *, int, unsigned int)') as OpenAt;
}

/** Node does not name it, and adds it to every open itself. */
const closeOnExec = 0o2000000;

/**
 * Opens a name below an open directory: half the time of a path through `/proc/self/fd`, by which an open that fails is
 * tried once more, so that the error is Node's. `name` holds no `/`; links are for the flags to refuse. `mode`: of what is made.
 */
export function openBelow(directory: number, name: string, flags: number, mode = 0): number {
  if (name === '' || name === '..' || name.includes('/') || name.includes('\0'))
    throw new Error(`expected the name of a child, found ${JSON.stringify(name)}`);
  openAt ??= load();
  const fd = openAt(directory, name, flags | closeOnExec, mode);
  return fd >= 0 ? fd : openSync(`${through}${directory}/${name}`, flags | constants.O_NOFOLLOW, mode);
}

const through = '/proc/self/fd/';
/** AT_FDCWD: the path is not below a descriptor. */
const workingFolder = -100;

/**
 * A path that leads through a descriptor to a name in it, as the calls of libc with `at` in their names take it: the kernel
 * passes over four components then, one of them a magic link. Any other path stays one.
 */
export function belowDescriptor(path: string): { readonly directory: number; readonly name: string } {
  const slash = path.startsWith(through) ? path.indexOf('/', through.length) : -1;
  const name = path.slice(slash + 1);
  if (slash < 0 || name === '' || name.includes('/')) return { directory: workingFolder, name: path };
  const digits = path.slice(through.length, slash);
  return /^\d{1,9}$/.test(digits)
    ? { directory: Number(digits), name }
    : { directory: workingFolder, name: path };
}
