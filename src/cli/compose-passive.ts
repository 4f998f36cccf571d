import { closeSync, openSync, rmdirSync, unlinkSync } from 'node:fs';
import { syncFileSystem } from '../files/native.ts';
import type { PassiveNode, PeerMemory, PlacingRight } from '../passive/node.ts';
import { sweep } from '../passive/sweep.ts';
import { Ledger } from '../state/ledger.ts';
import { forgetConflict } from './known-conflicts.ts';
import type { Node } from './node.ts';
import { productVersion } from './product.ts';

/** The receiver's half of a node. */
export function composePassive(node: Node, placing: PlacingRight): PassiveNode {
  const { config, watchlists, cache, seats, versions, log } = node;
  const now = Date.now;
  return {
    name: config.node,
    version: productVersion,
    root: config.root,
    watchlists,
    cache,
    limits: {
      maxFileSizeBytes: config.limits.maxFileSizeBytes,
      minFreeDiskBytes: config.limits.minFreeDiskBytes,
    },
    seat: node.seat,
    learnEpoch: (epoch) => {
      const seat = node.seat();
      if (epoch > seat.epoch) seats.write({ role: seat.role, epoch });
    },
    haSwitch: node.haSwitch,
    memoryOf: (peer) => peerMemory(node, peer),
    keepVersion: ({ from, path, entry, epoch, peer, reason }) => {
      if (entry.kind === 'file')
        return void versions.adopt({ from, path, entry, epoch, peer, reason, now: now(), batch: true });
      versions.adoptEntry({
        path,
        entry: entry.kind === 'absent' ? { kind: 'absent' } : entry,
        epoch,
        peer,
        reason,
        now: now(),
        batch: true,
      });
      if (entry.kind === 'directory') rmdirSync(from);
      else unlinkSync(from);
    },
    settleVersions: () => versions.settle(() => syncFolder(config.state)),
    sweep: () => sweepLeftovers(node),
    placing,
    log,
  };
}

/** Writes the whole file system that holds a folder to its disk. */
function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r');
  try {
    syncFileSystem(fd);
  } finally {
    closeSync(fd);
  }
}

function peerMemory(node: Node, peer: string): PeerMemory {
  const ledger = new Ledger(node.database, { peer, mode: 'direct', now: Date.now });
  return {
    agreed: (path) => ledger.get(path),
    record: (path, entry) => ledger.record(path, entry),
    commit: () => ledger.commit(),
    conflict: ({ path, kind, active, passive, epoch }) => {
      node.conflicts.put({ peer, path, kind, active, passive, epoch, detectedAt: Date.now() });
    },
    resolved: (path) => forgetConflict(node, peer, path),
  };
}

/** Removes what a crash left; what may be the only copy of something is kept as a version. */
export function sweepLeftovers(node: Node): void {
  const { config, watchlists, versions, log } = node;
  sweep({
    root: config.root,
    roots: watchlists.roots,
    log,
    keep: ({ from, path, entry }) => {
      versions.adopt({
        from,
        path,
        entry,
        epoch: node.seat().epoch,
        peer: config.node,
        reason: 'interrupted',
        now: Date.now(),
      });
    },
  });
}
