import type { Entry } from '../core/entry.ts';
import type { Log } from '../core/event.ts';
import type { ReplicaPath } from '../core/path.ts';
import type { ConflictKind } from '../core/plan.ts';
import type { Seat, Switch } from '../core/seat.ts';
import type { EntryCache } from '../files/observation.ts';
import type { Renames } from '../files/place.ts';

/** The watchlists of this node, as far as serving needs them. */
export type ServedWatchlists = {
  readonly digest: string;
  readonly roots: readonly ReplicaPath[];
  includes(path: ReplicaPath): boolean;
  impliedDirectory(path: ReplicaPath): boolean;
  mayContain(directory: ReplicaPath): boolean;
};

/** What this node remembers of one peer. `record` is buffered until `commit`. */
export type PeerMemory = {
  agreed(path: ReplicaPath): Entry | undefined;
  record(path: ReplicaPath, entry: Entry): void;
  commit(): void;
  conflict(found: {
    path: ReplicaPath;
    kind: ConflictKind;
    active: Entry;
    passive: Entry;
    epoch: number;
  }): void;
  resolved(path: ReplicaPath): void;
};

/**
 * The right to place files: one session a node at a time. A new session of the same peer ends the one
 * that holds it, so that a half-open connection can place nothing more.
 */
export type PlacingRight = {
  /** Waits until the right is ours; undefined when the holder did not let go in time. */
  take(peer: string, onLost: () => void): Promise<{ release(): void } | undefined>;
};

/** Everything that serving a session needs of this node. */
export type PassiveNode = {
  readonly name: string;
  readonly version: string;
  readonly root: string;
  readonly watchlists: ServedWatchlists;
  readonly cache: EntryCache & { commit(): void };
  readonly limits: { readonly maxFileSizeBytes: number; readonly minFreeDiskBytes: number };
  seat(): Seat;
  /** Remembers the highest epoch seen anywhere. */
  learnEpoch(epoch: number): void;
  haSwitch(): Switch;
  memoryOf(peer: string): PeerMemory;
  keepVersion(kept: {
    from: string;
    path: ReplicaPath;
    entry: Entry;
    epoch: number;
    peer: string;
    reason: 'overwritten' | 'removed' | 'interrupted';
  }): void;
  /** Makes the versions kept since the last call survive a power cut; `syncFileSystem` is quicker for many. */
  settleVersions(): void;
  /** Removes what a crash left under temporary names, keeping it as versions. */
  sweep(): void;
  readonly placing: PlacingRight;
  readonly log: Log;
  readonly renames?: Renames;
};
