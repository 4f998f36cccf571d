import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readlinkSync,
} from 'node:fs';
import { absent, type Entry } from '../core/entry.ts';
import { nameOf, type ReplicaPath } from '../core/path.ts';
import type { Directories } from './confined.ts';
import { errnoCode, errnoFailure } from './errno.ts';
import { sha256OfFile } from './hash.ts';
import { isOpenForWriting } from './native.ts';
import type { EntryCache, Observation } from './observation.ts';
import { groupName, ownerName } from './owners.ts';
import { readXattrs } from './xattr.ts';

export type LookOptions = {
  readonly cache?: EntryCache;
  /** Larger files are reported, not read. Bytes. */
  readonly maxFileSizeBytes: number;
  /** Whether a file that some process has open for writing counts as unstable. */
  readonly checkWriters: boolean;
  /** Milliseconds since 1970. Default: the clock. */
  readonly now?: () => number;
};

/**
 * A file that changed less than this before it was read may change again without its times showing it,
 * since they move in ticks: its entry is not remembered (git calls such a file racily clean). Milliseconds.
 */
const racyMs = 50;

/** Looks at one path. Only ENOENT, or a parent that is no directory, means absent. */
export function observe(
  options: LookOptions & { readonly directories: Directories; readonly path: ReplicaPath },
): Observation {
  const { directories, path } = options;
  const parent = directories.parentOf(path);
  if (!parent.ok) {
    if (parent.reason === 'parent-missing' || parent.reason === 'not-confined')
      return { kind: 'entry', entry: absent, stamp: '' };
    return { kind: 'failed', failure: { reason: parent.reason, detail: parent.detail } };
  }
  return observeAt(parent.child(nameOf(path)), path, options);
}

/** As observe, for a name whose parent is open already. `full` leads through the parent's descriptor. */
export function observeAt(full: string, path: ReplicaPath, options: LookOptions): Observation {
  try {
    const stats = lstatSync(full, { bigint: true });
    return observeStats(full, path, stats, options);
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return { kind: 'entry', entry: absent, stamp: '' };
    return { kind: 'failed', failure: errnoFailure(error) };
  }
}

function observeStats(
  full: string,
  path: ReplicaPath,
  stats: BigIntStats,
  options: LookOptions,
): Observation {
  const stamp = stampOf(stats);
  const known = options.cache?.get(path);
  if (known !== undefined && known.stamp === stamp) return { kind: 'entry', entry: known.entry, stamp };
  if (stats.isSymbolicLink()) return observeLink(full, stats, stamp);
  if (stats.isDirectory())
    return { kind: 'entry', entry: { kind: 'directory', ...attributesOf(full, stats) }, stamp };
  if (!stats.isFile()) return { kind: 'unsupported', type: typeOf(stats) };
  if (stats.size > options.maxFileSizeBytes) {
    const detail = `expected at most ${options.maxFileSizeBytes} bytes (limits.maxFileSize), found ${stats.size}`;
    return { kind: 'failed', failure: { reason: 'too-large', detail } };
  }
  return observeFile(full, path, stats, options);
}

function observeLink(full: string, stats: BigIntStats, stamp: string): Observation {
  const target = readlinkSync(full);
  if (target.includes('\uFFFD') && !readlinkSync(full, { encoding: 'buffer' }).equals(Buffer.from(target))) {
    return {
      kind: 'failed',
      failure: { reason: 'bad-path', detail: 'the target of the link is not valid UTF-8' },
    };
  }
  const entry: Entry = {
    kind: 'symlink',
    target,
    owner: ownerName(Number(stats.uid)),
    group: groupName(Number(stats.gid)),
  };
  return { kind: 'entry', entry, stamp };
}

/** Reads and hashes a file between two looks at its inode and its name. */
function observeFile(
  full: string,
  path: ReplicaPath,
  before: BigIntStats,
  options: LookOptions,
): Observation {
  const stamp = stampOf(before);
  const fd = openSync(full, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    if (options.checkWriters && isOpenForWriting(fd) === true) return { kind: 'unstable' };
    if (stampOf(fstatSync(fd, { bigint: true })) !== stamp) return { kind: 'unstable' };
    const { digest, size } = sha256OfFile(fd);
    const attributes = attributesOf(full, before);
    if (stampOf(lstatSync(full, { bigint: true })) !== stamp || BigInt(size) !== before.size)
      return { kind: 'unstable' };
    const entry: Entry = { kind: 'file', digest, size, mtime: timeText(before.mtimeNs), ...attributes };
    const now = options.now?.() ?? Date.now();
    if (now - Number(before.ctimeMs) > racyMs && now - Number(before.mtimeMs) > racyMs)
      options.cache?.set(path, stamp, entry);
    return { kind: 'entry', entry, stamp };
  } catch (error) {
    // The name may have been taken away between the looks: that is a change, to be looked at again.
    if (errnoCode(error) === 'ENOENT') return { kind: 'unstable' };
    throw error;
  } finally {
    closeSync(fd);
  }
}

function attributesOf(full: string, stats: BigIntStats) {
  return {
    mode: Number(stats.mode & 0o7777n),
    owner: ownerName(Number(stats.uid)),
    group: groupName(Number(stats.gid)),
    xattrs: readXattrs(full),
  };
}

/** Identifies an inode and its state: any change of content or attributes moves the ctime. */
export function stampOf(stats: BigIntStats): string {
  return `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}`;
}

/** Nanoseconds since 1970 as `SECONDS.NANOSECONDS`; before 1970 the seconds are negative, the rest counts up. */
function timeText(nanoseconds: bigint): string {
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
