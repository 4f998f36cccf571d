import { absent, sameEntry } from '../core/entry.ts';
import type { Log } from '../core/event.ts';
import type { ReplicaPath } from '../core/path.ts';
import { reconcile as decide } from '../core/plan.ts';
import { isEmptiedRoot } from '../core/safety.ts';
import type { Manifest } from '../files/manifest.ts';
import { inChunks } from '../wire/chunks.ts';
import { compare, type Difference } from './compare.ts';
import { type Landed, Landing } from './landed.ts';
import { look } from './questions.ts';
import type { Replicator } from './replicator.ts';
import type { PushOutcome, Session } from './session.ts';
import type { Tree } from './tree.ts';

export type ReconcileOptions = {
  readonly session: Session;
  readonly replicator: Replicator;
  readonly tree: Tree;
  /** What brought it about: start, reconnect, interval, burst … */
  readonly why: string;
  readonly log: Log;
  readonly now: () => number;
  /** Paths whose conflict with this peer waits. */
  readonly inConflict: () => readonly ReplicaPath[];
  /** Deletions were allowed by a person: the mass-deletion guard lets them pass. */
  readonly allowDeletes: boolean;
};

/** Paths by what the full reconcile decided about them. */
export type ReconcileReport = {
  readonly checked: number;
  readonly converged: number;
  readonly pushed: number;
  readonly conflicts: number;
  readonly durationMs: number;
  /** Resolves when all is answered, with what became of it and of what changes took up meanwhile. */
  readonly landed: Promise<Landed>;
};

/**
 * The full reconcile with one peer: both disks against the ledger, so that nothing depends on an event
 * having arrived. Undefined when the link ended or a guard halted it.
 */
export async function reconcileWithPeer(options: ReconcileOptions): Promise<ReconcileReport | undefined> {
  const { agreements } = options.replicator;
  const answered = agreements.beginReconcile();
  try {
    const landing = new Landing(options.replicator, answered);
    return await reconcileAmidPushes({ ...options, answered, landing });
  } finally {
    agreements.endReconcile();
  }
}

/** `answered`: paths of which a push was answered since the reconcile began; the manifests may be older than that. */
type AmidPushes = ReconcileOptions & {
  readonly answered: ReadonlyMap<ReplicaPath, PushOutcome>;
  readonly landing: Landing;
};

async function reconcileAmidPushes(options: AmidPushes): Promise<ReconcileReport | undefined> {
  const { session, replicator, tree, now } = options;
  const start = now();
  const disputed = options.inConflict();
  replicator.reconsider();
  const includes = (path: ReplicaPath): boolean => tree.watchlists.includes(path);
  const looked = { fresh: false, mtime: false } as const;
  let manifest: Manifest | undefined;
  // Both nodes walk at the same time.
  const walked = async (): Promise<Manifest | undefined> => {
    manifest = await tree.manifest(looked);
    return haltWhereEmptied(options, manifest, start) ? undefined : manifest;
  };
  const comparison = await compare(session, walked, { ...looked, includes });
  if (comparison === undefined || manifest === undefined) return undefined;
  const differing = new Set(comparison.differences.map(({ path }) => path));
  const equal = rememberEqual(options, manifest, differing);
  await tellAgreed(session, comparison.id, differing);
  const counts = await bringTogether(options, comparison.differences);
  if (counts === undefined) return undefined;
  const gone = rememberGone(options, manifest, differing);
  replicator.agreements.unacked.compared(differing);
  // A conflict that ended by itself: both nodes forget it by one exchange.
  for (const path of disputed) if (!differing.has(path) && !replicator.isBusy(path)) replicator.offer(path);
  replicator.agreements.commit();
  const told = {
    checked: comparison.checked,
    converged: equal + gone,
    ...counts,
    durationMs: now() - start,
  };
  options.log({ kind: 'reconciled', peer: replicator.peer, why: options.why, ...told });
  return { ...told, landed: options.landing.landed(told.converged) };
}

/** What is gone on both nodes: all that is left of it are rows. Answers how many paths that were. */
function rememberGone(
  { replicator, tree, answered, landing }: AmidPushes,
  manifest: Manifest,
  differing: ReadonlySet<ReplicaPath>,
): number {
  const isHandled = (path: ReplicaPath): boolean =>
    manifest.has(path) ||
    differing.has(path) ||
    manifest.isUnknown(path) ||
    answered.has(path) ||
    !tree.watchlists.includes(path);
  let gone = 0;
  for (const path of replicator.ledger.below('/' as ReplicaPath)) {
    if (isHandled(path) || landing.leave(path)) continue;
    const seen = tree.observe(path);
    if (seen.kind !== 'entry' || seen.entry.kind !== 'absent') continue;
    replicator.agreed(path, absent);
    gone += 1;
  }
  return gone;
}

