import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Entry } from '../core/entry.ts';
import type { Reason } from '../core/failure.ts';
import { isAtOrBelow, type ReplicaPath } from '../core/path.ts';
import { compare, type Difference } from './compare.ts';
import { ping } from './questions.ts';
import type { Replicator } from './replicator.ts';
import type { PushOutcome, Session } from './session.ts';
import type { Tree } from './tree.ts';

/** How many paths are sent in one turn of the event loop. */
const stepsPerTurn = 64;

export type ResyncOptions = {
  readonly session: Session;
  readonly replicator: Replicator;
  readonly tree: Tree;
  /** Only these and what is below them; empty for everything. */
  readonly paths: readonly ReplicaPath[];
  readonly onProgress: (done: number, total: number) => void;
};

export type ResyncReport = {
  pushed: number;
  deleted: number;
  alreadyThere: number;
  conflicts: number;
  refused: { readonly path: string; readonly reason: Reason | 'lost'; readonly detail: string }[];
};

/** What a resync would do, in the order of paths. */
export type ResyncStep = {
  readonly path: ReplicaPath;
  readonly action: 'push' | 'delete';
  readonly active: Entry;
  readonly passive: Entry;
};

/** What makes the passive equal to the active. Undefined when the link ended. */
export async function planResync(
  options: Pick<ResyncOptions, 'session' | 'tree' | 'paths'>,
): Promise<{ steps: ResyncStep[]; checked: number } | undefined> {
  const { session, tree, paths } = options;
  const includes = (path: ReplicaPath): boolean =>
    tree.watchlists.includes(path) &&
    (paths.length === 0 || paths.some((wanted) => isAtOrBelow(path, wanted)));
  const comparison = await compare(session, () => tree.manifest({ mtime: true, fresh: false }), {
    fresh: false,
    mtime: true,
    isDifferenceLikely: true,
    includes,
  });
  if (comparison === undefined) return undefined;
  return { steps: comparison.differences.map(asStep), checked: comparison.checked };
}

function asStep(difference: Difference): ResyncStep {
  return { ...difference, action: difference.active.kind === 'absent' ? 'delete' : 'push' };
}

/**
 * Makes the passive equal to the active. Each push expects what the passive showed to hold, so that what
 * somebody saves there meanwhile is still a conflict; whatever is overwritten is kept there as a version.
 */
export async function resync(options: ResyncOptions): Promise<ResyncReport | undefined> {
  const planned = await planResync(options);
  if (planned === undefined) return undefined;
  const report: ResyncReport = { pushed: 0, deleted: 0, alreadyThere: 0, conflicts: 0, refused: [] };
  const { steps } = planned;
  report.alreadyThere = planned.checked - steps.length;
  // Children are removed before their parents, and before anything is put in a directory's place.
  const ordered = [
    ...steps.filter(({ action }) => action === 'delete').reverse(),
    ...steps.filter(({ action }) => action === 'push'),
  ];
  let done = 0;
  options.onProgress(0, ordered.length);
  const results: Promise<void>[] = [];
  for (const [index, step] of ordered.entries()) {
    // The peer can begin while more is looked at and read here: what is sent in one turn leaves at its end.
    if (index > 0 && index % stepsPerTurn === 0) await nextTurn();
    const sent = new Promise<PushOutcome>((resolve) => {
      options.replicator.changedAgainst(step.path, step.passive, resolve);
    });
    results.push(
      sent.then((outcome) => {
        count(report, step, outcome);
        done += 1;
        options.onProgress(done, ordered.length);
      }),
    );
  }
  await Promise.all(results);
  // What is displaced becomes a version right after its answer, and lies beside its target until then: that is over as well.
  if (results.length > 0) await ping(options.session);
  options.replicator.agreements.commit();
  return report;
}

function count(report: ResyncReport, step: ResyncStep, outcome: PushOutcome): void {
  switch (outcome.kind) {
    case 'applied':
      if (step.action === 'delete') report.deleted += 1;
      else report.pushed += 1;
      return;
    case 'already-there':
      report.alreadyThere += 1;
      return;
    case 'conflict':
      report.conflicts += 1;
      return;
    case 'refused':
      report.refused.push({ path: step.path, reason: outcome.reason, detail: outcome.detail });
      return;
    case 'lost':
    case 'changed':
      report.refused.push({
        path: step.path,
        reason: outcome.kind === 'lost' ? 'lost' : 'unstable',
        detail: 'it could not be sent',
      });
      return;
  }
}
