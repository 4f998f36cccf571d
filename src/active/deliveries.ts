import type { Entry } from '../core/entry.ts';
import type { ReplicaPath } from '../core/path.ts';
import type { Push } from '../core/plan.ts';
import type { Agreements } from './agreement.ts';
import type { Awaited, OnOutcome } from './awaited.ts';
import type { Outcomes } from './outcomes.ts';
import type { Planner } from './planner.ts';
import { pushSet, sendEntry } from './push.ts';
import type { PushOutcome, Session } from './session.ts';
import type { Tree } from './tree.ts';

export type DeliveriesOptions = {
  readonly tree: Tree;
  readonly planner: Pick<Planner, 'plan' | 'planAll'>;
  readonly awaited: Awaited;
  readonly agreements: Pick<Agreements, 'noteAnswer' | 'takeOwn'>;
  readonly outcomes: Pick<Outcomes, 'take'>;
  /** To be looked at, and sent if there is something to send. */
  readonly onChanged: (path: ReplicaPath) => void;
  readonly onProgress: () => void;
};

/** What is on its way to one peer: looked at and planned as it leaves, settled by its answer. */
export class Deliveries {
  readonly #options: DeliveriesOptions;
  readonly #sending = new Map<ReplicaPath, Entry>();

  constructor(options: DeliveriesOptions) {
    this.#options = options;
  }

  /** What of the path is on its way. */
  sending(path: ReplicaPath): Entry | undefined {
    return this.#sending.get(path);
  }

  /** Sends what there is to send of these paths, together or not at all; calls `done` once, when all of it is settled. */
  begin(session: Session, paths: readonly ReplicaPath[], done: () => void): void {
    const { planner } = this.#options;
    const [path] = paths;
    // Nearly all there is goes alone: without a list of anything.
    if (path !== undefined && paths.length === 1) return this.#sendOne(session, planner.plan(path), done);
    const pushes = planner.planAll(paths);
    const [only] = pushes;
    if (pushes.length > 1) this.#sendSet(session, pushes, done);
    else this.#sendOne(session, only, done);
  }

  #sendOne(session: Session, push: Push | undefined, done: () => void): void {
    if (push === undefined) return done();
    const { tree, awaited, onProgress } = this.#options;
    this.#sending.set(push.path, push.put);
    const awaiting = awaited.take(push.path);
    sendEntry(session, tree, push, (outcome) => {
      this.#settle(push, outcome, awaiting);
      onProgress();
      done();
    });
  }

  #sendSet(session: Session, pushes: readonly Push[], done: () => void): void {
    const { tree, awaited, onProgress } = this.#options;
    const set = pushes.map((push) => ({ push, awaiting: awaited.take(push.path) }));
    for (const { path, put } of pushes) this.#sending.set(path, put);
    void pushSet(session, tree, pushes).then((outcomes) => {
      for (const [index, { push, awaiting }] of set.entries())
        this.#settle(push, outcomes[index] ?? { kind: 'lost' }, awaiting);
      onProgress();
      done();
    });
  }

  #settle(push: Push, outcome: PushOutcome, awaiting: readonly OnOutcome[]): void {
    const { agreements, awaited, outcomes, onChanged } = this.#options;
    const { path } = push;
    this.#sending.delete(path);
    agreements.noteAnswer(path, outcome);
    if (outcome.kind === 'conflict' && agreements.takeOwn(path, outcome.found)) {
      for (const tell of awaiting) awaited.add(path, tell);
      return onChanged(path);
    }
    for (const tell of awaiting) tell(outcome);
    awaited.heard(path, outcome);
    outcomes.take(push, outcome);
  }
}
