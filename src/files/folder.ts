import { type Packed, packedKey, unpacked } from '../core/packed.ts';
import { childOf, type ReplicaPath } from '../core/path.ts';
import { xxh64Text } from './hash.ts';
import type { Observation } from './observation.ts';
import { groupName, ownerName } from './owners.ts';
import { holdsStill } from './reread.ts';
import { type Statx, stampOfState, stateLength } from './statx.ts';

/** How many children are looked at in one go; a directory may hold very many. */
const atOnce = 1000;
/** How much of them is read in one go. To open one takes as long as to read so many bytes. */
const readAtOnceBytes = 1024 * 1024;
const openingBytes = 16 * 1024;
/** Below it a search through the names is as quick as a table of them. */
const fewNames = 32;

/** Ids, and what they were called. */
export type Owners = {
  readonly uid: number;
  readonly gid: number;
  readonly owner: string;
  readonly group: string;
};

export type FolderParts = {
  readonly path: ReplicaPath;
  /** Children that are remembered, in the order of their bytes, and of each the entry and the state. */
  readonly names: readonly string[];
  readonly packed: readonly Packed[];
  readonly states: Uint32Array;
  /** Undefined: it was not walked yet, so that nothing is known beyond the children. */
  readonly walked?: {
    /** For whom: others may leave out other names. */
    readonly watchlists: object;
    /** Whether they include the directory itself. */
    readonly included: boolean;
    /** All names, as the kernel listed them. */
    readonly listing: readonly string[];
    /** Names that have to be looked at each time: directories, and what cannot be remembered. In the order of their bytes. */
    readonly others: readonly string[];
    readonly owners: readonly Owners[];
    /** The largest file, bytes. */
    readonly largest: number;
    /** The directory's own entry and state; undefined where it cannot be remembered. */
    readonly self: { readonly packed: Packed; readonly state: Uint32Array } | undefined;
  };
};

/**
 * What is remembered of the children of one directory. Never changed once it is made, so that the cache and any number of
 * manifests share it: of a directory that is as it was, a walk keeps nothing more than this.
 */
export class Folder {
  readonly path: ReplicaPath;
  readonly names: readonly string[];
  readonly walked: FolderParts['walked'];
  readonly #packed: readonly Packed[];
  readonly #states: Uint32Array;
  readonly #sums: { exact?: bigint; withoutTimes?: bigint } = {};
  #places: Map<string, number> | undefined;

  constructor({ path, names, packed, states, walked }: FolderParts) {
    this.path = path;
    this.names = names;
    this.#packed = packed;
    this.#states = states;
    this.walked = walked;
  }

  get size(): number {
    return this.names.length;
  }

  /** Where the name is among the children; -1 for none of them. */
  placeOf(name: string): number {
    if (this.names.length <= fewNames) return this.names.indexOf(name);
    this.#places ??= new Map(this.names.map((one, place) => [one, place]));
    return this.#places.get(name) ?? -1;
  }

  packedAt(place: number): Packed | undefined {
    return this.#packed[place];
  }

