import type { FoundConflict } from '../active/agreement.ts';
import { Canaries } from '../active/canary.ts';
import { Engine } from '../active/engine.ts';
import { Peer } from '../active/peer.ts';
import { Replicator } from '../active/replicator.ts';
import { Tree } from '../active/tree.ts';
import type { Peer as PeerConfig } from '../config/load.ts';
import { clocksAgree, settle } from '../core/conflict.ts';
import type { FileEntry } from '../core/entry.ts';
import type { Reason } from '../core/failure.ts';
import type { Seat } from '../core/seat.ts';
import { Ledger } from '../state/ledger.ts';
import { answerDeadlineMs, connectTo } from './connect.ts';
import { forgetConflictOfMany, isInConflict, pathsInConflict, rememberConflict } from './known-conflicts.ts';
import type { Node } from './node.ts';
import { productVersion } from './product.ts';

/** An attempt that nothing answers is given up for the next one, milliseconds: longer than any round trip. */
const askAnewMs = 1500;

/** Between two walks when not everything can be watched, milliseconds. */
const degradedWalkMs = 10_000;

/** The sender's half of a node. */
export type ActiveNode = {
  readonly engine: Engine;
  readonly tree: Tree;
  readonly peers: readonly Peer[];
  readonly canaries: Canaries;
};

export type ActiveHooks = {
  /**
   * What it sends with, default the seat of the node now. It stays that, although a receiver may give up the seat for
   * a newer epoch at any moment: a peer that were greeted with that newer epoch would take it for a second active.
   */
  readonly seat?: Seat;
  /** Hears what peers say about our seat. */
  readonly onRefused?: (peer: string, reason: Reason, epoch: number) => void;
  /** Something was to be sent and the switch, or the package manager, forbids it. */
  readonly onDisabled?: () => void;
  /** A policy chose the passive's side: its entry is to be carried here. */
  readonly onTakePassive?: (peer: Peer, conflict: FoundConflict) => void;
  /** A canary is durable on a peer. */
  readonly onCanary?: (peer: string, put: FileEntry) => void;
  /** The first reconcile of a session with a peer is over. */
  readonly onLive?: () => void;
};

/** Puts the sender together, not yet started. */
export function composeActive(node: Node, hooks: ActiveHooks = {}): ActiveNode {
  const { config, cache, log } = node;
  const tree = openTree(node);
  const now = Date.now;
  const canaries = new Canaries({ tree, onDurable: (peer, put) => hooks.onCanary?.(peer, put) });
  const engine = new Engine({
    tree,
    canaries,
    log,
    now,
    deleteHoldMs: config.settle.deleteHoldMs,
    maxWaitMs: config.settle.maxWaitMs,
    reconcileMs: config.reconcileMinutes * 60_000,
    degradedWalkMs,
    onIdle: () => cache.commit(),
  });
  const peers: Peer[] = config.peers.map((peer) => composePeer(node, { peer, tree, engine, hooks }));
  engine.serve(peers);
  return { engine, tree, peers, canaries };
}

type Parts = {
  readonly peer: PeerConfig;
  readonly tree: Tree;
  readonly engine: Engine;
  readonly hooks: ActiveHooks;
};

function composePeer(node: Node, { peer, tree, engine, hooks }: Parts): Peer {
  const { config, watchlists, log } = node;
  const now = Date.now;
  const seat = hooks.seat ?? node.seat();
  const onRefused = (reason: Reason, _detail: string, epoch: number): void =>
    hooks.onRefused?.(peer.name, reason, epoch);
  const onPushRefused = (reason: Reason, detail: string, epoch: number): void => {
    composed.reopen(detail);
    onRefused(reason, detail, epoch);
  };
  const replicator = new Replicator({
    peer: peer.name,
    tree,
    ledger: new Ledger(node.database, { peer: peer.name, mode: 'memory', now }),
    massDeletion: config.limits.massDeletion,
    groupOf: (path) => {
      const files = watchlists.groupOf(path)?.files.filter((file) => watchlists.includes(file));
      return files?.includes(path) === true && files.length > 1 ? files : undefined;
    },
    maySend: () => {
      if (node.haSwitch().state === 'enabled') return true;
      hooks.onDisabled?.();
      return false;
    },
    log,
    now,
    onConflict: (found) => settleConflict(node, composed, found, hooks),
    onAgreed: (path) => forgetConflictOfMany(node, peer.name, path),
    inConflict: (path) => isInConflict(node, peer.name, path),
    onUnstable: (path) => engine.unstable(path),
    onRetry: (path, attempt) => engine.retry(path, attempt),
    onRefused: onPushRefused,
    onLookAnew: (move, paths) => engine.lookAnew(move, paths),
    onProgress: () => composed.progress(),
  });
  const composed: Peer = new Peer({
    node: config.node,
    version: productVersion,
    seat,
    watchlistsDigest: watchlists.digest,
    replicator,
    tree,
    connect: (signal) => connectTo(peer, signal, askAnewMs),
    log,
    now,
    random: Math.random,
    inConflict: () => pathsInConflict(node, peer.name),
    onRefused,
    onLive: () => hooks.onLive?.(),
    answerDeadlineMs,
  });
  return composed;
}

/** Does with a conflict what the policy of its path says. */
function settleConflict(node: Node, peer: Peer, found: FoundConflict, hooks: ActiveHooks): void {
  const { config, watchlists } = node;
  const policy = watchlists.policyOf(found.path) ?? config.conflict;
  const agree = clocksAgree(peer.skewMs, config.limits.clockSkewMs);
  // What only the passive has, and nobody ever agreed on, is not removed by a policy.
  const alone = found.agreed === undefined && found.active.kind === 'absent';
  switch (alone ? 'hold' : settle(policy, found.active, found.passive, agree)) {
    case 'take-active':
      return peer.replicator.changedAgainst(found.path, found.passive);
    case 'take-passive':
      if (hooks.onTakePassive === undefined) break;
      return hooks.onTakePassive(peer, found);
    case 'hold':
      break;
  }
  rememberConflict(node, peer.name, found, peer.name);
}

export function openTree(node: Node): Tree {
  const { config, watchlists, cache } = node;
  return new Tree({ root: config.root, watchlists, cache, maxFileSizeBytes: config.limits.maxFileSizeBytes });
}
