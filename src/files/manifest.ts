import type { Entry } from '../core/entry.ts';
import type { PathFailure } from '../core/failure.ts';
import { type Packed, packEntry, packedKey, unpackEntry } from '../core/packed.ts';
import { parentOf, type ReplicaPath } from '../core/path.ts';
import { fingerprint } from './hash.ts';
import type { Observation } from './observation.ts';
import type { Scanned } from './scan.ts';

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
  /** Paths that could not be observed, as printable text. They are neither present nor absent. */
  readonly problems = new Map<string, PathFailure>();
  readonly #children = new Map<ReplicaPath, ReplicaPath[]>();
  readonly #problemsIn = new Map<string, string[]>();
  readonly #options: ManifestOptions;

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
        return this.#problem(path, {
          reason: 'unsupported-type',
          detail: `a ${observation.type} is not replicated`,
        });
      case 'failed':
        return this.#problem(path, observation.failure);
    }
  }

  /** As add, of what a scan yields: what has not changed is not unpacked. */
  take(scanned: Scanned): void {
    if (scanned.packed === undefined) this.add(scanned.path, scanned.observation);
    else this.#put(scanned.path, scanned.packed);
  }

  #put(path: ReplicaPath, packed: Packed): void {
    if (!this.#entries.has(path)) append(this.#children, parentOf(path), path);
    this.#entries.set(path, packed);
  }

  /** How many paths hold something. */
  get size(): number {
    return this.#entries.size;
  }

  has(path: ReplicaPath): boolean {
    return this.#entries.has(path);
  }

  get(path: ReplicaPath): Entry {
    const packed = this.#entries.get(path);
    return packed === undefined ? { kind: 'absent' } : unpacked(packed);
  }

  /** All that is there, in the order in which it was added. */
  entries(): Iterable<[ReplicaPath, Packed]> {
    return this.#entries;
  }

  *entriesBut(except: ReadonlySet<ReplicaPath>): Generator<[ReplicaPath, Packed]> {
    for (const row of this.#entries) if (!except.has(row[0])) yield row;
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
    return this.#children.get(directory) ?? [];
  }

  /** Each directory that has observed children or problems, with its digest. */
  *directories(): Generator<[ReplicaPath, string]> {
    const all = new Set<string>([...this.#children.keys(), ...this.#problemsIn.keys()]);
    for (const directory of all)
      yield [directory as ReplicaPath, fingerprint(this.#lines(directory as ReplicaPath))];
  }

  digest(): string {
    const rows = [...this.directories()].map(([directory, digest]) => `${directory} ${digest}`);
    return fingerprint(rows.sort());
  }

  *#lines(directory: ReplicaPath): Generator<string> {
    for (const path of [...this.childrenOf(directory)].sort()) {
      const packed = this.#entries.get(path) ?? '';
      yield `${path}\n${this.#options.mtime ? packed : packedKey(packed)}`;
    }
    for (const path of [...(this.#problemsIn.get(directory) ?? [])].sort()) yield `? ${path}`;
  }

  #problem(path: string, failure: PathFailure): void {
    if (!this.problems.has(path)) append(this.#problemsIn, parentOf(path as ReplicaPath), path);
    this.problems.set(path, failure);
  }
}

function unpacked(packed: Packed): Entry {
  const entry = unpackEntry(packed);
  if (entry === undefined) throw new Error(`expected a packed entry, found ${packed}`);
  return entry;
}

function append<Key, Value>(map: Map<Key, Value[]>, key: Key, value: Value): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
