import { pauseMs } from '../core/backoff.ts';
import { canaryPath, isCanary } from '../core/canary.ts';
import { DirtyPaths } from '../core/dirty.ts';
import type { PathFailure } from '../core/failure.ts';
import type { Move } from '../core/move.ts';
import type { ReplicaPath } from '../core/path.ts';
import { isDirectory, type Observation, troubleOf } from '../files/observation.ts';
import type { Hint } from '../watch/hint.ts';
import type { WatchProblem } from '../watch/watcher.ts';
import { agreesOnNothing } from './agreement.ts';
import { Deletions } from './deletions.ts';
import { Announcer } from './early-blocks.ts';
import type { EngineOptions } from './engine-options.ts';
import type { Peer } from './peer.ts';
import { Pressure } from './pressure.ts';
import { followRenamed, goneAgain } from './renamed.ts';
import { Walking } from './walking.ts';

/** Looks at this many paths before the event loop gets its turn. */
const looksPerTurn = 200;
const retryPauses = { firstMs: 100, maxMs: 30_000, certain: 1 };

/**
 * The active node's centre: hints become looks, looks become work for each peer. Decides nothing about
 * the peers' trees and does nothing to any disk.
 */
export class Engine {
  readonly #options: EngineOptions;
  readonly #dirty: DirtyPaths;
  #peers: readonly Peer[] = [];
  readonly #troubles = new Map<ReplicaPath, PathFailure>();
  readonly #deletions = new Deletions();
  #timer: NodeJS.Timeout | undefined;
  #turn: NodeJS.Immediate | undefined;
  readonly #walking: Walking;
  readonly #pressure = new Pressure({ peers: () => this.#peers, onRelief: () => this.#planLooks() });
  #interval: NodeJS.Timeout | undefined;
  #degraded: WatchProblem | undefined;
  #stopped = false;
  #quiet: (() => void)[] = [];
  readonly #announcer: Announcer;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#dirty = new DirtyPaths({ deleteHoldMs: options.deleteHoldMs, maxWaitMs: options.maxWaitMs });
    const { tree } = options;
    this.#announcer = new Announcer({ tree, peers: () => this.#peers, onAnnounced: () => this.#lookSoon() });
    this.#walking = new Walking({
      tree,
      peers: () => this.#peers,
      onNews: (path) => this.#hintPath(path, 'rename'),
      onMissing: (path) => {
        // While its deletion is held that is no news: the look at the end of the hold comes anyway.
        if (!this.#deletions.has(path)) this.#hintPath(path, 'rename');
      },
      onUnstable: (path) => this.unstable(path),
      onTrouble: (path, seen) => this.#note(path, seen),
      onDone: () => this.#tellQuiet(),
    });
  }

  get peers(): readonly Peer[] {
    return this.#peers;
  }

  get troubles(): ReadonlyMap<ReplicaPath, PathFailure> {
    return this.#troubles;
  }

  /** Paths that were hinted at and not looked at to the end yet. Nobody waits for a canary. */
  get dirty(): number {
    return this.#dirty.size - (this.#dirty.has(canaryPath) ? 1 : 0);
  }

  /** Whether something was hinted at and not looked at to the end, or is walked over. */
  get busy(): boolean {
    return this.dirty > 0 || this.#walking.underWay;
  }

  get degraded(): WatchProblem | undefined {
    return this.#degraded;
  }

  /** Names the peers that work goes to. */
  serve(peers: readonly Peer[]): void {
    this.#peers = peers;
  }

  /** Connects to the peers and keeps them reconciled. */
  start(): void {
    for (const peer of this.#peers) peer.start();
    this.#planReconcile();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of [this.#timer, this.#interval]) clearTimeout(timer);
    clearImmediate(this.#turn);
    await Promise.all(this.#peers.map((peer) => peer.stop()));
    await this.#walking.stop();
  }

  /** What the watcher has to say. */
  hint(hint: Hint): void {
    switch (hint.kind) {
      case 'path':
        return this.#hintPath(hint.path, hint.change);
      case 'tree':
        // All that was below it is looked at with it, and once more when the hold ends.
        return this.#isStillGone(hint.path) ? undefined : this.walk(hint.path);
      case 'everything':
        this.#options.log({ kind: 'overflow-suspected', events: this.#dirty.size });
        return this.walk('/' as ReplicaPath);
    }
  }

  problem(problem: WatchProblem): void {
    this.#degraded = problem;
    this.#options.log({ kind: 'watch-failed', detail: problem.detail, hint: problem.hint });
    this.#planReconcile();
  }

  /** Looks at a path again because its content was still moving. */
  unstable(path: ReplicaPath): void {
    this.#wait(path, this.#options.now());
    this.#planLooks();
  }

  retry(path: ReplicaPath, attempt: number): void {
    this.#dirty.retry(path, this.#options.now(), pauseMs(retryPauses, attempt, 0));
    this.#planLooks();
  }

  /** What was left alone while a directory was renamed on a peer: deletions among it are held, and guarded, like any other. */
  lookAnew(move: Move, paths: readonly ReplicaPath[]): void {
    for (const path of paths) this.#hintPath(path, 'rename');
    for (const name of [move.from, move.to]) this.walk(name);
  }

  /** Walks everything at or below a path and looks at whatever differs from a ledger. */
  walk(from: ReplicaPath): void {
    this.#walking.walk(from);
  }

  /** Resolves when all hints were looked at and all walks are over. */
  async quiet(): Promise<void> {
    while (this.busy) {
      await new Promise<void>((resolve) => this.#quiet.push(resolve));
    }
  }

  #hintPath(path: ReplicaPath, change: 'rename' | 'write'): void {
    if (!isCanary(path) && !this.#options.tree.watchlists.includes(path)) return;
    this.#dirty.hint(path, change, this.#options.now());
    this.#planLooks();
  }

  #planLooks(): void {
    // It plans the next ones itself.
    if (this.#turn !== undefined) return;
    const at = this.#dirty.nextAt();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (at === undefined || this.#stopped) return;
    const wait = at - this.#options.now();
    if (wait <= 0) this.#lookSoon();
    else this.#timer = setTimeout(() => this.#lookSoon(), wait);
  }

  /** After the events that wait to be read: what they tell of may end a hold. */
  #lookSoon(): void {
    if (!this.#stopped) this.#turn ??= setImmediate(() => this.#lookNow());
  }

  #lookNow(): void {
    this.#turn = undefined;
    // A canary goes past all that waits, or it would seem that nobody noticed it.
    if (this.#pressure.isHigh()) return this.#dirty.has(canaryPath) ? this.#carryCanary() : undefined;
    const now = this.#options.now();
    const present = new Map<ReplicaPath, number>();
    const directories: ReplicaPath[] = [];
    for (let looks = 0; looks < looksPerTurn; ) {
      const due = this.#announcer.announce(this.#dirty.takeDue(now, looksPerTurn));
      if (due.length === 0) break;
      looks += due.length;
      this.#options.tree.lookToSend(due, (path, seen) => {
        const since = this.#dirty.sinceOf(path) ?? now;
        const what = this.#sort(path, seen, now);
        if (what === 'gone') this.#deletions.believe(path, since);
        if (what !== 'present') return;
        present.set(path, since);
        if (isDirectory(seen)) directories.push(path);
      });
    }
    const seen = { come: directories, gone: this.#deletions.held, since: now };
    followRenamed(seen, this.#peers, this.#options.tree);
    for (const path of goneAgain(directories, present.keys(), this.#options.tree)) {
      present.delete(path);
      this.#hintPath(path, 'rename');
    }
    for (const { replicator } of this.#peers)
      for (const [path, since] of present) if (!isCanary(path)) replicator.changed(path, since);
    if (present.has(canaryPath)) this.#carryCanary();
    if ((this.#dirty.nextAt() ?? Number.POSITIVE_INFINITY) > now) this.#deletions.tell(this.#peers);
    this.#planLooks();
    this.#tellQuiet();
  }

  #carryCanary(): void {
    for (const peer of this.#peers) void this.#options.canaries.carry(peer);
  }

  /** What a look means for the schedule, and whether it is work for the peers. */
  #sort(path: ReplicaPath, seen: Observation, now: number): 'present' | 'gone' | 'nothing' {
    this.#deletions.release(path);
    if (seen.kind === 'unstable') {
      this.#wait(path, now);
      return 'nothing';
    }
    if (seen.kind !== 'entry') {
      this.#dirty.settled(path);
      this.#note(path, seen);
      return 'nothing';
    }
    this.#troubles.delete(path);
    if (seen.entry.kind !== 'directory') this.#hintBelow(path, now);
    if (seen.entry.kind !== 'absent') {
      this.#dirty.settled(path);
      return 'present';
    }
    if (!this.#isKnown(path)) {
      this.#dirty.settled(path);
      for (const { replicator } of this.#peers) replicator.forgetTrouble(path);
      return 'nothing';
    }
    if (!this.#dirty.gone(path, now)) {
      this.#deletions.hold(path);
      return 'nothing';
    }
    this.#dirty.settled(path);
    return 'gone';
  }

  /** Whether nothing is there, and its deletion is about to be looked at, held or about to be told. */
  #isStillGone(path: ReplicaPath): boolean {
    let gone = false;
    if (!this.#dirty.has(path) && !this.#deletions.isToBeTold(path)) return false;
    this.#options.tree.look([path], (_, seen) => {
      gone = seen.kind === 'entry' && seen.entry.kind === 'absent';
    });
    return gone;
  }

  /** A file that is never closed is sent all the same once the maximum wait is over, as it is between two writes. */
  #wait(path: ReplicaPath, now: number): void {
    if (this.#dirty.unstable(path, now) === 'overdue') this.#options.tree.tolerateWriter(path);
  }

  /** What was below a directory that is none any more is gone with it. */
  #hintBelow(path: ReplicaPath, now: number): void {
    for (const { replicator } of this.#peers) {
      for (const below of replicator.ledger.below(path)) {
        const isKnown = below === path || this.#dirty.has(below) || this.#deletions.isToBeTold(below);
        if (!isKnown && !replicator.isRemoving(below)) this.#dirty.hint(below, 'rename', now);
      }
    }
  }

  #isKnown(path: ReplicaPath): boolean {
    return this.#peers.some(
      ({ replicator: its }) =>
        !agreesOnNothing(its.ledger, path) || its.isBusy(path) || its.isUnsettled(path),
    );
  }

  #note(path: ReplicaPath, seen: Exclude<Observation, { kind: 'entry' | 'unstable' }>): void {
    if (isCanary(path)) return;
    const trouble = troubleOf(seen);
    const known = this.#troubles.get(path);
    this.#troubles.set(path, trouble);
    if (known?.detail !== trouble.detail) this.#options.log({ kind: 'path-failed', path, ...trouble });
  }

  /** The reconcile that nothing depends on and everything may rely on. */
  #planReconcile(): void {
    clearTimeout(this.#interval);
    if (this.#stopped) return;
    const { reconcileMs, degradedWalkMs } = this.#options;
    const period = this.#degraded === undefined ? reconcileMs : Math.min(reconcileMs, degradedWalkMs);
    // Peers do not wait for each other: a slow one delays nobody's next reconcile but its own.
    this.#interval = setTimeout(() => {
      const why = this.#degraded === undefined ? 'interval' : 'not everything can be watched';
      for (const peer of this.#peers)
        if (!peer.reconciling) void peer.reconcile(why).then(() => this.#options.onIdle());
      this.#planReconcile();
    }, period);
  }

  #tellQuiet(): void {
    if (this.busy) return;
    for (const tell of this.#quiet.splice(0)) tell();
  }
}
