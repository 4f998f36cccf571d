import type { FileEntry } from '../../core/entry.ts';
import { Failure } from '../../core/failure.ts';
import type { ReplicaPath } from '../../core/path.ts';
import type { Seat } from '../../core/seat.ts';
import { followAddress } from '../../ha/follow-address.ts';
import { passed } from '../../log/trace.ts';
import type { NodeListener } from '../../passive/node.ts';
import type { Hint } from '../../watch/hint.ts';
import { openWatcher, type Watcher, type WatchProblem } from '../../watch/watcher.ts';
import type { Node } from '../node.ts';
import type { ActiveSide } from './active-side.ts';
import { Canary } from './canary.ts';
import type { PassiveSide } from './passive-side.ts';

type Sides = typeof import('./sides.ts');

/** Between two attempts to follow the floating address when a promotion was refused, milliseconds. */
const followAgainMs = 5000;
const pruneMs = 3_600_000;
const dayMs = 86_400_000;

/**
 * The running node. Watches on both nodes; the seat decides what is done about it:
 *
 *     passive --promote--> active
 *        ^                   |
 *        +--demote, a newer epoch, …
 *
 * Seat and switch are read from the state, which other processes write too; `follow` catches up with it.
 */
export class Daemon {
  readonly #node: Node;
  /** Why the start failed; undefined once it is over. */
  readonly #start = Promise.withResolvers<{ readonly error: unknown } | undefined>();
  /** Undefined where the configuration wants none. */
  readonly canary: Canary | undefined;
  #active: ActiveSide | undefined;
  #passive: PassiveSide | undefined;
  readonly #listeners = new Set<NodeListener>();
  #watcher: Watcher | undefined;
  #following: Promise<void> = Promise.resolve();
  #expiry: NodeJS.Timeout | undefined;
  #pruning: NodeJS.Timeout | undefined;
  #address: Disposable | undefined;
  #followingAddress: NodeJS.Timeout | undefined;
  /** Whether the floating address is on this node; undefined before that has settled. */
  #addressHere: boolean | undefined;
  #suspended: string | undefined;
  #watchProblem: WatchProblem | undefined;
  #stopped = false;