/** Halts where a root that held files holds none. Answers whether it did. */
function haltWhereEmptied(options: ReconcileOptions, manifest: Manifest, since: number): boolean {
  const emptied = emptiedRoot(options, manifest);
  if (emptied === undefined) return false;
  const detail = `expected files below ${emptied}, found none: is a disk not mounted?`;
  options.replicator.stop({ reason: 'emptied-root', detail, since });
  return true;
}

function emptiedRoot(options: ReconcileOptions, manifest: Manifest): ReplicaPath | undefined {
  if (options.allowDeletes) return undefined;
  return options.tree.watchlists.roots.find((root) => {
    const known = options.replicator.ledger.below(root).filter((path) => path !== root);
    const present = known.some((path) => manifest.has(path) || manifest.isUnknown(path));
    return isEmptiedRoot(known.length, present ? 1 : 0);
  });
}

function rememberEqual(
  { replicator, inConflict, answered, landing }: AmidPushes,
  manifest: Manifest,
  differing: ReadonlySet<ReplicaPath>,
): number {
  let converged = 0;
  const disputed = new Set(inConflict());
  for (const [path, packed] of manifest.entries()) {
    if (differing.has(path) || answered.has(path)) continue;
    // By far the most: both nodes hold what was agreed.
    if (replicator.ledger.holds(path, packed) && !disputed.has(path)) {
      if (!replicator.isBusy(path)) replicator.forgetTrouble(path);
      continue;
    }
    const entry = manifest.get(path);
    const known = replicator.ledger.get(path);
    const isNews = known === undefined || !sameEntry(known, entry);
    if (replicator.isBusy(path)) {
      if (isNews) landing.converged(path);
      continue;
    }
    if (isNews) converged += 1;
    replicator.agreed(path, entry);
    // So that the ledger takes over the text of the manifest, which the cache holds anyway.
    replicator.ledger.holds(path, packed);
  }
  return converged;
}

async function tellAgreed(session: Session, id: number, differing: ReadonlySet<ReplicaPath>): Promise<void> {
  await session.ask(
    () =>
      [...inChunks(differing)].map(({ rows, last }) => ({ t: 'agreed' as const, id, except: rows, last })),
    (answer) => (answer.t === 'done' ? 'last' : 'more'),
    id,
  );
}

async function bringTogether(
  options: AmidPushes,
  differences: readonly Difference[],
): Promise<{ pushed: number; conflicts: number } | undefined> {
  const { replicator, landing, now } = options;
  const puts: Difference[] = [];
  const deletions: Difference[] = [];
  const doubtful: Difference[] = [];
  for (const difference of differences) {
    if (landing.leave(difference.path)) continue;
    replicator.agreements.takeOwn(difference.path, difference.passive);
    const verdict = decide(replicator.ledger.get(difference.path), difference.active, difference.passive);
    if (verdict.kind === 'conflict' || options.answered.has(difference.path)) doubtful.push(difference);
    else if (difference.active.kind === 'absent') deletions.push(difference);
    else puts.push(difference);
  }
  const conflicts = await confirmConflicts(options, doubtful);
  if (conflicts === undefined) return undefined;
  // Children go before their parents when they are removed, and after them when they are made.
  const gone = deletions.map(({ path }) => path).reverse();
  replicator.deleted(gone, now(), { allow: options.allowDeletes });
  for (const { path, passive } of [...deletions.reverse(), ...puts])
    landing.sent(path, (onOutcome) => replicator.changedAgainst(path, passive, onOutcome));
  return { pushed: puts.length + gone.length, conflicts };
}

/**
 * The manifests of the two nodes are not of one instant: a change that was pushed between them looks like
 * a conflict. So each is looked at once more on both nodes before it is called one. Then it is offered to the peer,
 * whose admit comes to the same verdict, so that both nodes know of it.
 */
async function confirmConflicts(
  options: AmidPushes,
  doubtful: readonly Difference[],
): Promise<number | undefined> {
  const { session, replicator, tree, landing } = options;
  let confirmed = 0;
  for (const { rows } of inChunks(doubtful.map(({ path }) => path))) {
    const passive = await look(session, rows);
    if (passive === undefined) return undefined;
    tree.look(rows, (path, seen) => {
      const there = passive.get(path);
      if (seen.kind !== 'entry' || there === undefined || landing.leave(path)) return;
      const verdict = decide(replicator.ledger.get(path), seen.entry, there);
      if (verdict.kind === 'agree') replicator.agreed(path, seen.entry);
      if (verdict.kind === 'push')
        landing.sent(path, (onOutcome) => replicator.changedAgainst(path, there, onOutcome));
      if (verdict.kind !== 'conflict') return;
      confirmed += 1;
      if (!replicator.agreements.isKnownConflict(path, seen.entry, there))
        landing.sent(path, (onOutcome) => replicator.offer(path, onOutcome));
    });
  }
  return confirmed;
}
