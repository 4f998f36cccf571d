import type { Entry } from '../core/entry.ts';
import { type Reason, retryOf } from '../core/failure.ts';
import { parentOf, type ReplicaPath } from '../core/path.ts';
import type { Push } from '../core/plan.ts';
import type { Halt } from '../core/safety.ts';
import { type AgreedEntries, Agreements } from './agreement.ts';
import { Awaited, type OnOutcome } from './awaited.ts';
import { DeletionGuard } from './deletion-guard.ts';
import { Emptying } from './emptying.ts';
import { Lag } from './lag.ts';
import { onceATurn } from './once-a-turn.ts';
import { Outgoing } from './outgoing.ts';
import { Planner } from './planner.ts';
import { pushEntry, pushSet } from './push.ts';
import { type ReplicatorOptions, worthTelling } from './replicator-options.ts';
import type { PushOutcome, Session } from './session.ts';
import { type PathTrouble, Troubles } from './troubles.ts';

/**
 * Brings one peer up to date, path by path: look at the disk, compare with the ledger, push, await the
 * ack, remember. Knows nothing of how the session came about; without one it only collects.
 */
export class Replicator {
  readonly peer: string;
  readonly ledger: AgreedEntries;
  readonly #options: ReplicatorOptions;
  readonly #outgoing: Outgoing;
  readonly lag = new Lag();
  readonly #troubles = new Troubles();
  readonly #waiting = new Set<ReplicaPath>();
  readonly #sending = new Map<ReplicaPath, Entry>();
  readonly #awaited = new Awaited();
  readonly agreements: Agreements;
  readonly #planner: Planner;
  readonly #guard: DeletionGuard;
  /** Directories that are gone and wait for what was below them to be sent first. */
  readonly #emptying = new Emptying((directory) => this.changed(directory, this.#options.now()));
  readonly #maySend: () => boolean;
  #session: Session | undefined;
  #halt: Halt | undefined;

