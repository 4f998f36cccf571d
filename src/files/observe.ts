import { closeSync, constants, openSync, readlinkSync } from 'node:fs';
import { absent, type Entry, type Ownership, type Xattrs } from '../core/entry.ts';
import { packEntry } from '../core/packed.ts';
import { nameOf, type ReplicaPath } from '../core/path.ts';
import { openBelow } from './below.ts';
import type { Directories, OpenParent } from './confined.ts';
import { errnoCode, errnoFailure } from './errno.ts';
import { sha256OfFile } from './hash.ts';
import { isOpenForWriting } from './lease.ts';
import type { Target } from './native.ts';
import type { EntryCache, Observation } from './observation.ts';
import { groupName, ownerName } from './owners.ts';
import type { Place } from './place.ts';
import { inodeOfStamp, type Stats, statsAt, statsIfTold, statsOfChild, statsOfOpen } from './stats.ts';
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
  readonly onContent?: ((bytes: Uint8Array) => void) | undefined;
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
  return observeChild(parent, nameOf(path), path, options);
}

/** As observe, for a name in a directory that is open. */
export function observeChild(
  place: Place,
  name: string,
  path: ReplicaPath,
  options: LookOptions,
): Observation {
  return observeSpot(new SpotBelow(place, name), path, options);
}

/** As observe, for a full path, which may lead through a descriptor. */
export function observeAt(full: string, path: ReplicaPath, options: LookOptions): Observation {
  return observeSpot(
    { full, look: () => statsAt(full), open: (flags) => openSync(full, flags) },
    path,
    options,
  );
}

/** Where to look. In an open directory the calls need not lead through `/proc/self/fd`. */
type Spot = {
  readonly full: string;
  look(): Stats | undefined;
  open(flags: number): number;
};

class SpotBelow implements Spot {
  readonly #place: Place;
  readonly #name: string;

  constructor(place: Place, name: string) {
    this.#place = place;
    this.#name = name;
  }

  get full(): string {
    return this.#place.child(this.#name);
  }

