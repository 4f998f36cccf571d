import type { Entry } from '../core/entry.ts';
import type { PathFailure } from '../core/failure.ts';
import { type Packed, packEntry, unpacked } from '../core/packed.ts';
import { childOf, nameOf, parentOf, type ReplicaPath } from '../core/path.ts';
import { type Folder, lineSum } from './folder.ts';
import { fingerprint, xxh64Text } from './hash.ts';
import { type Observation, troubleOf } from './observation.ts';
import type { Scanned } from './walk.ts';

export type ManifestOptions = {
  /** Whether files' mtimes count in the digests. */
  readonly mtime: boolean;
};

/**
 * All entries of a tree with a digest a directory (over the directory's own children) and one over all.
 * Two trees are equal exactly when these digests are; the directories whose digests differ hold all
 * differences. XXH64: it finds accidents, and whoever could forge it holds the tree already.
 */
export class Manifest {
  readonly #entries = new Map<ReplicaPath, Packed>();
  /** Children of directories that are as they were, shared with the cache: these are not among the entries. */
  readonly #folders = new Map<ReplicaPath, Folder>();
  #inFolders = 0;
  /** Paths that could not be observed, as printable text. They are neither present nor absent. */
  readonly problems = new Map<string, PathFailure>();
  readonly #children = new Map<ReplicaPath, ReplicaPath[]>();
  readonly #problemsIn = new Map<string, string[]>();
  readonly #options: ManifestOptions;
  /** Of all that was taken so far. */
  #directories: Map<ReplicaPath, string> | undefined;
  #digest: string | undefined;

  constructor(options: ManifestOptions) {
    this.#options = options;
  }

  add(path: ReplicaPath, observation: Observation): void {
    switch (observation.kind) {
      case 'entry':
        if (observation.entry.kind === 'absent') return;
        return this.#put(path, packEntry(observation.entry));
      case 'unstable':
        return this.#problem(path, { reason: 'unstable', detail: 'it kept changing while it was read' });
      case 'unsupported':
      case 'failed':
        return this.#problem(path, troubleOf(observation));
    }
  }

  /** As add, of what a scan yields: what has not changed is not unpacked. Of each directory there is one folder. */
  take(scanned: Scanned | Folder): void {
    if ('names' in scanned) {
      this.#directories = undefined;
      this.#folders.set(scanned.path, scanned);
      this.#inFolders += scanned.size;
    } else if (scanned.packed === undefined) this.add(scanned.path, scanned.observation);
    else this.#put(scanned.path, scanned.packed);
  }

  #put(path: ReplicaPath, packed: Packed): void {
    this.#directories = undefined;
    if (!this.#entries.has(path)) append(this.#children, parentOf(path), path);
    this.#entries.set(path, packed);
  }

  /** How many paths hold something. */
  get size(): number {
    return this.#entries.size + this.#inFolders;
  }

  has(path: ReplicaPath): boolean {
    return this.#packed(path) !== undefined;
  }

  get(path: ReplicaPath): Entry {
    const packed = this.#packed(path);
    return packed === undefined ? { kind: 'absent' } : unpacked(packed);
  }

  #packed(path: ReplicaPath): Packed | undefined {
    const folder = this.#folders.get(parentOf(path));
    return this.#entries.get(path) ?? folder?.packedAt(folder.placeOf(nameOf(path)));
  }

  /** All that is there, in no order. */
  *entries(): Generator<[ReplicaPath, Packed]> {
    yield* this.#entries;
    for (const folder of this.#folders.values()) {
      for (let place = 0; place < folder.size; place += 1) {
        const { path, packed } = folder.childAt(place);
        yield [path, packed];
      }
    }
  }

  *entriesBut(except: ReadonlySet<ReplicaPath>): Generator<[ReplicaPath, Packed]> {
    for (const row of this.entries()) if (!except.has(row[0])) yield row;
  }

  /** Whether the path, or a directory above it, could not be observed. */
  isUnknown(path: ReplicaPath): boolean {
    if (this.problems.size === 0) return false;
    for (let at = path; ; at = parentOf(at)) {
      if (this.problems.has(at)) return true;
      if (at === '/') return false;
    }
  }

  childrenOf(directory: ReplicaPath): readonly ReplicaPath[] {
    const names = this.#folders.get(directory)?.names ?? [];
    const single = this.#children.get(directory) ?? [];
    return names.length === 0 ? single : [...names.map((name) => childOf(directory, name)), ...single];
  }

  /** Each observed child of a directory, with what it adds to the directory's digest. */
  *childrenSums(directory: ReplicaPath): Generator<[ReplicaPath, bigint]> {
    const { mtime } = this.#options;
    const folder = this.#folders.get(directory);
    for (let place = 0; place < (folder?.size ?? 0); place += 1) {
      const path = childOf(directory, folder?.names[place] ?? '');
      yield [path, lineSum(path, folder?.packedAt(place) ?? '', mtime)];
    }
    for (const path of this.#children.get(directory) ?? [])
      yield [path, lineSum(path, this.#entries.get(path) ?? '', mtime)];
  }

  /** Each directory that `directories` tells, with a sum that tells it and its digest. */
  *directorySums(): Generator<[ReplicaPath, bigint]> {
    for (const [path, digest] of this.directories()) yield [path, xxh64Text(`${digest} ${path}`)];
  }

  /** Each directory that has observed children or problems, with its digest. */
  directories(): ReadonlyMap<ReplicaPath, string> {
    this.#directories ??= this.#digests();
    return this.#directories;
  }

  #digests(): Map<ReplicaPath, string> {
    const all = new Set<string>([...this.#children.keys(), ...this.#problemsIn.keys()]);
    for (const [path, folder] of this.#folders) if (folder.size > 0) all.add(path);
    const digests = new Map<ReplicaPath, string>();
    for (const path of all as Set<ReplicaPath>) digests.set(path, digits(this.#sum(path)));
    return digests;
  }

  /** Over all that was taken so far. */
  digest(): string {
    if (this.#directories === undefined || this.#digest === undefined) this.#digest = this.#overDirectories();
    return this.#digest;
  }

  #overDirectories(): string {
    const rows = [...this.directories()].map(([directory, digest]) => `${directory} ${digest}`);
    return fingerprint(rows.sort());
  }

  /** Over the directory's children, however they came to be known: a sum of what each of them adds. */
  #sum(directory: ReplicaPath): bigint {
    const { mtime } = this.#options;
    let sum = this.#folders.get(directory)?.sum(mtime) ?? 0n;
    for (const path of this.#children.get(directory) ?? [])
      sum += lineSum(path, this.#entries.get(path) ?? '', mtime);
    for (const path of this.#problemsIn.get(directory) ?? []) sum += xxh64Text(`? ${path}`);
    return BigInt.asUintN(64, sum);
  }

  #problem(path: string, failure: PathFailure): void {
    this.#directories = undefined;
    if (!this.problems.has(path)) append(this.#problemsIn, parentOf(path as ReplicaPath), path);
    this.problems.set(path, failure);
  }
}

/** A sum as the protocol tells it. */
function digits(sum: bigint): string {
  return sum.toString(16).padStart(16, '0');
}

function append<Key, Value>(map: Map<Key, Value[]>, key: Key, value: Value): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
