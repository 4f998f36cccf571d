import { type Packed, unpackEntry } from '../core/packed.ts';
import type { ReplicaPath } from '../core/path.ts';
import type { EntryCache, Observation } from './observation.ts';
import { groupName, ownerName } from './owners.ts';
import { fileStatus } from './statx.ts';

/** A file that is as it was when it was read. Its entry is unpacked where somebody asks for it. */
class UnchangedFile {
  readonly path: ReplicaPath;
  readonly packed: Packed;
  readonly #stamp: string;

  constructor(path: ReplicaPath, packed: Packed, stamp: string) {
    this.path = path;
    this.packed = packed;
    this.#stamp = stamp;
  }

  get observation(): Observation {
    const entry = unpackEntry(this.packed);
    if (entry === undefined) throw new Error(`expected a packed entry, found ${this.packed}`);
    return { kind: 'entry', entry, stamp: this.#stamp };
  }
}

/**
 * One look, without opening anything, at a name below an open directory: the entry that was remembered, where the
 * inode and its times are the same (no change of content, owner, mode or attributes leaves the ctime as it was) and
 * its ids are called the same. `unread` for a file that is not remembered so; undefined for everything else, which
 * observe has to look at: also a file with extended attributes, since an ACL holds names.
 */
export function unchangedFile(
  fd: number,
  name: string,
  {
    path,
    cache,
    maxFileSizeBytes,
  }: { readonly path: ReplicaPath; readonly cache: EntryCache; readonly maxFileSizeBytes: number },
): UnchangedFile | 'unread' | undefined {
  const status = fileStatus(fd, name);
  if (status === undefined || status.size > maxFileSizeBytes) return undefined;
  const { stamp, uid, gid } = status;
  const packed = cache.packed(path, stamp);
  if (packed === undefined) return 'unread';
  if (!packed.startsWith('f ')) return undefined;
  if (!packed.endsWith(ownedBy(ownerName(uid), groupName(gid)))) return undefined;
  return new UnchangedFile(path, packed, stamp);
}

let last = { owner: '', group: '', text: '' };

/** How the packed entry of a file without extended attributes ends. Most files have the owners of the one before. */
function ownedBy(owner: string, group: string): string {
  if (owner !== last.owner || group !== last.group)
    last = { owner, group, text: ` ${JSON.stringify([owner, group])}` };
  return last.text;
}
