import { type BigIntStats, fstatSync, lstatSync } from 'node:fs';
import { errnoCode } from './errno.ts';
import type { Place } from './place.ts';
import { type InodeType, Statx, stampOfParts } from './statx.ts';

/** What one look tells of an inode, links not followed. */
export type Stats = {
  readonly type: InodeType | 'fifo' | 'socket' | 'character-device' | 'block-device' | 'unknown';
  /** Permission bits, set-user-id, set-group-id and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes. */
  readonly size: number;
  /** As of timeText. */
  readonly mtime: string;
  /** When content or attributes changed last, milliseconds since 1970. */
  readonly changedAtMs: number;
  /** As of stampOf. */
  readonly stamp: string;
};

/** Made when it is first needed: it takes a buffer outside of the heap. */
let newest: Statx | undefined;

/**
 * What has this name in an open directory; undefined where nothing has. One call of the kernel by the descriptor, where
 * Node's leads through `/proc/self/fd`, makes twenty big numbers, and an error for what is not there: a third of the time,
 * and a ninth. Throws system errors.
 */
export function statsOfChild(place: Place, name: string): Stats | undefined {
  newest ??= new Statx();
  const type = newest.look(place.fd, name);
  if (type !== undefined) return seenBy(newest, type);
  return newest.isAbsent ? undefined : statsAt(place.child(name));
}

/** As statsOfChild; undefined also where that cannot be told: a closer look tells why. */
export function statsIfTold(place: Place, name: string): Stats | undefined {
  try {
    return statsOfChild(place, name);
  } catch (error) {
    if (errnoCode(error) === '') throw error;
    return undefined;
  }
}

/** Of an open file. Throws system errors. */
export function statsOfOpen(fd: number): Stats {
  newest ??= new Statx();
  const type = newest.look(fd, '.');
  return type === undefined ? plain(fstatSync(fd, { bigint: true })) : seenBy(newest, type);
}

/** The number of the file system that holds what is open. Throws system errors. */
export function deviceOfOpen(fd: number): number {
  newest ??= new Statx();
  return newest.look(fd, '.') === undefined ? fstatSync(fd).dev : newest.device;
}

/** What has this path; undefined where nothing has. Throws system errors. */
export function statsAt(full: string): Stats | undefined {
  try {
    return plain(lstatSync(full, { bigint: true }));
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function seenBy({ mode, uid, gid, size, mtime, changedAtMs, stamp }: Statx, type: InodeType): Stats {
  return { type, mode, uid, gid, size, mtime, changedAtMs, stamp };
}

function plain(stats: BigIntStats): Stats {
  const [changed, written] = [stats.ctimeNs, stats.mtimeNs].map((time) => Number(time / 1_000_000n));
  return {
    type: typeOf(stats),
    mode: Number(stats.mode & 0o7777n),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    size: Number(stats.size),
    mtime: timeText(stats.mtimeNs),
    changedAtMs: Math.max(changed ?? 0, written ?? 0),
    stamp: stampOf(stats),
  };
}

function typeOf(stats: BigIntStats): Stats['type'] {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'directory';
  if (stats.isSymbolicLink()) return 'link';
  if (stats.isFIFO()) return 'fifo';
  if (stats.isSocket()) return 'socket';
  if (stats.isCharacterDevice()) return 'character-device';
  if (stats.isBlockDevice()) return 'block-device';
  return 'unknown';
}

/**
 * Identifies an inode and its state: any change of content or attributes moves the ctime, which nobody can set. The kernel's
 * clock moves in ticks, so that two changes within one may look like one: see tellsOfChanges.
 */
export function stampOf(stats: BigIntStats): string {
  return stampOfParts(stats.dev, stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs);
}

/** The part of a stamp that tells which inode it is, whatever became of it. */
export function inodeOfStamp(stamp: string): string {
  return stamp.slice(0, stamp.indexOf(':', stamp.indexOf(':') + 1));
}

/** Nanoseconds since 1970 as `SECONDS.NANOSECONDS`; before 1970 the seconds are negative, the rest counts up. */
export function timeText(nanoseconds: bigint): string {
  const billion = 1_000_000_000n;
  const rest = ((nanoseconds % billion) + billion) % billion;
  return `${(nanoseconds - rest) / billion}.${rest.toString().padStart(9, '0')}`;
}
