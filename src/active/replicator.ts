import { absent, type Entry, identicalEntry } from '../core/entry.ts';
import type { Log } from '../core/event.ts';
import { type Reason, retryOf } from '../core/failure.ts';
import { parentOf, type ReplicaPath } from '../core/path.ts';
import { planPush } from '../core/plan.ts';
import type { Halt, MassDeletionLimit } from '../core/safety.ts';
import type { AgreedEntries, FoundConflict } from './agreement.ts';
import { DeletionGuard } from './deletion-guard.ts';
import { Lag } from './lag.ts';
import { Lanes } from './lanes.ts';
import { pushEntry } from './push.ts';
import type { PushOutcome, Session } from './session.ts';
import type { Tree } from './tree.ts';
import { type PathTrouble, Troubles } from './troubles.ts';
import { Unacked } from './unacked.ts';

export type ReplicatorOptions = {
  readonly peer: string;
  readonly tree: Tree;
  readonly ledger: AgreedEntries;
  readonly massDeletion: MassDeletionLimit;
  readonly log: Log;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly onConflict: (conflict: FoundConflict) => void;
  readonly onAgreed: (path: ReplicaPath) => void;
  /** The path is being written: look at it again when it settles. */
  readonly onUnstable: (path: ReplicaPath) => void;
  /** Try the path again after a pause that grows with the number of attempts. */
  readonly onRetry: (path: ReplicaPath, attempt: number) => void;
  /** The peer refuses this node as a sender. */
  readonly onRefused: (reason: Reason, detail: string, epoch: number) => void;
};

/** Pushes that are on their way at once. Small files: what counts is that the pipe never runs dry. */
const pushesInFlight = 1024;
/** From this attempt on a failure that may pass by itself is logged. */
const worthTelling = 4;

/**
 * Brings one peer up to date, path by path: look at the disk, compare with the ledger, push, await the
 * ack, remember. Knows nothing of how the session came about; without one it only collects.
 */
export class Replicator {
  readonly #options: ReplicatorOptions;
  readonly #lanes: Lanes;
  /** What the peer showed to hold, where that is not the agreed entry. Set by reconcile and resync. */
  readonly #expected = new Map<ReplicaPath, Entry>();
  readonly #unacked = new Unacked();
  readonly lag = new Lag();
  readonly #troubles = new Troubles();
  readonly #waiting = new Set<ReplicaPath>();
  /** Directories that are gone and wait for what was below them to be removed first. */
  readonly #emptying = new Set<ReplicaPath>();
  readonly #pushedOnce = new Map<ReplicaPath, (result: PushOutcome) => void>();
  readonly #guard: DeletionGuard;
  #session: Session | undefined;
  #halt: Halt | undefined;
  #commitPlanned = false;

  constructor(options: ReplicatorOptions) {
    this.#options = options;
    this.#guard = new DeletionGuard(options.massDeletion);
    this.#lanes = new Lanes({ concurrency: pushesInFlight, work: (path) => this.#work(path) });
  }

  get peer(): string {
    return this.#options.peer;
  }

  get ledger(): AgreedEntries {
    return this.#options.ledger;
  }

  get halt(): Halt | undefined {
    return this.#halt;
  }

  /** Paths that changed and are not durable on the peer yet. */
  get pending(): number {
    return this.#lanes.size + this.#waiting.size + this.#emptying.size;
  }

  get troubles(): ReadonlyMap<ReplicaPath, PathTrouble> {
    return this.#troubles.all;
  }

