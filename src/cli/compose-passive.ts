import { sameEntry } from '../core/entry.ts';
import { Failure } from '../core/failure.ts';
import type { ReplicaPath } from '../core/path.ts';
import { makeDurable, settleDisplaced } from '../passive/durable.ts';
import type { PassiveNode, PeerMemory, PlacingRight } from '../passive/node.ts';
import { recoverGroup } from '../passive/recover.ts';
import { sweep } from '../passive/sweep.ts';
import { IntentStore } from '../state/intents.ts';
import { JournalStore } from '../state/journal.ts';
import { Ledger } from '../state/ledger.ts';
import { OwedHookStore } from '../state/owed-hooks.ts';
import type { PeerRequest } from '../wire/message.ts';
import { forgetConflict, forgetConflicts, keepConflict, pathsInConflict } from './known-conflicts.ts';
import type { Node } from './node.ts';
import { productVersion } from './product.ts';

/** What a session tells the rest of the node, each with a default for where nobody listens. */
export type PassiveHooks = Partial<
  Pick<PassiveNode, 'onRequest' | 'onStanding' | 'watchNode' | 'onActive' | 'onNewerEpoch' | 'onSplitBrain'>
>;

/** The receiver's half of a node. */
export function composePassive(node: Node, placing: PlacingRight, hooks: PassiveHooks = {}): PassiveNode {
  const { config, watchlists, cache, seats, versions, log } = node;
  cache.askOthers();
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
    learnEpoch: (epoch) => void seats.yieldTo(epoch),
    haSwitch: node.haSwitch,
    highestEpoch: () => seats.highestEpoch(),
    memoryOf: (peer) => peerMemory(node, peer),
    keepVersions: (all) => {
      const at = now();
      const adoptions = all.map((displaced) => ({ ...displaced, now: at }));
      const outcomes = versions.adoptAll(adoptions, { batch: true });
      return outcomes.map((outcome) => (outcome instanceof Error ? outcome : undefined));
    },
    keepRefused: ({ content, path, entry, epoch, peer }) => {
      const about = { path, epoch, peer, reason: 'refused', now: now() } as const;
      versions.keep({ ...about, content, entry }, { batch: true });
    },
    versions: (path) => versions.list(path),
    openVersion: (id, path) => openVersion(node, id, path),
    journal: new JournalStore(node.database),
    owedHooks: new OwedHookStore(node.database),
    recoverGroups: () => recoverGroups(node),
    onRequest: hooks.onRequest ?? refuseRequest,
    onStanding: hooks.onStanding ?? ignored,
    watchNode: hooks.watchNode ?? (() => ignored),
    onActive: hooks.onActive ?? ignored,
    onNewerEpoch: hooks.onNewerEpoch ?? ignored,
    onSplitBrain: hooks.onSplitBrain ?? ignored,
    settle: (directories) => makeDurable(directories, versions),
    onQuiet: () => {
      settleDisplaced(versions);
      node.database.checkpoint();
    },
    sweep: () => sweepLeftovers(node),
    placing,
    log,
  };
}

function ignored(): void {
  // Nobody in this process listens.
}

async function refuseRequest(from: string, { do: what }: PeerRequest): Promise<never> {
  throw new Failure({
    code: 'not-served',
    exit: 'refused',
    message: `${from} asked for ${what}, which this process does not do`,
    hint: 'install the same version on both nodes',
  });
}

/** Undefined where the version is unknown, another path's, without content or damaged. */
function openVersion({ versions }: Node, id: string, path: ReplicaPath): number | undefined {
  const version = versions.get(id);
  if (version === undefined || version.path !== path || version.entry.kind !== 'file') return undefined;
  try {
    return versions.read(id).openContent();
  } catch (error) {
    if (error instanceof Failure && ['no-such-version', 'version-damaged'].includes(error.code))
      return undefined;
    throw error;
  }
}

function peerMemory(node: Node, peer: string): PeerMemory {
  const { database, config } = node;
  const ledger = new Ledger(database, { peer, mode: 'direct', now: Date.now });
  const intents = new IntentStore(database, peer);
  let intended = false;
  const commit = (): void => {
    database.write(() => {
      ledger.commit();
      if (intended) intents.clear();
    });
    intended = false;
  };
  return {
    agreed: (path) => ledger.get(path),
    packedBelow: (path) => ledger.packedBelow(path),
    record: (path, entry) => ledger.record(path, entry),
    recordAll: (entries) => ledger.recordAll(entries),
    intend: (pushes) => {
      intended = true;
      intents.put(pushes);
    },
    intendMove: (move) => {
      intended = true;
      intents.putMove(move);
    },
    move: (move) => {
      database.write(() => {
        ledger.move(move);
        intents.clear();
      });
      intended = false;
    },
    commit,
    recover: (look) => {
      const left = intents.list();
      for (const { path, put } of left) {
        const found = look(path);
        if (found === undefined || !sameEntry(found, put)) continue;
        ledger.record(path, put);
        forgetConflict(node, peer, path);
      }
      intended = left.length > 0;
      if (intended) commit();
    },
    conflict: ({ path, kind, active, passive, epoch }) => {
      const agreed = ledger.get(path);
      const known = agreed === undefined ? {} : { agreed };
      const found = { peer, path, kind, active, passive, epoch, detectedAt: Date.now(), ...known };
      keepConflict(node, found, config.node);
    },
    inConflict: () => pathsInConflict(node, peer),
    resolved: (paths) => forgetConflicts(node, peer, paths),
  };
}

/**
 * Completes or brings back the groups that a crash interrupted, before `sweepLeftovers`. Only while nobody
 * places files: by whoever holds the placing right.
 */
export function recoverGroups(node: Node): void {
  const { config, database, versions, log } = node;
  const journal = new JournalStore(database, ({ key }) => journal.close(key));
  for (const { id, group } of journal.list()) {
    recoverGroup(group, {
      root: config.root,
      log,
      keepVersion: (kept) => void versions.adopt({ ...kept, now: Date.now() }),
      misses: (digest) => versions.misses(digest),
      remember: (peer, agreed) => {
        const memory = peerMemory(node, peer);
        for (const { path, entry } of agreed) memory.record(path, entry);
        memory.resolved(agreed.map(({ path }) => path));
        memory.commit();
      },
    });
    journal.close(id);
  }
}

/** Removes what a crash left; what may be the only copy of something is kept as a version. */
export function sweepLeftovers(node: Node): void {
  const { config, watchlists, versions, log } = node;
  sweep({
    root: config.root,
    roots: watchlists.roots,
    log,
    keep: (kept) => {
      const about = { epoch: node.seat().epoch, peer: config.node, reason: 'interrupted' } as const;
      versions.adopt({ ...kept, ...about, now: Date.now() });
    },
    misses: (digest) => versions.misses(digest),
  });
}
