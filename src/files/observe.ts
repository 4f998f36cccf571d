import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readlinkSync,
} from 'node:fs';
import { absent, type Entry, type Ownership, type Xattrs } from '../core/entry.ts';
import { packEntry } from '../core/packed.ts';
import { nameOf, type ReplicaPath } from '../core/path.ts';
import type { Directories, OpenParent } from './confined.ts';
import { errnoCode, errnoFailure } from './errno.ts';
import { sha256OfFile } from './hash.ts';
import { isOpenForWriting } from './lease.ts';
import type { Target } from './native.ts';
import type { EntryCache, Observation } from './observation.ts';
import { groupName, ownerName } from './owners.ts';
import { namesAccounts, readXattrs } from './xattr.ts';

export type LookOptions = {
  readonly cache?: EntryCache;
  /** Files are read whatever the cache knows, and what it turns out to be wrong about is forgotten. Default false. */
  readonly fresh?: boolean;
  /** Larger files are reported, not read. Bytes. */
  readonly maxFileSizeBytes: number;
  /** Whether a file that some process has open for writing counts as unstable. */
  readonly checkWriters: boolean;
  /** Milliseconds since 1970. Default: the clock. */
  readonly now?: () => number;
  /** Given the content of a file that was read in one go and proven stable. The bytes are good until it returns. */
  readonly onContent?: (bytes: Uint8Array) => void;
  /** Called for a file that was read while the kernel was sure that no process had it open for writing. */
  readonly onUnwritten?: () => void;
};

/**
 * A file that changed less than this before it was read may change again without its times showing it,
 * since they move in ticks: its entry is not remembered (git calls such a file racily clean). Milliseconds.
 */
export const racyMs = 50;

/**
 * What the calls after the first look answer when the name was taken away or replaced since: it is gone, a
 * link, no link any more, a socket, or under a lease of a process that is about to write.
 */
const movedOn: readonly string[] = ['ENOENT', 'ELOOP', 'EINVAL', 'ENXIO', 'ENODEV', 'EAGAIN'];

/**
 * Looks at one path. Absent is only what the kernel says is not there: the name itself, or a parent that is
 * missing, a link or no directory, below which nothing is replicated. Everything else that goes wrong is
 * `failed`, with the errno and the path in the detail.
 */
export function observe(
  options: LookOptions & { readonly directories: Directories; readonly path: ReplicaPath },
): Observation {
  const { directories, path } = options;
  return observeIn(directories.parentOf(path), path, options);
}

/** As observe, for a path whose parent was just opened, or was not. */
export function observeIn(parent: OpenParent, path: ReplicaPath, options: LookOptions): Observation {
  if (!parent.ok) {
    if (parent.reason === 'parent-missing' || parent.reason === 'not-confined')
      return { kind: 'entry', entry: absent, stamp: '' };
    return { kind: 'failed', failure: { reason: parent.reason, detail: parent.detail } };
  }
  return observeAt(parent.child(nameOf(path)), path, options);
}

/** As observe, for a name whose parent is open already. `full` leads through the parent's descriptor. */
export function observeAt(full: string, path: ReplicaPath, options: LookOptions): Observation {
  let stats: BigIntStats;
  try {
    stats = lstatSync(full, { bigint: true });
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return { kind: 'entry', entry: absent, stamp: '' };
    return { kind: 'failed', failure: errnoFailure(error, path) };
  }
  try {
    if (stats.isFile()) return observeFile(full, path, stats, options);
    if (stats.isDirectory()) return observeDirectory(full, stats);
    if (stats.isSymbolicLink()) return observeLink(full, stats);
    return { kind: 'unsupported', type: typeOf(stats) };
  } catch (error) {
    if (movedOn.includes(errnoCode(error))) return { kind: 'unstable' };
    return { kind: 'failed', failure: errnoFailure(error, path) };
  }
}

