import type { Log } from '../core/event.ts';
import type { Reason } from '../core/failure.ts';
import type { ReplicaPath } from '../core/path.ts';
import type { Seat } from '../core/seat.ts';
import type { Link } from './link.ts';
import type { Replicator } from './replicator.ts';
import type { Tree } from './tree.ts';

export type PeerOptions = {
  readonly node: string;
  readonly version: string;
  readonly seat: Seat;
  readonly watchlistsDigest: string;
  readonly replicator: Replicator;
  readonly tree: Tree;
  readonly connect: (signal: AbortSignal) => Promise<Link>;
  readonly log: Log;
  readonly now: () => number;
  /** 0 to 1, for the jitter of pauses. */
  readonly random: () => number;
  /** Paths whose conflict with this peer waits. */
  readonly inConflict: () => readonly ReplicaPath[];
  readonly onRefused: (reason: Reason, detail: string, epoch: number) => void;
  /** A session's first reconcile is over: from now on changes are carried as they come. */
  readonly onLive?: () => void;
  /** How long an answer may take on a silent link, milliseconds. */
  readonly answerDeadlineMs: number;
};