  constructor(options: ReplicatorOptions) {
    this.#options = options;
    this.#maySend = onceATurn(options.maySend);
    this.peer = options.peer;
    this.ledger = options.ledger;
    this.agreements = new Agreements(options.ledger);
    this.#planner = new Planner({
      tree: options.tree,
      ledger: options.ledger,
      holdBack: (directory) => this.#emptying.holdBack(directory),
      inConflict: options.inConflict,
      onUnstable: options.onUnstable,
      onTrouble: (path, { reason, detail }) => this.#trouble(path, reason, detail),
      onNothing: (path, entry) => {
        this.agreed(path, entry);
        this.#awaited.tell(path, { kind: 'already-there' });
      },
    });
    this.#guard = new DeletionGuard(options.massDeletion);
    const { groupOf } = options;
    this.#outgoing = new Outgoing({ groupOf, work: (paths) => this.#work(paths) });
  }

  get halt(): Halt | undefined {
    return this.#halt;
  }

  /** Paths that changed and are not durable on the peer yet. */
  get pending(): number {
    return this.#outgoing.size + this.#waiting.size + this.#emptying.size;
  }

  get troubles(): ReadonlyMap<ReplicaPath, PathTrouble> {
    return this.#troubles.all;
  }

  /** Apply hooks that failed on the peer, by path. */
  get hookFailures(): ReadonlyMap<ReplicaPath, readonly string[]> {
    return this.#troubles.hookFailures;
  }

  /** The path that made trouble is gone, and the peer never had it. */
  forgetTrouble(path: ReplicaPath): void {
    this.#troubles.forget(path);
    this.lag.dropped(path);
  }

  /** Whether the peer holds something else than what was agreed, or may do so. */
  isUnsettled(path: ReplicaPath): boolean {
    return this.#planner.isUnsettled(path);
  }

  isBusy(path: ReplicaPath): boolean {
    return this.#outgoing.has(path) || this.#waiting.has(path) || this.#emptying.has(path);
  }

  /** Whether the path will be looked at anyway before it is sent. */
  willLook(path: ReplicaPath): boolean {
    return this.#outgoing.isToBegin(path);
  }

  /** What of the path is on its way. */
  sending(path: ReplicaPath): Entry | undefined {
    return this.#sending.get(path);
  }

  /** Whether its removal is on its way, or it will be looked at before anything is sent. */
  isRemoving(path: ReplicaPath): boolean {
    return this.willLook(path) || this.#emptying.has(path) || this.sending(path)?.kind === 'absent';
  }

  /** Starts to push over this session. What waited is left to the reconcile that follows. */
  attach(session: Session): void {
    this.#session = session;
    this.agreements.begin();
    this.#waiting.clear();
    this.#emptying.release();
  }

  detach(): void {
    this.#session = undefined;
    this.#planner.clear();
    this.#outgoing.clear();
    this.#emptying.clear();
    this.#awaited.lose();
    this.agreements.commit();
  }

  /** A full reconcile begins: what waited for its neighbours is decided anew. */
  reconsider(): void {
    this.#emptying.release();
  }

  /** Resolves when nothing is on its way and nothing is about to be. */
  idle(): Promise<void> {
    return this.#outgoing.idle();
  }

  /** Paths that are gone for good, children before parents; `held` more seem to be. The guard may halt instead. */
  deleted(
    paths: readonly ReplicaPath[],
    since: number,
    options: { readonly allow?: boolean; readonly held?: number } = {},
  ): void {
    if (paths.length === 0) return;
    if (options.allow !== true) {
      const halt = this.#guard.note(paths, this.#options.ledger.size, this.#options.now(), options.held);
      if (halt !== undefined) this.stop(halt);
    }
    for (const path of paths) this.changed(path, since);
  }

  /** Pushes with what the peer showed to hold as the expected entry. */
  changedAgainst(path: ReplicaPath, passive: Entry, onResult?: OnOutcome): void {
    this.#planner.expect(path, passive);
    this.#send(path, onResult);
  }

  /**
   * Sends the path whether or not it changed here, since the peer holds something else: its admit decides what that is,
   * and so both nodes record the same. With `passive` that is what the peer is expected to hold.
   */
  offer(path: ReplicaPath, onResult?: OnOutcome, passive?: Entry): void {
    this.#planner.dispute(path);
    if (passive !== undefined) this.#planner.expect(path, passive);
    this.#send(path, onResult);
  }

  #send(path: ReplicaPath, onResult: OnOutcome | undefined): void {
    this.#awaited.add(path, onResult);
    this.changed(path, this.#options.now());
    if (this.#session === undefined || this.#halt !== undefined) this.#awaited.lose();
  }

  /** Both disks were seen to hold the same. */
  agreed(path: ReplicaPath, entry: Entry): void {
    this.agreements.agree(path, entry);
    this.#options.onAgreed(path);
    this.forgetTrouble(path);
  }

  /** Stops all pushes until `resume`. */
  stop(halt: Halt): void {
    if (this.#halt !== undefined) return;
    this.#halt = halt;
    this.#awaited.lose();
    this.#options.onProgress();
    this.#options.log({ kind: 'halted', reason: halt.reason, detail: halt.detail });
  }

  resume(): void {
    this.#halt = undefined;
    this.#guard.reset();
    this.#waiting.clear();
    this.#emptying.release();
  }

  /** A path that changed, first hinted at `since`. Parents that are new must come before their children. */
  changed(path: ReplicaPath, since: number): void {
    this.lag.began(path, since);
    this.#options.onProgress();
    if (this.#session === undefined || this.#halt !== undefined) {
      this.#waiting.add(path);
      return;
    }
    this.#emptying.expect(path);
    this.#outgoing.add(path);
  }

  async #work(paths: readonly ReplicaPath[]): Promise<void> {
    const session = this.#session;
    if (session === undefined || this.#halt !== undefined || !this.#maySend()) {
      for (const path of paths) this.#waiting.add(path);
      for (const path of paths) this.#emptying.taken(path);
      this.#awaited.lose();
      return;
    }
    await session.writable();
    for (const path of paths) this.#emptying.taken(path);
    const planned = this.#planner.planAll(paths);
    for (const { path, put } of planned) this.#sending.set(path, put);
    const awaiting = planned.map(({ path }) => this.#awaited.take(path));
    const [push] = planned;
    if (push === undefined) return;
    const { tree } = this.#options;
    const outcomes =
      planned.length > 1 ? await pushSet(session, tree, planned) : [await pushEntry(session, tree, push)];
    for (const [index, sent] of planned.entries())
      this.#settle(sent, outcomes[index] ?? { kind: 'lost' }, awaiting[index] ?? []);
    this.#options.onProgress();
  }

  #settle(push: Push, outcome: PushOutcome, awaiting: readonly OnOutcome[]): void {
    const { path } = push;
    this.#sending.delete(path);
    this.agreements.noteAnswer(path);
    if (outcome.kind === 'conflict' && this.agreements.takeOwn(path, outcome.found)) {
      for (const tell of awaiting) this.#awaited.add(path, tell);
      return this.changed(path, this.#options.now());
    }
    for (const tell of awaiting) tell(outcome);
    this.#onOutcome(push, outcome);
  }

  #onOutcome({ path, put, expect }: Push, outcome: PushOutcome): void {
    switch (outcome.kind) {
      case 'applied':
      case 'already-there':
        if (outcome.kind === 'applied') this.#noteHooks(path, outcome.hooks ?? []);
        this.#planner.settled(path, expect);
        return this.#onDurable(path, put, outcome.kind);
      case 'conflict':
        this.#planner.settled(path, expect);
        this.lag.dropped(path);
        this.#troubles.forget(path);
        return this.#options.onConflict(this.agreements.conflictOf(path, put, outcome));
      case 'lost':
        this.agreements.unacked.lost(path, put);
        return void this.#waiting.add(path);
      case 'changed':
        return this.#options.onUnstable(path);
      case 'refused':
        return this.#onPathRefused(path, outcome);
    }
  }

  /** Hooks run after the file is in place, so it is agreed all the same. */
  #noteHooks(path: ReplicaPath, failures: readonly string[]): void {
    this.#troubles.noteHooks(path, failures);
    for (const detail of failures) this.#options.log({ kind: 'hook-failed', peer: this.peer, path, detail });
  }

  #onDurable(path: ReplicaPath, put: Entry, result: 'applied' | 'already-there'): void {
    const lagMs = this.lag.ended(path, this.#options.now());
    this.agreements.unacked.settle(path);
    this.agreed(path, put);
    this.#wakeNeighbours(path, put);
    this.#options.log({ kind: 'pushed', peer: this.peer, path, what: put.kind, result, lagMs });
  }

  /** What waited for this directory to be made, or for this path to be removed, need not wait longer. */
  #wakeNeighbours(path: ReplicaPath, put: Entry): void {
    const parent = parentOf(path);
    const emptier = put.kind === 'absent' && this.#troubles.get(parent)?.reason === 'not-empty';
    if (emptier) this.changed(parent, this.#options.now());
    if (put.kind !== 'directory') return;
    for (const waiting of this.#troubles.waitingFor(path)) this.changed(waiting, this.#options.now());
  }

  #onPathRefused(path: ReplicaPath, refusal: Extract<PushOutcome, { kind: 'refused' }>): void {
    const { reason, detail, epoch } = refusal;
    if (retryOf[reason] === 'with-session') {
      this.#waiting.add(path);
      return this.#options.onRefused(reason, detail, epoch);
    }
    const before = this.#trouble(path, reason, detail);
    // A link above it there may be one here too by now, of which no event of this path tells.
    const again = retryOf[reason] === 'soon' || (reason === 'not-confined' && before === 0);
    if (again) this.#options.onRetry(path, before);
  }

  /** Answers how often it was tried before. */
  #trouble(path: ReplicaPath, reason: Reason, detail: string): number {
    const attempts = this.#troubles.note(path, reason, detail);
    this.lag.dropped(path);
    // Who wants it sent once more waits for that.
    if (!this.#outgoing.isToBegin(path))
      this.#awaited.tell(path, { kind: 'refused', reason, detail, epoch: 0 });
    this.#options.onProgress();
    // What passes by itself within a moment is nobody's concern.
    if (retryOf[reason] !== 'soon' || attempts >= worthTelling)
      this.#options.log({ kind: 'path-failed', peer: this.peer, path, reason, detail });
    return attempts - 1;
  }
}