/** A directory's times move with its children, so only what is replicated of it must have stayed the same. */
function observeDirectory(full: string, before: BigIntStats): Observation {
  const entry: Entry = { kind: 'directory', ...attributesOf(full, before) };
  const after = lstatSync(full, { bigint: true });
  const stayed = (['dev', 'ino', 'mode', 'uid', 'gid'] as const).every((key) => after[key] === before[key]);
  return stayed ? { kind: 'entry', entry, stamp: stampOf(before) } : { kind: 'unstable' };
}

function observeLink(full: string, before: BigIntStats): Observation {
  const bytes = readlinkSync(full, { encoding: 'buffer' });
  const target = bytes.toString('utf8');
  const stamp = stampOf(before);
  if (stampOf(lstatSync(full, { bigint: true })) !== stamp) return { kind: 'unstable' };
  if (target.includes('\uFFFD') && !bytes.equals(Buffer.from(target))) {
    const detail = `expected a link target in valid UTF-8, found the bytes ${bytes.toString('hex')}`;
    return { kind: 'failed', failure: { reason: 'bad-path', detail } };
  }
  return { kind: 'entry', entry: { kind: 'symlink', target, ...ownershipOf(before) }, stamp };
}

function observeFile(full: string, path: ReplicaPath, stats: BigIntStats, options: LookOptions): Observation {
  if (stats.size > options.maxFileSizeBytes) {
    const detail = `expected at most ${options.maxFileSizeBytes} bytes (limits.maxFileSize), found ${stats.size}`;
    return { kind: 'failed', failure: { reason: 'too-large', detail } };
  }
  const stamp = stampOf(stats);
  const entry = options.fresh === true ? undefined : remembered(path, stamp, options.cache);
  if (entry?.kind !== 'file') return readFile(full, path, stats, options);

  // The file is as it was; what its ids are called may have changed all the same.
  const { owner, group } = ownershipOf(stats);
  if (entry.owner === owner && entry.group === group && !namesAccounts(entry.xattrs))
    return { kind: 'entry', entry, stamp };
  const current: Entry = { ...entry, owner, group, xattrs: readXattrs(full) };
  return { kind: 'entry', entry: current, stamp };
}

function remembered(path: ReplicaPath, stamp: string, cache: EntryCache | undefined): Entry | undefined {
  const known = cache?.get(path);
  return known?.stamp === stamp ? known.entry : cache?.learn(path, stamp);
}

/** Reads and hashes a file between two looks at its inode and its name. */
function readFile(full: string, path: ReplicaPath, before: BigIntStats, options: LookOptions): Observation {
  const stamp = stampOf(before);
  // Taken before it is read: what is written from here on must show in the times for the entry to be kept.
  const now = options.now?.() ?? Date.now();
  const { cache } = options;
  const asBefore = options.fresh === true ? cache?.packed(path, stamp) : undefined;
  const isToRemember = cache !== undefined && asBefore === undefined;
  const fd = openQuietly(full);
  try {
    const written = isToRemember || options.checkWriters ? isOpenForWriting(fd) : undefined;
    if (options.checkWriters && written === true) return { kind: 'unstable' };
    if (stampOf(fstatSync(fd, { bigint: true })) !== stamp) return { kind: 'unstable' };
    let bytes: Uint8Array | undefined;
    const { digest, size } = sha256OfFile(fd, Number(before.size), (whole) => {
      bytes = whole;
    });
    const entry: Entry = {
      kind: 'file',
      digest,
      size,
      mtime: timeText(before.mtimeNs),
      ...attributesOf(fd, before),
    };
    // The same inode with the same times under the same name, so fstat would say the same.
    if (stampOf(lstatSync(full, { bigint: true })) !== stamp || BigInt(size) !== before.size)
      return { kind: 'unstable' };
    const racy = [before.ctimeNs, before.mtimeNs].some((time) => now - Number(time / 1_000_000n) <= racyMs);
    // A writer may hold a mapping, through which bytes change long before the times do.
    if (isToRemember && !racy && written !== true) cache.set(path, stamp, entry);
    // Bytes that changed while no time did: a disk that fails, or somebody who writes to the device.
    if (asBefore !== undefined && asBefore !== packEntry(entry)) cache?.delete(path);
    if (bytes !== undefined) options.onContent?.(bytes);
    if (written === false) options.onUnwritten?.();
    return { kind: 'entry', entry, stamp };
  } finally {
    closeSync(fd);
  }
}

const readFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Reading for ourselves is no use of the file: its access time stays where the kernel lets us. */
function openQuietly(full: string): number {
  try {
    return openSync(full, readFlags | constants.O_NOATIME);
  } catch (error) {
    if (errnoCode(error) !== 'EPERM') throw error;
    return openSync(full, readFlags);
  }
}

/** How many bytes `observe` would read of a file: 0 where its stamp is `known`, somebody writes to it, or it is no file. */
export function unreadBytes(full: string, known: string | undefined): number {
  let fd: number | undefined;
  try {
    fd = openQuietly(full);
    const stats = fstatSync(fd, { bigint: true });
    const isUnread = stats.isFile() && stampOf(stats) !== known && isOpenForWriting(fd) !== true;
    return isUnread ? Number(stats.size) : 0;
  } catch (error) {
    // The look that follows tells what is the matter.
    if (errnoCode(error) === '') throw error;
    return 0;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function ownershipOf(stats: BigIntStats): Ownership {
  return { owner: ownerName(Number(stats.uid)), group: groupName(Number(stats.gid)) };
}

/** What is replicated of any file besides its content. Throws system errors. */
export function attributesOf(
  target: Target,
  stats: BigIntStats,
): Ownership & { mode: number; xattrs: Xattrs } {
  return { mode: Number(stats.mode & 0o7777n), ...ownershipOf(stats), xattrs: readXattrs(target) };
}

/** Whether every change after `now` (milliseconds since 1970) will give what has this stamp another one. */
export function tellsOfChanges(stamp: string, now: number): boolean {
  const [, , , mtimeNs = '', ctimeNs = ''] = stamp.split(':');
  return [mtimeNs, ctimeNs].every((time) => now - Number(time) / 1e6 > racyMs);
}

/**
 * Identifies an inode and its state: any change of content or attributes moves the ctime, which nobody can set. The kernel's
 * clock moves in ticks, so that two changes within one may look like one: see tellsOfChanges.
 */
export function stampOf(stats: BigIntStats): string {
  return `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}`;
}

/** The stamp of what has this name now; undefined where nothing has, or that cannot be told. */
export function stampAt(full: string): string | undefined {
  const stats = statsAt(full);
  return stats === undefined ? undefined : stampOf(stats);
}

/** The letter with which the packed entry of what has this name begins; undefined where there is nothing to be replicated. */
export function kindAt(full: string): 'f' | 'd' | 'l' | undefined {
  const stats = statsAt(full);
  if (stats?.isFile()) return 'f';
  if (stats?.isDirectory()) return 'd';
  return stats?.isSymbolicLink() ? 'l' : undefined;
}

function statsAt(full: string): BigIntStats | undefined {
  try {
    return lstatSync(full, { bigint: true });
  } catch (error) {
    if (errnoCode(error) === '') throw error;
    return undefined;
  }
}

/** Nanoseconds since 1970 as `SECONDS.NANOSECONDS`; before 1970 the seconds are negative, the rest counts up. */
export function timeText(nanoseconds: bigint): string {
  const billion = 1_000_000_000n;
  const rest = ((nanoseconds % billion) + billion) % billion;
  return `${(nanoseconds - rest) / billion}.${rest.toString().padStart(9, '0')}`;
}

function typeOf(stats: BigIntStats): Extract<Observation, { kind: 'unsupported' }>['type'] {
  if (stats.isFIFO()) return 'fifo';
  if (stats.isSocket()) return 'socket';
  if (stats.isCharacterDevice()) return 'character-device';
  if (stats.isBlockDevice()) return 'block-device';
  return 'unknown';
}
