import { absent, type Entry } from '../core/entry.ts';
import type { PathFailure } from '../core/failure.ts';
import type { ReplicaPath } from '../core/path.ts';
import { type Push, planPush } from '../core/plan.ts';
import { troubleOf } from '../files/observation.ts';
import type { AgreedEntries } from './agreement.ts';
import type { Tree } from './tree.ts';

export type PlannerOptions = {
  readonly tree: Tree;
  readonly ledger: AgreedEntries;
  /** Whether a directory that is gone has to wait for what was below it, as it does from then on. */
  readonly holdBack: (directory: ReplicaPath) => boolean;
  /** Whether the peer is known to hold something else than what was agreed. */
  readonly inConflict: (path: ReplicaPath) => boolean;
  readonly onUnstable: (path: ReplicaPath) => void;
  readonly onTrouble: (path: ReplicaPath, failure: PathFailure) => void;
  /** Nothing is to be sent: the peer is taken to hold this already. */
  readonly onNothing: (path: ReplicaPath, entry: Entry) => void;
};

/** Finds out what has to be sent of a path: the disk against what the peer is taken to hold. */
export class Planner {
  readonly #options: PlannerOptions;
  /** What the peer showed to hold, where that is not the agreed entry. Set by reconcile and resync. */
  readonly #expected = new Map<ReplicaPath, Entry>();
  /** Paths that are sent although nothing changed here: the peer shows something else. */
  readonly #disputed = new Set<ReplicaPath>();

  constructor(options: PlannerOptions) {
    this.#options = options;
  }

  expect(path: ReplicaPath, passive: Entry): void {
    this.#expected.set(path, passive);
  }

  dispute(path: ReplicaPath): void {
    this.#disputed.add(path);
  }

  /**
   * A push that expected this was answered: what the peer showed to hold is history, unless it was seen to hold something
   * else while the push was on its way.
   */
  settled(path: ReplicaPath, expect: Entry): void {
    const expected = this.#expected.get(path);
    if (expected !== undefined && expected !== expect) return;
    this.#expected.delete(path);
    this.#disputed.delete(path);
  }

  /** Whether the peer holds something else than what was agreed, or may do so. */
  isUnsettled(path: ReplicaPath): boolean {
    return this.#expected.has(path) || this.#disputed.has(path) || this.#options.inConflict(path);
  }

  clear(): void {
    this.#expected.clear();
    this.#disputed.clear();
  }

  /** What has to be sent of this path; undefined where nothing has, or it cannot be read. */
  plan(path: ReplicaPath): Push | undefined {
    const put = this.#look(path);
    return put === undefined ? undefined : this.#plan(path, put);
  }

  /** What has to be sent of these paths: all that changed, or nothing while one of them cannot be read. */
  planAll(paths: readonly ReplicaPath[]): Push[] {
    const looks = paths.map((path) => ({ path, put: this.#look(path) }));
    const unread = looks.find(({ put }) => put === undefined);
    if (unread !== undefined) {
      for (const { path, put } of looks) if (put !== undefined) this.#holdBack(path, put, unread.path);
      return [];
    }
    const pushes = looks.map(({ path, put }) => (put === undefined ? undefined : this.#plan(path, put)));
    return pushes.filter((push) => push !== undefined);
  }

  #holdBack(path: ReplicaPath, put: Entry, culprit: ReplicaPath): void {
    if (planPush(this.#expectedAt(path), put).kind === 'nothing') return;
    const detail = `it goes together with ${culprit}, which cannot be read yet`;
    this.#options.onTrouble(path, { reason: 'group-failed', detail });
  }

  /** What is at the path on this node; undefined where that cannot be told, which is taken care of. */
  #look(path: ReplicaPath): Entry | undefined {
    const { tree, onTrouble, onUnstable } = this.#options;
    const seen = tree.observe(path);
    switch (seen.kind) {
      case 'entry':
        return seen.entry;
      case 'unstable':
        onUnstable(path);
        return undefined;
      case 'unsupported':
      case 'failed':
        onTrouble(path, troubleOf(seen));
        return undefined;
    }
  }

  /** The push that brings the peer up to date; undefined where there is nothing to do, or not yet. */
  #plan(path: ReplicaPath, put: Entry): Push | undefined {
    const expect = this.#expectedAt(path);
    if (put.kind === 'absent' && expect.kind === 'directory' && this.#options.holdBack(path))
      return undefined;
    // Only by a push does the peer learn that both hold the same after all, and what it had written down ends.
    if (planPush(expect, put).kind === 'push' || this.isUnsettled(path)) return { path, expect, put };
    this.#options.onNothing(path, put);
    return undefined;
  }

  #expectedAt(path: ReplicaPath): Entry {
    return this.#expected.get(path) ?? this.#options.ledger.get(path) ?? absent;
  }
}
