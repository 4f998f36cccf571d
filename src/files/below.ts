import { constants, openSync } from 'node:fs';
import koffi from 'koffi';

type OpenAt = (directory: number, name: string, flags: number) => number;

let openAt: OpenAt | undefined;

function load(): OpenAt {
  return koffi.load('libc.so.6').func('int openat(int, const char *, int)') as OpenAt;
}

/** Node does not name it, and adds it to every open itself. */
const closeOnExec = 0o2000000;

/**
 * Opens a name below an open directory: half the time of a path through `/proc/self/fd`, by which an open that fails is
 * tried once more, so that the error is Node's. `name` holds no `/`; links are for the flags to refuse.
 */
export function openBelow(directory: number, name: string, flags: number): number {
  if (name === '' || name === '..' || name.includes('/') || name.includes('\0'))
    throw new Error(`expected the name of a child, found ${JSON.stringify(name)}`);
  openAt ??= load();
  const fd = openAt(directory, name, flags | closeOnExec);
  return fd >= 0 ? fd : openSync(`/proc/self/fd/${directory}/${name}`, flags | constants.O_NOFOLLOW);
}