  look(): Stats | undefined {
    return statsOfChild(this.#place, this.#name);
  }

  open(flags: number): number {
    return openBelow(this.#place.fd, this.#name, flags);
  }
}

function observeSpot(spot: Spot, path: ReplicaPath, options: LookOptions): Observation {
  let stats: Stats | undefined;
  try {
    stats = spot.look();
  } catch (error) {
    return { kind: 'failed', failure: errnoFailure(error, path) };
  }
  if (stats === undefined) return { kind: 'entry', entry: absent, stamp: '' };
  try {
    switch (stats.type) {
      case 'file':
        return observeFile(spot, path, stats, options);
      case 'directory':
        return observeDirectory(spot, stats);
      case 'link':
        return observeLink(spot, stats);
      default:
        return { kind: 'unsupported', type: stats.type };
    }
  } catch (error) {
    if (movedOn.includes(errnoCode(error))) return { kind: 'unstable' };
    return { kind: 'failed', failure: errnoFailure(error, path) };
  }
}

/** A directory's times move with its children, so only what is replicated of it must have stayed the same. */
function observeDirectory(spot: Spot, before: Stats): Observation {
  const entry: Entry = { kind: 'directory', ...attributesOf(spot.full, before) };
  const after = spot.look();
  const stayed =
    after !== undefined &&
    inodeOfStamp(after.stamp) === inodeOfStamp(before.stamp) &&
    (['type', 'mode', 'uid', 'gid'] as const).every((key) => after[key] === before[key]);
  return stayed ? { kind: 'entry', entry, stamp: before.stamp } : { kind: 'unstable' };
}

function observeLink(spot: Spot, before: Stats): Observation {
  const bytes = readlinkSync(spot.full, { encoding: 'buffer' });
  const target = bytes.toString('utf8');
  const { stamp } = before;
  if (spot.look()?.stamp !== stamp) return { kind: 'unstable' };
  if (target.includes('\uFFFD') && !bytes.equals(Buffer.from(target))) {
    const detail = `expected a link target in valid UTF-8, found the bytes ${bytes.toString('hex')}`;
    return { kind: 'failed', failure: { reason: 'bad-path', detail } };
  }
  return { kind: 'entry', entry: { kind: 'symlink', target, ...ownershipOf(before) }, stamp };
}

function observeFile(spot: Spot, path: ReplicaPath, stats: Stats, options: LookOptions): Observation {
  if (stats.size > options.maxFileSizeBytes) {
    const detail = `expected at most ${options.maxFileSizeBytes} bytes (limits.maxFileSize), found ${stats.size}`;
    return { kind: 'failed', failure: { reason: 'too-large', detail } };
  }
  const { stamp } = stats;
  const entry = options.fresh === true ? undefined : remembered(path, stamp, options.cache);
  if (entry?.kind !== 'file') return readFile(spot, path, stats, options);

  // The file is as it was; what its ids are called may have changed all the same.
  const { owner, group } = ownershipOf(stats);
  if (entry.owner === owner && entry.group === group && !namesAccounts(entry.xattrs))
    return { kind: 'entry', entry, stamp };
  const current: Entry = { ...entry, owner, group, xattrs: readXattrs(spot.full) };
  return { kind: 'entry', entry: current, stamp };
}

function remembered(path: ReplicaPath, stamp: string, cache: EntryCache | undefined): Entry | undefined {
  const known = cache?.get(path);
  return known?.stamp === stamp ? known.entry : cache?.learn(path, stamp);
}

/** Reads and hashes a file between two looks at its inode and its name. */
function readFile(spot: Spot, path: ReplicaPath, before: Stats, options: LookOptions): Observation {
  const { stamp } = before;
  // Taken before it is read: what is written from here on must show in the times for the entry to be kept.
  const now = options.now?.() ?? Date.now();
  const { cache } = options;
  const asBefore = options.fresh === true ? cache?.packed(path, before) : undefined;
  const isToRemember = cache !== undefined && asBefore === undefined;
  const fd = openQuietly(spot);
  try {
    const written = isToRemember || options.checkWriters ? isOpenForWriting(fd) : undefined;
    if (options.checkWriters && written === true) return { kind: 'unstable' };
    if (statsOfOpen(fd).stamp !== stamp) return { kind: 'unstable' };
    let bytes: Uint8Array | undefined;
    const { digest, size } = sha256OfFile(fd, before.size, (whole) => {
      bytes = whole;
    });
    const { mtime } = before;
    const { mode, owner, group, xattrs } = attributesOf(fd, before);
    const entry: Entry = { kind: 'file', digest, size, mtime, mode, owner, group, xattrs };
    // The same inode with the same times under the same name, so fstat would say the same.
    if (spot.look()?.stamp !== stamp || size !== before.size) return { kind: 'unstable' };
    // A writer may hold a mapping, through which bytes change long before the times do.
    if (isToRemember && now - before.changedAtMs > racyMs && written !== true) cache.set(path, stamp, entry);
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
function openQuietly(spot: Pick<Spot, 'open'>): number {
  try {
    return spot.open(readFlags | constants.O_NOATIME);
  } catch (error) {
    if (errnoCode(error) !== 'EPERM') throw error;
    return spot.open(readFlags);
  }
}

/** How many bytes `observe` would read of a file: 0 where its stamp is `known`, somebody writes to it, or it is no file. */
export function unreadBytes(full: string, known: string | undefined): number {
  let fd: number | undefined;
  try {
    fd = openQuietly({ open: (flags) => openSync(full, flags) });
    const { type, size, stamp } = statsOfOpen(fd);
    const isUnread = type === 'file' && stamp !== known && isOpenForWriting(fd) !== true;
    return isUnread ? size : 0;
  } catch (error) {
    // The look that follows tells what is the matter.
    if (errnoCode(error) === '') throw error;
    return 0;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

type Owned = Pick<Stats, 'uid' | 'gid'>;

function ownershipOf({ uid, gid }: Owned): Ownership {
  return { owner: ownerName(uid), group: groupName(gid) };
}

/** What is replicated of any file besides its content. Throws system errors. */
export function attributesOf(
  target: Target,
  stats: Owned & Pick<Stats, 'mode'>,
): Ownership & { mode: number; xattrs: Xattrs } {
  const { owner, group } = ownershipOf(stats);
  return { mode: stats.mode, owner, group, xattrs: readXattrs(target) };
}

/** Whether every change after `now` (milliseconds since 1970) will give what has this stamp another one. */
export function tellsOfChanges(stamp: string, now: number): boolean {
  const [, , , mtimeNs = '', ctimeNs = ''] = stamp.split(':');
  return [mtimeNs, ctimeNs].every((time) => now - Number(time) / 1e6 > racyMs);
}

/** The stamp of what has this name now; undefined where nothing has, or that cannot be told. */
export function stampOfChild(place: Place, name: string): string | undefined {
  return statsIfTold(place, name)?.stamp;
}

/** The letter with which the packed entry of what has this name begins; undefined where there is nothing to be replicated. */
export function kindOfChild(place: Place, name: string): 'f' | 'd' | 'l' | undefined {
  const type = statsIfTold(place, name)?.type;
  return type === 'file' || type === 'directory' || type === 'link' ? letters[type] : undefined;
}

const letters = { file: 'f', directory: 'd', link: 'l' } as const;
