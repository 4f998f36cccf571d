import { absent, type Entry } from '../core/entry.ts';
import type { Move, MovedPath } from '../core/move.ts';
import { unpacked } from '../core/packed.ts';
import type { ReplicaPath } from '../core/path.ts';
import type { Halt } from '../core/safety.ts';
import { type AgreedEntries, Agreements, agreesOnNothing } from './agreement.ts';
import { Awaited, type OnOutcome } from './awaited.ts';
import { DeletionGuard } from './deletion-guard.ts';
import { Deliveries } from './deliveries.ts';
import { Emptying } from './emptying.ts';
import { Lag } from './lag.ts';
import { Moves } from './moves.ts';
import { onceATurn } from './once-a-turn.ts';
import { Outcomes } from './outcomes.ts';
import { Outgoing } from './outgoing.ts';
import { Planner } from './planner.ts';
import type { ReplicatorOptions } from './replicator-options.ts';
import type { Session } from './session.ts';
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
  readonly #deliveries: Deliveries;
  readonly #awaited = new Awaited();
  readonly agreements: Agreements;
  readonly #planner: Planner;
  readonly #guard: DeletionGuard;
  /** Directories that are gone and wait for what was below them to be sent first. */
  readonly #emptying = new Emptying((directory) => this.changed(directory, this.#options.now()));
  readonly #moves: Moves;
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
      onTrouble: (path, { reason, detail }) => void outcomes.trouble(path, reason, detail),
      onNothing: (path, entry) => {
        this.agreed(path, entry);
        this.#awaited.tell(path, { kind: 'already-there' });
      },
    });
    const onChanged = (path: ReplicaPath): void => this.changed(path, options.now());
    const outcomes = new Outcomes({
      ...options,
      lag: this.lag,
      troubles: this.#troubles,
      agreements: this.agreements,
      planner: this.#planner,
      awaited: this.#awaited,
      waiting: this.#waiting,
      willLook: (path) => this.willLook(path),
      onAgreed: (path, entry) => this.agreed(path, entry),
      onChanged,
    });
    this.#deliveries = new Deliveries({
      tree: options.tree,
      planner: this.#planner,
      awaited: this.#awaited,
      agreements: this.agreements,
      outcomes,
      onChanged,
      onProgress: options.onProgress,
    });
    this.#guard = new DeletionGuard(options.massDeletion);
    const { groupOf } = options;
    const session = (): Session | undefined => this.#session;
    this.#outgoing = new Outgoing({ groupOf, session, work: (paths, done) => this.#work(paths, done) });
    this.#moves = new Moves({
      ledger: options.ledger,
      includes: (path) => options.tree.watchlists.includes(path),
      isAtRest: (path) => groupOf(path) === undefined && !this.isBusy(path) && !this.isUnsettled(path),
      onMoved: (moved, since) => this.#onMoved(moved, since),
      onLost: (moved) => {
        const { unacked } = this.agreements;
        for (const { from, to, packed } of moved) {
          unacked.lost(from, absent);
          unacked.lost(to, unpacked(packed));
        }
      },
      onDeclined: (move, detail) =>
        options.log({ kind: 'move-declined', peer: options.peer, ...move, detail }),
      onOver: options.onLookAnew,
      shows: (path, packed) => options.tree.shows(path, packed),
    });
  }

  get halt(): Halt | undefined {
    return this.#halt;
  }

  /** Paths that changed and are not durable on the peer yet. */
  get pending(): number {
    return this.#outgoing.size + this.#waiting.size + this.#emptying.size + this.#moves.size;
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
    const isOnItsWay = this.#outgoing.has(path) || this.#waiting.has(path) || this.#emptying.has(path);
    return isOnItsWay || this.#moves.covers(path);
  }

  /** Whether the path will be looked at anyway before it is sent. */
  willLook(path: ReplicaPath): boolean {
    return this.#outgoing.isToBegin(path);
  }

  /** What of the path is on its way. */
  sending(path: ReplicaPath): Entry | undefined {
    return this.#deliveries.sending(path);
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

  /** Whether something is on its way, or about to be. */
  get busy(): boolean {
    return this.#moves.size + this.#outgoing.size > 0;
  }

  /** Resolves when nothing is on its way and nothing is about to be. */
  async idle(): Promise<void> {
    while (this.busy) {
      await this.#moves.idle();
      await this.#outgoing.idle();
    }
  }

  /** A directory was renamed here. Whether the peer is asked to do the same; if not, each path goes by itself. */
  move(move: Move, since: number): boolean {
    const session = this.#session;
    if (session === undefined || this.#halt !== undefined || !this.#maySend()) return false;
    const isBegun = this.#moves.begin(session, move, since);
    if (isBegun) this.#options.onProgress();
    return isBegun;
  }

  #onMoved(moved: readonly MovedPath[], since: number): void {
    const [top] = moved;
    if (top === undefined) return;
    this.agreements.move(moved);
    this.lag.began(top.to, since);
    const lagMs = this.lag.ended(top.to, this.#options.now());
    const { from, to } = top;
    this.#options.log({ kind: 'moved', peer: this.peer, from, to, paths: moved.length, lagMs });
    this.#options.onProgress();
  }

  /** Paths that are gone for good, children before parents; `held` seem to be as well. The guard may halt instead. */
  deleted(
    all: readonly ReplicaPath[],
    since: number,
    options: { readonly allow?: boolean; readonly held?: ReadonlySet<ReplicaPath> } = {},
  ): void {
    const paths = all.filter((path) => !this.#moves.defers(path));
    if (paths.length === 0) return;
    if (options.allow !== true) {
      const { held } = options;
      const now = this.#options.now();
      const isLost = (path: ReplicaPath): boolean => this.#isLost(path);
      const halt = this.#guard.note(paths.filter(isLost), this.ledger.size, now, held, isLost);
      if (halt !== undefined) this.stop(halt);
    }
    for (const path of paths) this.changed(path, since);
  }

  /** Whether the peer has it, and is not about to give it another name. */
  #isLost(path: ReplicaPath): boolean {
    return !agreesOnNothing(this.ledger, path) && !this.#moves.covers(path);
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

  /** Tells what becomes of a path that is on its way, where an answer comes. */
  hear(path: ReplicaPath, onOutcome: OnOutcome): void {
    this.#awaited.hear(path, onOutcome);
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
    if (this.#session === undefined || this.#halt !== undefined) return void this.#waiting.add(path);
    if (this.#moves.defers(path)) return;
    this.#emptying.expect(path);
    this.#outgoing.add(path);
  }

  #work(paths: readonly ReplicaPath[], done: () => void): void {
    const session = this.#session;
    for (const path of paths) this.#emptying.taken(path);
    if (session !== undefined && this.#halt === undefined && this.#maySend())
      return this.#deliveries.begin(session, paths, done);
    for (const path of paths) this.#waiting.add(path);
    this.#awaited.lose();
    done();
  }
}
