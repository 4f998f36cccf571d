import type { FoundConflict } from '../active/agreement.ts';
import { Engine } from '../active/engine.ts';
import { Peer } from '../active/peer.ts';
import { Replicator } from '../active/replicator.ts';
import { Tree } from '../active/tree.ts';
import type { Reason } from '../core/failure.ts';
import { Ledger } from '../state/ledger.ts';
import { answerDeadlineMs, connectTo } from './connect.ts';
import { forgetConflict, rememberConflict } from './known-conflicts.ts';
import type { Node } from './node.ts';
import { productVersion } from './product.ts';

/** Between two walks when not everything can be watched, milliseconds. */
const degradedWalkMs = 10_000;

/** The sender's half of a node. */
export type ActiveNode = { readonly engine: Engine; readonly tree: Tree; readonly peers: readonly Peer[] };

/** Puts the sender together, not yet started. `onRefused` hears what peers say about our seat. */
export function composeActive(
  node: Node,
  options: { onRefused?: (peer: string, reason: Reason, epoch: number) => void } = {},
): ActiveNode {
  const { config, watchlists, cache, log } = node;
  const tree = openTree(node);
  const now = Date.now;
  const engine = new Engine({
    tree,
    log,
    now,
    deleteHoldMs: config.settle.deleteHoldMs,
    maxWaitMs: config.settle.maxWaitMs,
    reconcileMs: config.reconcileMinutes * 60_000,
    degradedWalkMs,
    onIdle: () => cache.commit(),
  });
  const peers = config.peers.map((peer) => {
    const onConflict = (found: FoundConflict): void => rememberConflict(node, peer.name, found);
    const ledger = new Ledger(node.database, { peer: peer.name, mode: 'memory', now });
    const replicator = new Replicator({
      peer: peer.name,
      tree,
      ledger,
      massDeletion: config.limits.massDeletion,
      log,
      now,
      onConflict,
      onAgreed: (path) => forgetConflict(node, peer.name, path),
      onUnstable: (path) => engine.unstable(path),
      onRetry: (path, attempt) => engine.retry(path, attempt),
      onRefused: (reason, _detail, epoch) => options.onRefused?.(peer.name, reason, epoch),
    });
    return new Peer({
      node: config.node,
      version: productVersion,
      seat: node.seat,
      watchlistsDigest: watchlists.digest,
      replicator,
      tree,
      connect: (signal) => connectTo(peer, signal),
      log,
      now,
      random: Math.random,
      onConflict,
      onRefused: (reason, _detail, epoch) => options.onRefused?.(peer.name, reason, epoch),
      answerDeadlineMs,
    });
  });
  engine.serve(peers);
  return { engine, tree, peers };
}

export function openTree(node: Node): Tree {
  const { config, watchlists, cache } = node;
  return new Tree({ root: config.root, watchlists, cache, maxFileSizeBytes: config.limits.maxFileSizeBytes });
}
