import type { Reason } from '../core/failure.ts';
import type { Role } from '../core/seat.ts';
import type { Node } from './node.ts';

/** What a node says of itself, with or without its daemon. */
export function aboutNode(node: Node): Pick<Status, 'node' | 'role' | 'epoch' | 'ha'> {
  const { role, epoch } = node.seat();
  const ha = node.haSwitch();
  const off = ha.state === 'disabled' ? ha : { reason: null, since: null };
  return {
    node: node.config.node,
    role,
    epoch,
    ha: { state: ha.state, reason: off.reason, since: off.since },
  };
}

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
