import type { Reason } from '../core/failure.ts';
import type { Role } from '../core/seat.ts';

type Trouble = { readonly path: string; readonly reason: Reason; readonly detail: string };

/** What `status --json` prints; times are milliseconds since 1970. */
export type Status = {
  readonly node: string;
  readonly role: Role;
  readonly epoch: number;
  readonly ha: {
    readonly state: 'enabled' | 'disabled';
    readonly reason: string | null;
    readonly since: number | null;
  };
  /** Whether the daemon answered; without it, only what is written down is known. */
  readonly daemon: boolean;
  readonly peers: readonly {
    readonly name: string;
    readonly connected: boolean;
    readonly state: 'offline' | 'connecting' | 'reconciling' | 'live';
    readonly detail: string | null;
    readonly pending: number;
    readonly lastAckAt: number | null;
    readonly lagMs: number | null;
    readonly troubles: readonly Trouble[];
  }[];
  readonly conflicts: number;
  readonly halt: string | null;
  readonly watching: {
    readonly paths: number;
    readonly directories: number;
    readonly degraded: string | null;
  };
  readonly watchlists: readonly string[];
  readonly troubles: readonly Trouble[];
};
