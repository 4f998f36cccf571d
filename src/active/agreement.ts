import type { Entry } from '../core/entry.ts';
import type { ReplicaPath } from '../core/path.ts';
import type { ConflictKind } from '../core/plan.ts';

/** What both nodes last knew to be the same. `record` is buffered until `commit`. */
export type AgreedEntries = {
  readonly size: number;
  get(path: ReplicaPath): Entry | undefined;
  record(path: ReplicaPath, entry: Entry): void;
  below(path: ReplicaPath): ReplicaPath[];
  commit(): void;
};

export type FoundConflict = {
  readonly path: ReplicaPath;
  readonly kind: ConflictKind;
  readonly active: Entry;
  readonly passive: Entry;
};
