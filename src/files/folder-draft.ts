import type { Packed } from '../core/packed.ts';
import type { ReplicaPath } from '../core/path.ts';
import { Folder, type Owners } from './folder.ts';
import { groupName, ownerName } from './owners.ts';
import type { Statx } from './statx.ts';

/** Puts together what a walk learns of one directory. */
export class FolderDraft {
  readonly #path: ReplicaPath;
  readonly #names: string[] = [];
  readonly #packed: Packed[] = [];
  readonly #states: number[] = [];
  readonly #others: string[] = [];
  readonly #owners = new Map<string, Owners>();
  #largest = 0;
  #last = { uid: -1, gid: -1 };
  #self: { packed: Packed; state: Uint32Array } | undefined;

  constructor(path: ReplicaPath) {
    this.#path = path;
  }

  /** The newest look is that of this child, whose entry it is. Children come in the order of their bytes. */
  remember(name: string, packed: Packed, seen: Statx): void {
    this.#names.push(name);
    this.#packed.push(packed);
    for (const part of seen.state) this.#states.push(part);
    this.#largest = Math.max(this.#largest, seen.size);
    this.#noteOwners(seen);
  }

  /** As remember, of a child that is as it was: what `known` holds at that place. */
  keep(known: Folder, place: number, seen: Statx): void {
    this.#names.push(known.names[place] ?? '');
    this.#packed.push(known.packedAt(place) ?? '');
    known.addState(place, this.#states);
    this.#largest = Math.max(this.#largest, seen.size);
    this.#noteOwners(seen);
  }

  /** The newest look is that of the directory itself. */
  rememberSelf(packed: Packed, seen: Statx): void {
    this.#self = { packed, state: Uint32Array.from(seen.state) };
    this.#noteOwners(seen);
  }

  /** It has to be looked at each time. */
  lookAgain(name: string): void {
    this.#others.push(name);
  }

  /** `listing`: all names as the kernel listed them. */
  folder(
    listing: readonly string[],
    { watchlists, included }: { readonly watchlists: object; readonly included: boolean },
  ): Folder {
    return new Folder({
      path: this.#path,
      names: this.#names,
      packed: this.#packed,
      states: new Uint32Array(this.#states),
      walked: {
        watchlists,
        included,
        listing,
        others: this.#others,
        owners: [...this.#owners.values()],
        largest: this.#largest,
        self: this.#self,
      },
    });
  }

  #noteOwners({ uid, gid }: Statx): void {
    // Most have the owners of the one before.
    if (uid === this.#last.uid && gid === this.#last.gid) return;
    this.#last = { uid, gid };
    const key = `${uid}:${gid}`;
    if (!this.#owners.has(key))
      this.#owners.set(key, { uid, gid, owner: ownerName(uid), group: groupName(gid) });
  }
}
