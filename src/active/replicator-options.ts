import type { Log } from '../core/event.ts';
import type { Reason } from '../core/failure.ts';
import type { Move } from '../core/move.ts';
import type { ReplicaPath } from '../core/path.ts';
import type { MassDeletionLimit } from '../core/safety.ts';
import type { AgreedEntries, FoundConflict } from './agreement.ts';
import type { Tree } from './tree.ts';

export type ReplicatorOptions = {
  readonly peer: string;
  readonly tree: Tree;
  readonly ledger: AgreedEntries;
  readonly massDeletion: MassDeletionLimit;
  /** The files that are placed together with this one, itself among them; undefined where it stands alone. */
  readonly groupOf: (path: ReplicaPath) => readonly ReplicaPath[] | undefined;
  /** Asked before pushes, once a turn of the event loop: whether the switch lets anything leave this node now. */
  readonly maySend: () => boolean;
  readonly log: Log;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly onConflict: (conflict: FoundConflict) => void;
  readonly onAgreed: (path: ReplicaPath) => void;
  /** Whether the peer is known to hold something else than what was agreed. */
  readonly inConflict: (path: ReplicaPath) => boolean;
  /** The path is being written: look at it again when it settles. */
  readonly onUnstable: (path: ReplicaPath) => void;
  /** Try the path again after a pause that grows with the number of attempts. */
  readonly onRetry: (path: ReplicaPath, attempt: number) => void;
  /** The peer refuses this node as a sender. */
  readonly onRefused: (reason: Reason, detail: string, epoch: number) => void;
  /** These paths, and all at and below both names of a move that is over, are to be looked at as if they had just changed. */
  readonly onLookAnew: (move: Move, paths: readonly ReplicaPath[]) => void;
  /** What the peer lacks has changed. */
  readonly onProgress: () => void;
};

/** From this attempt on a failure that may pass by itself is logged. */
export const worthTelling = 4;