  /** Whether an entry of this node is news for the peer. */
  differs(path: ReplicaPath, entry: Entry): boolean {
    return !identicalEntry(this.#options.ledger.get(path) ?? absent, entry);
  }

  /** Whether what the peer holds came from here without an ack having come back: then it is agreed after all. */
  takeOwn(path: ReplicaPath, passive: Entry): boolean {
    const sent = this.#unacked.take(path, passive);
    if (sent === undefined) return false;
    this.#options.ledger.record(path, sent);
    this.#planCommit();
    return true;
  }

  /** The path that made trouble is gone, and the peer never had it. */
  forgetTrouble(path: ReplicaPath): void {
    this.#troubles.forget(path);
    this.lag.dropped(path);
  }

  isBusy(path: ReplicaPath): boolean {
    return this.#lanes.has(path) || this.#waiting.has(path) || this.#emptying.has(path);
  }

  /** Starts to push over this session. What waited is left to the reconcile that follows. */
  attach(session: Session): void {
    this.#session = session;
    this.#waiting.clear();
    this.#emptying.clear();
  }

  detach(): void {
    this.#session = undefined;
    this.#expected.clear();
    this.flushLedger();
  }

  /** A full reconcile begins: what waited for its neighbours is decided anew. */
  reconsider(): void {
    this.#emptying.clear();
  }

  idle(): Promise<void> {
    return this.#lanes.idle();
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
  changedAgainst(path: ReplicaPath, passive: Entry, onResult?: (result: PushOutcome) => void): void {
    this.#expected.set(path, passive);
    if (onResult !== undefined) this.#pushedOnce.set(path, onResult);
    this.changed(path, this.#options.now());
  }

  /** Both disks were seen to hold the same. */
  agreed(path: ReplicaPath, entry: Entry): void {
    const known = this.#options.ledger.get(path);
    if (known === undefined ? entry.kind !== 'absent' : !identicalEntry(known, entry))
      this.#options.ledger.record(path, entry);
    this.#planCommit();
    this.#options.onAgreed(path);
    this.forgetTrouble(path);
  }

  /** Stops all pushes until `resume`. */
  stop(halt: Halt): void {
    if (this.#halt !== undefined) return;
    this.#halt = halt;
    this.#options.log({ kind: 'halted', reason: halt.reason, detail: halt.detail });
  }

  resume(): void {
    this.#halt = undefined;
    this.#guard.reset();
    this.#waiting.clear();
    this.#emptying.clear();
  }

  /** A path that changed, first hinted at `since`. Parents that are new must come before their children. */
  changed(path: ReplicaPath, since: number): void {
    this.lag.began(path, since);
    if (this.#session === undefined || this.#halt !== undefined) this.#waiting.add(path);
    else this.#lanes.add(path);
  }

  async #work(path: ReplicaPath): Promise<void> {
    const session = this.#session;
    if (session === undefined || this.#halt !== undefined) {
      this.#waiting.add(path);
      return;
    }
    await session.writable();
    const seen = this.#options.tree.observe(path);
    if (seen.kind === 'unstable') return this.#options.onUnstable(path);
    if (seen.kind === 'unsupported')
      return this.#trouble(path, 'unsupported-type', `a ${seen.type} is not replicated`);
    if (seen.kind === 'failed') return this.#trouble(path, seen.failure.reason, seen.failure.detail);
    await this.#bring(session, path, seen.entry);
  }

  async #bring(session: Session, path: ReplicaPath, put: Entry): Promise<void> {
    const expected = this.#expected.get(path);
    const expect = expected ?? this.#options.ledger.get(path) ?? absent;
    if (put.kind === 'absent' && expect.kind === 'directory' && this.#holdsMore(path)) {
      this.#emptying.add(path);
      return;
    }
    const plan = planPush(expect, put);
    if (plan.kind === 'nothing') {
      this.agreed(path, put);
      return this.#finish(path, { kind: 'already-there' });
    }
    const outcome = await pushEntry(session, this.#options.tree, { path, expect: plan.expect, put });
    this.#finish(path, outcome);
    this.#onOutcome(path, put, outcome);
  }

  /** Whether what is below the directory is still on its way to be removed: it goes first. */
  #holdsMore(path: ReplicaPath): boolean {
    return this.#options.ledger.below(path).some((below) => below !== path && this.isBusy(below));
  }

  #onOutcome(path: ReplicaPath, put: Entry, outcome: PushOutcome): void {
    switch (outcome.kind) {
      case 'applied':
      case 'already-there':
        return this.#onDurable(path, put, outcome.kind);
      case 'conflict':
        if (this.takeOwn(path, outcome.found)) return this.changed(path, this.#options.now());
        this.#expected.delete(path);
        this.lag.dropped(path);
        this.#troubles.forget(path);
        return this.#options.onConflict({
          path,
          kind: outcome.conflict,
          active: put,
          passive: outcome.found,
        });
      case 'lost':
        this.#unacked.lost(path, put);
        this.#waiting.add(path);
        return;
      case 'changed':
        return this.#options.onUnstable(path);
      case 'refused':
        return this.#onPathRefused(path, outcome);
    }
  }

  #onDurable(path: ReplicaPath, put: Entry, result: 'applied' | 'already-there'): void {
    const lagMs = this.lag.ended(path, this.#options.now());
    this.#expected.delete(path);
    this.#unacked.settle(path);
    this.agreed(path, put);
    this.#wakeNeighbours(path, put);
    this.#options.log({ kind: 'pushed', peer: this.peer, path, what: put.kind, result, lagMs });
  }

  /** What waited for this directory to be made, or for this path to be removed, need not wait longer. */
  #wakeNeighbours(path: ReplicaPath, put: Entry): void {
    const parent = parentOf(path);
    const emptier =
      put.kind === 'absent' &&
      (this.#emptying.delete(parent) || this.#troubles.get(parent)?.reason === 'not-empty');
    if (emptier) this.changed(parent, this.#options.now());
    if (put.kind !== 'directory') return;
    for (const waiting of this.#troubles.waitingFor(path)) this.changed(waiting, this.#options.now());
  }

  #onPathRefused(path: ReplicaPath, refusal: Extract<PushOutcome, { kind: 'refused' }>): void {
    const { reason, detail, epoch } = refusal;
    switch (retryOf[reason]) {
      case 'with-session':
        this.#waiting.add(path);
        return this.#options.onRefused(reason, detail, epoch);
      case 'soon': {
        const attempts = this.#troubles.get(path)?.attempts ?? 0;
        this.#trouble(path, reason, detail);
        return this.#options.onRetry(path, attempts);
      }
      case 'with-content':
      case 'at-reconcile':
        return this.#trouble(path, reason, detail);
    }
  }

  #trouble(path: ReplicaPath, reason: Reason, detail: string): void {
    const attempts = this.#troubles.note(path, reason, detail);
    this.lag.dropped(path);
    this.#finish(path, { kind: 'refused', reason, detail, epoch: 0 });
    // What passes by itself within a moment is nobody's concern.
    if (retryOf[reason] === 'soon' && attempts < worthTelling) return;
    this.#options.log({ kind: 'path-failed', peer: this.peer, path, reason, detail });
  }

  #finish(path: ReplicaPath, outcome: PushOutcome): void {
    const told = this.#pushedOnce.get(path);
    this.#pushedOnce.delete(path);
    told?.(outcome);
  }

  /** Acks of one turn of the event loop are remembered in one transaction. */
  #planCommit(): void {
    if (this.#commitPlanned) return;
    this.#commitPlanned = true;
    setImmediate(() => this.flushLedger());
  }

  flushLedger(): void {
    this.#commitPlanned = false;
    this.#options.ledger.commit();
  }
}
