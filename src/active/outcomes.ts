import type { Entry } from '../core/entry.ts';
import { type Reason, retryOf } from '../core/failure.ts';
import { parentOf, type ReplicaPath } from '../core/path.ts';
import type { Push } from '../core/plan.ts';
import type { Agreements } from './agreement.ts';
import type { Awaited } from './awaited.ts';
import type { Lag } from './lag.ts';
import type { Planner } from './planner.ts';
import { type ReplicatorOptions, worthTelling } from './replicator-options.ts';
import type { PushOutcome } from './session.ts';
import type { Troubles } from './troubles.ts';

export type OutcomesOptions = Pick<
  ReplicatorOptions,
  'log' | 'now' | 'onConflict' | 'onUnstable' | 'onRetry' | 'onRefused' | 'onProgress'
> & {
  readonly peer: string;
  readonly lag: Lag;
  readonly troubles: Troubles;
  readonly agreements: Agreements;
  readonly planner: Pick<Planner, 'settled'>;
  readonly awaited: Awaited;
  /** What has to wait for the next session. */
  readonly waiting: Set<ReplicaPath>;
  /** Whether the path will be looked at anyway before it is sent. */
  readonly willLook: (path: ReplicaPath) => boolean;
  /** Both disks were seen to hold the same. */
  readonly onAgreed: (path: ReplicaPath, entry: Entry) => void;
  /** To be looked at, and sent if there is something to send. */
  readonly onChanged: (path: ReplicaPath) => void;
};

/** What the answer to a push means for its path: remembered, in conflict, to be sent again, or in trouble. */
export class Outcomes {
  readonly #options: OutcomesOptions;

  constructor(options: OutcomesOptions) {
    this.#options = options;
  }

  take({ path, put, expect }: Push, outcome: PushOutcome): void {
    const { planner, lag, troubles, agreements, waiting } = this.#options;
    switch (outcome.kind) {
      case 'applied':
      case 'already-there':
        if (outcome.kind === 'applied') this.#noteHooks(path, outcome.hooks ?? []);
        planner.settled(path, expect);
        return this.#onDurable(path, put, outcome.kind);
      case 'conflict':
        planner.settled(path, expect);
        lag.dropped(path);
        troubles.forget(path);
        return this.#options.onConflict(agreements.conflictOf(path, put, outcome));
      case 'lost':
        agreements.unacked.lost(path, put);
        return void waiting.add(path);
      case 'changed':
        return this.#options.onUnstable(path);
      case 'refused':
        return this.#onPathRefused(path, outcome);
    }
  }

  /** Hooks run after the file is in place, so it is agreed all the same. */
  #noteHooks(path: ReplicaPath, failures: readonly string[]): void {
    const { troubles, log, peer } = this.#options;
    troubles.noteHooks(path, failures);
    for (const detail of failures) log({ kind: 'hook-failed', peer, path, detail });
  }

  #onDurable(path: ReplicaPath, put: Entry, result: 'applied' | 'already-there'): void {
    const { lag, now, agreements, onAgreed, log, peer } = this.#options;
    const lagMs = lag.ended(path, now());
    agreements.unacked.settle(path);
    onAgreed(path, put);
    this.#wakeNeighbours(path, put);
    log({ kind: 'pushed', peer, path, what: put.kind, result, lagMs });
  }

  /** What waited for this directory to be made, or for this path to be removed, need not wait longer. */
  #wakeNeighbours(path: ReplicaPath, put: Entry): void {
    const { troubles, onChanged } = this.#options;
    const parent = parentOf(path);
    const emptier = put.kind === 'absent' && troubles.get(parent)?.reason === 'not-empty';
    if (emptier) onChanged(parent);
    if (put.kind !== 'directory') return;
    for (const waiting of troubles.waitingFor(path)) onChanged(waiting);
  }

  #onPathRefused(path: ReplicaPath, refusal: Extract<PushOutcome, { kind: 'refused' }>): void {
    const { reason, detail, epoch } = refusal;
    if (retryOf[reason] === 'with-session') {
      this.#options.waiting.add(path);
      return this.#options.onRefused(reason, detail, epoch);
    }
    const before = this.trouble(path, reason, detail);
    // A link above it there may be one here too by now, of which no event of this path tells.
    const again = retryOf[reason] === 'soon' || (reason === 'not-confined' && before === 0);
    if (again) this.#options.onRetry(path, before);
  }

  /** The path cannot be read, sent or placed. Answers how often it was tried before. */
  trouble(path: ReplicaPath, reason: Reason, detail: string): number {
    const { troubles, lag, willLook, awaited, onProgress, log, peer } = this.#options;
    const attempts = troubles.note(path, reason, detail);
    lag.dropped(path);
    // Who wants it sent once more waits for that.
    if (!willLook(path)) awaited.tell(path, { kind: 'refused', reason, detail, epoch: 0 });
    onProgress();
    // What passes by itself within a moment is nobody's concern.
    if (retryOf[reason] !== 'soon' || attempts >= worthTelling)
      log({ kind: 'path-failed', peer, path, reason, detail });
    return attempts - 1;
  }
}