  stampAt(place: number): string {
    return stampOfState(this.#states, place * stateLength);
  }

  stateAt(place: number): readonly number[] {
    return [...this.#states.subarray(place * stateLength, (place + 1) * stateLength)];
  }

  /** Adds the state of that child to others. */
  addState(place: number, states: number[]): void {
    for (let part = 0; part < stateLength; part += 1)
      states.push(this.#states[place * stateLength + part] ?? 0);
  }

  childAt(place: number): FolderChild {
    return new FolderChild(this, place);
  }

  /** Whether that child has the state of the newest look, whoever it belongs to. */
  isSeen(place: number, seen: Statx): boolean {
    return seen.hasStampOf(this.#states, place * stateLength);
  }

  /** Whether the directory itself is as it was, by the newest look. */
  isSelf(seen: Statx): boolean {
    const self = this.walked?.self;
    return self !== undefined && seen.isAs(self.state, 0) && this.#ownersAreCalledAlike();
  }

  /** The directory itself, as it is where isSelf holds. Undefined where it cannot be remembered. */
  get own(): FolderSelf | undefined {
    const self = this.walked?.self;
    return self === undefined ? undefined : new FolderSelf(this.path, self.packed, self.state);
  }

  /**
   * Whether each child that has the very state which is remembered is known by that, whatever became of others: a walk for
   * these watchlists has seen it, and its owners are called as they were.
   */
  knowsChildren(watchlists: object): boolean {
    return this.walked?.watchlists === watchlists && this.#ownersAreCalledAlike();
  }

  /** Whether that child has the very state which is remembered, by the newest look. */
  isSame(place: number, seen: Statx): boolean {
    return seen.isAs(this.#states, place * stateLength);
  }

  /**
   * All names that the directory holds where it is as it was, by the newest look: whoever makes, removes or renames one moves
   * the directory's ctime. Undefined where that is not known.
   */
  listingAsSeen(seen: Statx): readonly string[] | undefined {
    const { walked } = this;
    return walked?.self !== undefined && seen.isAs(walked.self.state, 0) ? walked.listing : undefined;
  }

  /** Whether the directory, which the newest look was at, its listing and the limits are those of the walk that made it. */
  isListed(
    seen: Statx,
    now: {
      readonly watchlists: object;
      readonly listing: readonly string[];
      readonly maxFileSizeBytes: number;
    },
  ): boolean {
    const walked = this.walked;
    if (walked === undefined || walked.watchlists !== now.watchlists) return false;
    if (walked.largest > now.maxFileSizeBytes || walked.listing.length !== now.listing.length) return false;
    if (walked.self !== undefined && !seen.isAs(walked.self.state, 0)) return false;
    const isListedAlike =
      walked.listing === now.listing || walked.listing.every((name, at) => name === now.listing[at]);
    return isListedAlike && this.#ownersAreCalledAlike();
  }

  /**
   * Looks at the children once more, and with `read` reads them: false as soon as one is not as it was. Undefined: nothing
   * yet, but time has passed.
   */
  *looksUnchanged(fd: number, statx: Statx, read: boolean): Generator<undefined, boolean> {
    const { names } = this;
    let untilTurn = read ? readAtOnceBytes : atOnce;
    for (let place = 0; place < names.length; place += 1) {
      if (!this.#isUnchanged(fd, place, statx)) return false;
      const { size } = statx;
      // One look suffices, since what is read has to be what was remembered: whatever became of the file after that look,
      // no other content passes.
      if (read && !holdsStill(fd, names[place] ?? '', this.#packed[place] ?? '', size)) return false;
      untilTurn -= read ? size + openingBytes : 1;
      if (untilTurn > 0) continue;
      untilTurn = read ? readAtOnceBytes : atOnce;
      yield undefined;
    }
    return true;
  }

  #isUnchanged(fd: number, place: number, statx: Statx): boolean {
    const type = statx.look(fd, this.names[place] ?? '');
    return type !== undefined && this.isSame(place, statx);
  }

  /** A sum over the lines of all children, see lineSum. `mtime`: whether files' times count. */
  sum(mtime: boolean): bigint {
    const key = mtime ? 'exact' : 'withoutTimes';
    this.#sums[key] ??= this.names.reduce(
      (sum, name, place) =>
        BigInt.asUintN(64, sum + lineSum(childOf(this.path, name), this.#packed[place] ?? '', mtime)),
      0n,
    );
    return this.#sums[key];
  }

  /** As it is, as if no walk had been made: the next one looks at everything. */
  unwalked(): Folder {
    return new Folder({ path: this.path, names: this.names, packed: this.#packed, states: this.#states });
  }

  /** As it is without one child, and no longer as it was walked. */
  without(name: string): Folder {
    const kept = this.names.map((_, place) => place).filter((place) => this.names[place] !== name);
    return new Folder({
      path: this.path,
      names: kept.map((place) => this.names[place] ?? ''),
      packed: kept.map((place) => this.#packed[place] ?? ''),
      states: Uint32Array.from(kept.flatMap((place) => this.stateAt(place))),
    });
  }

  /** The account files may say something else by now. */
  #ownersAreCalledAlike(): boolean {
    return (this.walked?.owners ?? []).every(
      ({ uid, gid, owner, group }) => ownerName(uid) === owner && groupName(gid) === group,
    );
  }
}

/** What one child adds to the digest of its directory: the order of children does not matter to a sum. */
export function lineSum(path: ReplicaPath, packed: Packed, mtime: boolean): bigint {
  return xxh64Text(`${path}\n${mtime ? packed : packedKey(packed)}`);
}

/** A child that is as it was. Its entry is unpacked where somebody asks for it. */
class FolderChild {
  readonly #folder: Folder;
  readonly #place: number;

  constructor(folder: Folder, place: number) {
    this.#folder = folder;
    this.#place = place;
  }

  get path(): ReplicaPath {
    return childOf(this.#folder.path, this.#folder.names[this.#place] ?? '');
  }

  get packed(): Packed {
    return this.#folder.packedAt(this.#place) ?? '';
  }

  get observation(): Observation {
    return knownEntry(this.packed, this.#folder.stampAt(this.#place));
  }
}

/** A directory that is as it was, without its children. */
class FolderSelf {
  readonly path: ReplicaPath;
  readonly packed: Packed;
  readonly #state: Uint32Array;

  constructor(path: ReplicaPath, packed: Packed, state: Uint32Array) {
    this.path = path;
    this.packed = packed;
    this.#state = state;
  }

  get observation(): Observation {
    return knownEntry(this.packed, stampOfState(this.#state, 0));
  }
}

/** What was remembered, as if it had been seen now. */
export function knownEntry(packed: Packed, stamp: string): Observation {
  return { kind: 'entry', entry: unpacked(packed), stamp };
}
