import type { Packed } from '../core/packed.ts';
import type { ReplicaPath } from '../core/path.ts';
import { type Folder, knownEntry } from './folder.ts';
import type { EntryCache, Observation } from './observation.ts';
import { groupName, ownerName } from './owners.ts';
import type { InodeType, Statx } from './statx.ts';

/** Something that is as it was when it was read. Its entry is unpacked where somebody asks for it. */
export class Unchanged {
  readonly path: ReplicaPath;
  readonly packed: Packed;
  readonly #stamp: string;

  constructor(path: ReplicaPath, packed: Packed, stamp: string) {
    this.path = path;
    this.packed = packed;
    this.#stamp = stamp;
  }

  get observation(): Observation {
    return knownEntry(this.packed, this.#stamp);
  }
}

/** A file that has to be read to be known. */
export class UnreadFile {
  readonly path: ReplicaPath;
  readonly unread = true;
  readonly #read: () => Observation;

  constructor(path: ReplicaPath, read: () => Observation) {
    this.path = path;
    this.#read = read;
  }

  get observation(): Observation {
    return this.#read();
  }
}

/** `type` and `seen`: of the newest look at the name. */
export type Look = {
  readonly name: string;
  readonly path: ReplicaPath;
  readonly type: InodeType;
  readonly seen: Statx;
};

/**
 * The entry that was remembered, where the inode and its times are the same (no change of content, owner, mode or
 * attributes leaves the ctime as it was) and its ids are called the same: what was looked at by one call is known so.
 * `unread` for a file that is not remembered so; undefined for everything else, which observe has to look at: also a
 * file with extended attributes, since an ACL holds names.
 */
export function unchanged(
  { name, path, type, seen }: Look,
  known: Folder | undefined,
  cache: EntryCache,
): Unchanged | 'unread' | undefined {
  if (type === 'directory') return undefined;
  const place = known?.placeOf(name) ?? -1;
  const packed =
    known !== undefined && place >= 0 && known.isSeen(place, seen)
      ? known.packedAt(place)
      : cache.packed(path, seen);
  if (packed === undefined) return type === 'file' ? 'unread' : undefined;
  return isPlain(packed, type, seen) ? new Unchanged(path, packed, seen.stamp) : undefined;
}

let last = { owner: '', group: '', text: '' };

/** Whether the entry is one of that type without extended attributes, whose owners are called as they are called now. */
export function isPlain(packed: Packed, type: InodeType, { uid, gid }: Statx): boolean {
  const owner = ownerName(uid);
  const group = groupName(gid);
  // Most have the owners of the one before.
  if (owner !== last.owner || group !== last.group)
    last = { owner, group, text: JSON.stringify([owner, group]) };
  if (type === 'link') return packed.startsWith(`l ${last.text.slice(0, -1)},`);
  return packed.startsWith(type === 'file' ? 'f ' : 'd ') && packed.endsWith(` ${last.text}`);
}