  /** `onCanary` hears how long each canary took, milliseconds. */
  constructor(node: Node, onCanary: (peer: string, latencyMs: number) => void = () => undefined) {
    this.#node = node;
    const { root, canaryMs: intervalMs } = node.config;
    if (intervalMs === undefined) return;
    this.canary = new Canary({
      root,
      intervalMs,
      log: node.log,
      active: () => (this.#suspended === undefined ? this.#active?.node : undefined),
      lookAtAll: () => this.#active?.node.engine.walk('/' as ReplicaPath),
      onLatency: onCanary,
    });
  }

  get active(): ActiveSide | undefined {
    return this.#active;
  }

  get passive(): PassiveSide | undefined {
    return this.#passive;
  }

  get watcher(): Watcher | undefined {
    return this.#watcher;
  }

  /** Starts what the seat asks for, when the watches are set: `onWatching` hears of that. */
  async start(onWatching: () => void = () => undefined): Promise<void> {
    const { config, log, watchlists } = this.#node;
    const seat = this.#node.seat();
    log({ kind: 'started', node: config.node, role: seat.role, epoch: seat.epoch });
    this.#node.onPackagesReleased(() => void this.follow());
    if (seat.role === 'active') this.canary?.makeRoom();
    this.#watcher = openWatcher({
      root: config.root,
      watchlists,
      canary: this.canary !== undefined,
      onHint: (hint) => this.#hint(hint),
      onProblem: (problem) => this.#problem(problem),
      onPlacing: () => this.#passive?.placing(),
    });
    try {
      await this.#watcher.ready;
      log({ kind: 'watching', directories: this.#watcher.directories(), paths: this.#node.cache.size });
      onWatching();
      await this.follow();
      this.#start.resolve(undefined);
    } catch (error) {
      this.#start.resolve({ error });
      throw error;
    }
    (await this.#sides()).warnOfMissing(this.#node);
    this.#prune();
    this.#followAddress();
    this.canary?.start();
  }

  /** Resolves once the seat is taken that the node had at the start; rejects with why it cannot be. */
  async begun(): Promise<void> {
    const failed = await this.#start.promise;
    if (failed !== undefined) throw failed.error;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.canary?.stop();
    clearTimeout(this.#expiry);
    clearTimeout(this.#pruning);
    clearTimeout(this.#followingAddress);
    this.#address?.[Symbol.dispose]();
    await this.#following;
    await this.#watcher?.close();
    await this.#active?.stop();
    await this.#passive?.stop();
    this.#node.cache.commit();
    this.#node.log({ kind: 'stopped' });
  }

  /** Does what the seat and the switch say now. Resolves when it is done. Changes that come together are one. */
  follow(): Promise<void> {
    this.#following = this.#following.then(() => (this.#stopped ? undefined : this.#followNow()));
    return this.#following;
  }

  /** Another node is active with our epoch: nobody sends anything until a person decides. */
  splitBrain(peer: string): void {
    const detail = `${peer} is active with the same epoch as this node: two nodes were promoted apart`;
    this.#active?.halt({ reason: 'split-brain', detail, since: Date.now() });
  }

  /** Sends what there is, then gives up the seat. Answers whether this node was active. */
  async demote(epoch: number | undefined): Promise<boolean> {
    await this.#active?.drain();
    this.#node.log({ kind: 'step', what: 'demote', step: 'drained' });
    const wasActive = (await this.#sides()).giveUpSeat(this.#node, epoch);
    await this.follow();
    return wasActive;
  }

  /** Whether a receiver listens: the active has a session open. */
  get hasListeners(): boolean {
    return this.#listeners.size > 0;
  }

  /** Hears of what happens on this node, whatever seats it has meanwhile, until it is disposed of. */
  listen(listener: NodeListener): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  #sides(): Promise<Sides> {
    return import('./sides.ts');
  }

  requireActive(): ActiveSide {
    if (this.#active !== undefined) return this.#active;
    throw new Failure({
      code: 'not-active',
      exit: 'refused',
      message: `${this.#node.config.node} is passive: it sends nothing`,
      hint: 'run it on the active node; see `bm-confsync status`',
    });
  }

  async #followNow(): Promise<void> {
    const seat = this.#node.seat();
    if (this.#active !== undefined && (seat.role === 'passive' || this.#active.epoch !== seat.epoch)) {
      const leaving = this.#active;
      this.#active = undefined;
      await leaving.stop();
      if (seat.role === 'passive')
        this.#node.log({ kind: 'passive', node: this.#node.config.node, epoch: seat.epoch });
    }
    const followed = this.#node.facts.get('active')?.value;
    if (this.#passive !== undefined && (seat.role === 'active' || this.#passive.active !== followed)) {
      const leaving = this.#passive;
      this.#passive = undefined;
      await leaving.stop();
    }
    if (seat.role === 'active') await this.#beActive(seat);
    else if (this.#passive === undefined) {
      const { becomePassive } = await this.#sides();
      this.#passive = becomePassive(this.#node, (paths) => {
        for (const listener of this.#listeners) listener.onEdited(paths);
      });
      if (this.#watchProblem !== undefined) this.#passive.problem(this.#watchProblem);
      this.#passive.start();
    }
    this.#followSwitch();
    this.#takeBackLater();
    for (const listener of this.#listeners) listener.onChanged();
  }

  async #beActive(seat: Seat): Promise<void> {
    if (this.#active !== undefined) return;
    const { becomeActive } = await this.#sides();
    this.#active = await becomeActive(this.#node, seat, {
      onRefused: (peer, reason, epoch) => this.#onRefused(peer, reason, epoch),
      onDisabled: () => void this.follow(),
      onCanary: (peer: string, put: FileEntry) => this.canary?.heard(peer, put),
      onLive: () => this.canary?.soon(),
    });
    this.#node.log({ kind: 'active', node: this.#node.config.node, epoch: seat.epoch });
    this.#followSwitch();
    if (this.#watchProblem !== undefined) this.#active.problem(this.#watchProblem);
    this.#active.start();
  }

  #followSwitch(): void {
    clearTimeout(this.#expiry);
    const ha = this.#node.haSwitch();
    if (ha.state === 'enabled') {
      this.#suspended = undefined;
      return this.#active?.unsuspend();
    }
    const detail = `HA is disabled: ${ha.reason}`;
    if (this.#suspended !== detail) this.#node.log({ kind: 'suspended', detail });
    this.#suspended = detail;
    this.#active?.suspend(detail);
    if (ha.until === undefined) return;
    this.#expiry = setTimeout(() => void this.follow(), Math.min(ha.until - Date.now() + 1, dayMs));
    this.#expiry.unref();
  }

  #hint(hint: Hint): void {
    if (hint.kind === 'path') passed('event', hint.path);
    this.#active?.hint(hint);
    this.#passive?.hint(hint);
  }

  #problem(problem: WatchProblem): void {
    this.#watchProblem = problem;
    this.#active?.problem(problem);
    this.#passive?.problem(problem);
  }

  /** A peer that knows a newer epoch is right: this node steps down, and says so. */
  #onRefused(peer: string, reason: string, epoch: number): void {
    if (reason === 'split-brain') return this.splitBrain(peer);
    if (reason === 'ha-disabled') return void this.follow();
    if (reason !== 'stale-epoch' || this.#node.seats.yieldTo(epoch) === undefined) return;
    this.#node.log({ kind: 'stepped-down', peer, epoch });
    void this.follow();
  }

  /** Drops what the configuration does not want to be kept, now and every hour. */
  #prune(): void {
    const { config, versions, log } = this.#node;
    const { count, days, totalSizeBytes } = config.versions;
    const pruned = versions.prune({ count, maxAgeMs: days * dayMs, totalBytes: totalSizeBytes }, Date.now());
    if (pruned.versions > 0) log({ kind: 'pruned', versions: pruned.versions, bytes: pruned.bytes });
    this.#pruning = setTimeout(() => this.#prune(), pruneMs);
    this.#pruning.unref();
  }

  #followAddress(): void {
    const { role } = this.#node.config;
    if (role.source !== 'vip') return;
    this.#address = followAddress({
      address: role.address,
      holdMs: role.holdMs,
      onSettled: (present) => {
        this.#addressHere = present;
        void this.#seatFollows({ fenced: role.fenced, onlyIfFree: false });
      },
    });
  }

  async #seatFollows(how: { readonly fenced: boolean; readonly onlyIfFree: boolean }): Promise<void> {
    clearTimeout(this.#followingAddress);
    const present = this.#addressHere;
    if (this.#stopped || present === (this.#node.seat().role === 'active')) return;
    const { promoteNode } = await this.#sides();
    try {
      if (present === true) await promoteNode(this.#node, { ...how, follow: () => this.follow() });
      else await this.demote(undefined);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      this.#node.log({ kind: 'seat-refused', detail: error.message });
      this.#seatFollowsLater(how);
    }
  }

  #seatFollowsLater(how: { readonly fenced: boolean; readonly onlyIfFree: boolean }): void {
    clearTimeout(this.#followingAddress);
    this.#followingAddress = setTimeout(() => void this.#seatFollows(how), followAgainMs);
    this.#followingAddress.unref();
  }

  /** The seat went to another node although the address is here: it comes back as soon as nobody has it. */
  #takeBackLater(): void {
    const { role } = this.#node.config;
    if (role.source === 'vip' && this.#addressHere === true && this.#node.seat().role === 'passive')
      this.#seatFollowsLater({ fenced: role.fenced, onlyIfFree: true });
  }
}
