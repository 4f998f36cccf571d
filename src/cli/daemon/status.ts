import type { Peer } from '../../active/peer.ts';
import type { Node } from '../node.ts';
import { aboutNode, conflictsOf, failoverOf, type Status } from '../status.ts';
import type { Daemon } from './daemon.ts';

/** What the running daemon says of itself. */
export function statusOf(node: Node, daemon: Daemon): Status {
  const { watchlists, cache } = node;
  const now = Date.now();
  const { active, passive, watcher } = daemon;
  const dirty = active?.node.engine.dirty ?? 0;
  const found = {
    ...aboutNode(node, daemon.hasListeners),
    daemon: true,
    peers: (active?.node.peers ?? []).map((peer) => peerStatus(peer, dirty, now)),
    ...conflictsOf(node),
    halt: active?.halted?.detail ?? null,
    haltedAt: active?.halted?.since ?? null,
    split: active?.halted?.reason === 'split-brain',
    watching: {
      paths: active?.node.peers[0]?.replicator.ledger.size ?? cache.size,
      directories: watcher?.directories() ?? 0,
      degraded: active?.node.engine.degraded?.detail ?? passive?.degraded?.detail ?? null,
    },
    watchlists: watchlists.names,
    canary: daemon.canary?.told() ?? null,
    troubles: [...(active?.node.engine.troubles ?? [])].map(([path, { reason, detail }]) => ({
      path,
      reason,
      detail,
    })),
  };
  return { ...found, failover: failoverOf(node, found) };
}

function peerStatus(peer: Peer, dirty: number, now: number): Status['peers'][number] {
  const { replicator, state } = peer;
  return {
    name: peer.name,
    connected: state.kind === 'live' || state.kind === 'reconciling',
    state: state.kind,
    detail: state.kind === 'offline' || state.kind === 'suspended' ? state.detail : null,
    pending: replicator.pending + dirty,
    lastAckAt: replicator.lag.lastAckAt ?? null,
    lagMs: replicator.lag.ms(now) ?? null,
    skewMs: peer.skewMs ?? null,
    watchlistsAgree: peer.watchlistsAgree ?? null,
    troubles: [...replicator.troubles].map(([path, { reason, detail }]) => ({ path, reason, detail })),
    hookFailures: [...replicator.hookFailures].flatMap(([path, details]) =>
      details.map((detail) => ({ path, detail })),
    ),
  };
}
