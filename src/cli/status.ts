import type { SilenceCause } from '../core/canary.ts';
import { type Failover, failoverFromActive, failoverFromPassive } from '../core/failover.ts';
import { neverReplicated, type Reason } from '../core/failure.ts';
import { readiness } from '../core/readiness.ts';
import type { Role } from '../core/seat.ts';
import type { Node } from './node.ts';
import { readinessFacts } from './readiness.ts';

/** What a node says of itself, with or without its daemon. */
export function aboutNode(
  node: Node,
  connected = false,
): Pick<Status, 'node' | 'role' | 'epoch' | 'ha' | 'following'> {
  const { role, epoch } = node.seat();
  const ha = node.haSwitch();
  const off = ha.state === 'disabled' ? ha : { reason: null, since: null };
  return {
    node: node.config.node,
    role,
    epoch,
    ha: { state: ha.state, reason: off.reason, since: off.since },
    following: role === 'passive' ? following(node, connected) : null,
  };
}

function following(node: Node, connected: boolean): Status['following'] {
  const active = node.facts.get('active');
  const standing = node.facts.get('standing');
  if (active === undefined) return null;
  return {
    active: active.value,
    connected,
    heardAt: standing?.at ?? null,
    pending: standing?.value.pending ?? null,
  };
}

/** Conflicts that a status names. */
const namedConflicts = 3;

/** The conflicts that wait, the oldest first. */
export function conflictsOf(node: Node): Pick<Status, 'conflicts' | 'oldestConflicts'> {
  const conflicts = node.conflicts.count();
  if (conflicts === 0) return { conflicts, oldestConflicts: [] };
  const oldest = node.conflicts.list().sort((a, b) => a.detectedAt - b.detectedAt);
  return {
    conflicts,
    oldestConflicts: oldest
      .slice(0, namedConflicts)
      .map(({ id, path, kind, detectedAt }) => ({ id, path, kind, detectedAt })),
  };
}

/** Whether the other node, or this one when it is passive, could take over. */
export function failoverOf(node: Node, found: Omit<Status, 'failover'>): Failover {
  if (found.role === 'passive') {
    const connected = found.following?.connected ?? false;
    return failoverFromPassive(readiness(readinessFacts(node, { daemonRunning: found.daemon, connected })));
  }
  const skipped = found.troubles.filter(({ reason }) => !neverReplicated.has(reason)).length;
  return failoverFromActive({
    daemon: found.daemon,
    haEnabled: found.ha.state === 'enabled',
    halted: found.halt !== null,
    conflicts: found.conflicts,
    peers: found.peers.map((peer) => ({
      ...peer,
      held: peer.troubles.length + skipped,
      canarySilent:
        found.canary?.peers.some((one) => one.peer === peer.name && one.silentMs !== null) ?? false,
    })),
  });
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
  /** On a passive: the node that it follows, and how far behind it was when that node last told. */
  readonly following: {
    readonly active: string;
    /** Whether a session of it is open; false while the daemon does not run, which is what knows. */
    readonly connected: boolean;
    readonly heardAt: number | null;
    readonly pending: number | null;
  } | null;
  /** Whether the daemon answered; without it, only what is written down is known. */
  readonly daemon: boolean;
  readonly peers: readonly {
    readonly name: string;
    readonly connected: boolean;
    readonly state: 'offline' | 'suspended' | 'connecting' | 'reconciling' | 'live';
    readonly detail: string | null;
    readonly pending: number;
    readonly lastAckAt: number | null;
    readonly lagMs: number | null;
    /** The peer's clock minus ours. */
    readonly skewMs: number | null;
    readonly watchlistsAgree: boolean | null;
    readonly troubles: readonly Trouble[];
    /** Apply hooks of the peer that failed after a path was placed there. */
    readonly hookFailures: readonly { readonly path: string; readonly detail: string }[];
  }[];
  readonly conflicts: number;
  readonly oldestConflicts: readonly {
    readonly id: string;
    readonly path: string;
    readonly kind: string;
    readonly detectedAt: number;
  }[];
  readonly halt: string | null;
  readonly haltedAt: number | null;
  /** Whether a failover now would lose nothing, and what speaks against it. */
  readonly failover: Failover;
  /** Two nodes are active with one epoch. */
  readonly split: boolean;
  readonly watching: {
    readonly paths: number;
    readonly directories: number;
    readonly degraded: string | null;
  };
  readonly watchlists: readonly string[];
  /** On an active; null where the configuration wants none, undefined of a daemon of an earlier version. */
  readonly canary?: {
    readonly intervalMs: number;
    /** Why none can be written on this node; null: all is well. */
    readonly failure: string | null;
    readonly peers: readonly {
      readonly peer: string;
      /** How long the last one took. */
      readonly latencyMs: number | null;
      readonly lastAt: number | null;
      /** For how long none arrived although the peer is connected; null: all is well. */
      readonly silentMs: number | null;
      /** Why none arrives: not noticed here, not answered there, or refused there for the reason in `detail`. */
      readonly cause: SilenceCause | null;
      readonly detail: string | null;
    }[];
  } | null;
  readonly troubles: readonly Trouble[];
};
