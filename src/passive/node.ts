import type { Command } from '../config/watchlist.ts';
import type { Entry, FileEntry } from '../core/entry.ts';
import type { Log } from '../core/event.ts';
import type { Move } from '../core/move.ts';
import type { Packed } from '../core/packed.ts';
import type { ReplicaPath } from '../core/path.ts';
import type { ConflictKind } from '../core/plan.ts';
import type { Seat, Switch } from '../core/seat.ts';
import type { EntryCache } from '../files/observation.ts';
import type { Renames } from '../files/place.ts';
import type { GroupJournal } from '../state/journal.ts';
import type { OwedHookStore } from '../state/owed-hooks.ts';
import type { PeerRequest, RemoteVersion, Standing } from '../wire/message.ts';
import type { Displaced } from './displaced.ts';

/** The watchlists of this node, as far as serving needs them. */
export type ServedWatchlists = {
  readonly digest: string;
  readonly roots: readonly ReplicaPath[];
  readonly validators: readonly Command[];
  readonly applies: readonly Command[];
  includes(path: ReplicaPath): boolean;
  impliedDirectory(path: ReplicaPath): boolean;
  mayContain(directory: ReplicaPath): boolean;
};

/** What this node remembers of one peer. `record` is buffered until `commit`. */
export type PeerMemory = {
  agreed(path: ReplicaPath): Entry | undefined;
  /** What is agreed to be at or below `path`, without what is agreed to be gone. In no order. */
  packedBelow(path: ReplicaPath): readonly (readonly [ReplicaPath, Packed])[];
  record(path: ReplicaPath, entry: Entry): void;
  /** As record, of very many of which most are known. */
  recordAll(entries: Iterable<readonly [ReplicaPath, Packed]>): void;
  /** Notes what is about to be placed; `commit` forgets it in the transaction that remembers the results. */
  intend(pushes: readonly { readonly path: ReplicaPath; readonly put: Entry }[]): void;
  /** As intend: a directory is about to have another name, with all that is agreed to be below it. */
  intendMove(move: Move): void;
  /** It has. Written down when it returns. */
  move(move: Move): void;
  commit(): void;
  /**
   * What a crash left between placing and remembering: what lies on the disk as it was to be placed is agreed.
   * `look` answers what is there now; undefined where it cannot be told or is not replicated.
   */
  recover(look: (path: ReplicaPath) => Entry | undefined): void;
  conflict(found: {
    path: ReplicaPath;
    kind: ConflictKind;
    active: Entry;
    passive: Entry;
    epoch: number;
  }): void;
  /** Their conflicts with this peer, if there are any, are over. */
  resolved(paths: readonly ReplicaPath[]): void;
  /** Paths whose conflict with this peer waits. */
  inConflict(): readonly ReplicaPath[];
};

/**
 * The right to place files: one session a node at a time. A new session of the same peer ends the one
 * that holds it, so that a half-open connection can place nothing more.
 */
export type PlacingRight = {
  /** Waits until the right is ours; undefined when the holder did not let go in time. */
  take(peer: string, onLost: () => void): Promise<{ release(): void } | undefined>;
};

/** What a session hears of from the daemon of its node. */
export type NodeListener = {
  /** Somebody edited these paths here, or they are as agreed again. */
  onEdited(paths: readonly ReplicaPath[]): void;
  /** The seat or the switch changed. */
  onChanged(): void;
};

/** Everything that serving a session needs of this node. */
export type PassiveNode = {
  readonly name: string;
  readonly version: string;
  readonly root: string;
  readonly watchlists: ServedWatchlists;
  readonly cache: EntryCache;
  readonly limits: { readonly maxFileSizeBytes: number; readonly minFreeDiskBytes: number };
  seat(): Seat;
  /** A sender holds this epoch: where it is newer than the seat's own, the node is passive under it from here on. */
  learnEpoch(epoch: number): void;
  haSwitch(): Switch;
  /** The highest epoch that this node heard of, its own included. */
  highestEpoch(): number;
  memoryOf(peer: string): PeerMemory;
  /** Keeps what was displaced from several paths, and consumes it. Answers in their order why not, if so. */
  keepVersions(all: readonly (Displaced & { epoch: number; peer: string })[]): readonly (Error | undefined)[];
  /** Keeps a content that was refused before it reached the disk. */
  keepRefused(kept: {
    content: Uint8Array;
    path: ReplicaPath;
    entry: FileEntry;
    epoch: number;
    peer: string;
  }): void;
  /** Makes names in open directories, given by their descriptors, and the versions kept so far survive a power cut. */
  settle(directories: readonly number[]): void;
  /** Told when a batch is answered and no other came for a moment: what can wait until nobody waits is done then. */
  onQuiet(): void;
  /** The kept versions of a path, newest first. */
  versions(path: ReplicaPath): readonly RemoteVersion[];
  /** A descriptor at the beginning of the content of a version, to be closed; undefined where there is none. */
  openVersion(id: string, path: ReplicaPath): number | undefined;
  readonly journal: GroupJournal;
  readonly owedHooks: OwedHookStore;
  /** Completes or brings back the groups that a crash interrupted. To be called before `sweep`. */
  recoverGroups(): void;
  /** Removes what a crash left under temporary names, keeping it as versions. */
  sweep(): void;
  /** Does what another node asks for. A Failure, thrown, is the answer; anything else is a bug. */
  onRequest(from: string, request: PeerRequest): Promise<unknown>;
  /** The active told how far behind this node is. */
  onStanding(from: string, standing: Standing): void;
  /** Tells of what happens on this node while a session is open; answers how to stop it. */
  watchNode(listener: NodeListener): () => void;
  /** A session to replicate was admitted: that node is the active. `watchlistsAgree`: both replicate the same paths. */
  onActive(name: string, watchlistsAgree: boolean): void;
  /** While this node is active, a sender with a newer epoch came. It was refused all the same. */
  onNewerEpoch(epoch: number, from: string): void;
  /** A sender came that is active with the very epoch with which this node is. */
  onSplitBrain(from: string): void;
  readonly placing: PlacingRight;
  readonly log: Log;
  readonly renames?: Renames;
};
