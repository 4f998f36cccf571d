import type { Entry } from '../../core/entry.ts';
import type { Reason } from '../../core/failure.ts';
import type { ConflictKind } from '../../core/plan.ts';

/** What the daemon answers to the command line, beyond the status. */

export type FlushReport = {
  readonly flushed: boolean;
  readonly held: { path: string; peer: string; reason: Reason | ConflictKind; detail: string }[];
};

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
