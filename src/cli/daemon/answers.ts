import type { ResyncReport } from '../../active/resync.ts';
import type { PeerDrift } from '../../active/verify.ts';
import type { Entry } from '../../core/entry.ts';
import type { Reason } from '../../core/failure.ts';
import type { ConflictKind } from '../../core/plan.ts';

/** What the daemon answers to the command line, beyond the status. */

export type FlushReport = {
  readonly flushed: boolean;
  readonly held: { path: string; peer: string; reason: Reason | ConflictKind; detail: string }[];
};

/** How long changes that are on their way may take to arrive before they count as drift, milliseconds. */
export const settleMs = 5000;

/** `result`: null where there is no session with the peer. */
export type VerifyAnswer = {
  readonly node: string;
  /** Of the configuration that the daemon runs by: see fileStamp. */
  readonly configuration: string | undefined;
  readonly peers: readonly { readonly name: string; readonly result: PeerDrift | null }[];
};

/** What a resync did on one peer. */
export type PeerReport = { readonly name: string } & ResyncReport;

/** None where the command wanted the daemon of another configuration: nothing was done. */
export type ResyncAnswer = { readonly peers: readonly PeerReport[] };

export type Explained = {
  readonly pending: boolean;
  readonly peers: {
    name: string;
    connected: boolean;
    agreed: Entry | undefined;
    pending: boolean;
    trouble: { reason: string; detail: string } | undefined;
  }[];
};
