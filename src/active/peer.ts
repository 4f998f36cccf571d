import { type Backoff, pauseMs } from '../core/backoff.ts';
import { Failure, type Reason } from '../core/failure.ts';
import type { ReplicaPath } from '../core/path.ts';
import type { Link } from './link.ts';
import { NoAnswer } from './no-answer.ts';
import type { PeerOptions } from './peer-options.ts';
import { type ReconcileReport, reconcileWithPeer } from './reconcile.ts';
import type { Replicator } from './replicator.ts';
import { Session } from './session.ts';

/**
 *     offline --pause over--> connecting --welcome--> reconciling --done--> live
 *        ^                        |                        |                 |
 *        +-----refused, lost------+-----------lost---------+------lost-------+
 *
 * `suspend` leads from each of them to suspended, `unsuspend` from there to connecting.
 */
export type PeerState =
  | { readonly kind: 'suspended'; readonly detail: string; readonly since: number }
  | { readonly kind: 'offline'; readonly detail: string; readonly since: number }
  | { readonly kind: 'connecting' }
  | { readonly kind: 'reconciling' }
  | { readonly kind: 'live'; readonly since: number };

/**
 * A peer that cannot be reached is asked again soon, one that refuses us seldom. With the time that a session takes to begin,
 * a change is durable within two seconds of the peer's return, at less than 60 attempts a minute.
 */
const unreachablePauses = { firstMs: 100, maxMs: 1400, certain: 0.8 };
/** Whoever did not answer was asked for a while already. */
const silentPauses = { firstMs: 100, maxMs: 200 };
const refusedPauses = { firstMs: 1000, maxMs: 30_000 };
/** A peer whose switch is off, or that is about to change its seat, will take us soon. */
const waitingPauses = { firstMs: 500, maxMs: 2000 };
const soonOver: readonly Reason[] = ['ha-disabled', 'peer-is-active', 'busy'];
/** What the peer is told of its own standing is gathered for this long, milliseconds. */
const standingMs = 300;

type Ended = {
  readonly detail: string;
  readonly refused: Reason | 'no' | 'silent' | 'rejected';
  readonly wasLive: boolean;
};

/** Keeps one session with one peer open, for ever, and reconciles whenever it comes back. */
export class Peer {
  readonly #options: PeerOptions;
  readonly #stopping = new AbortController();
  #state: PeerState = { kind: 'offline', detail: 'not connected yet', since: 0 };
  #session: Session | undefined;
  #reconciling: Promise<ReconcileReport | undefined> = Promise.resolve(undefined);
  #loop: Promise<void> = Promise.resolve();
  #changed: (() => void)[] = [];
  #reconciles = 0;
  #suspended: string | undefined;
  #skewMs: number | undefined;
  #watchlistsAgree: boolean | undefined;
  #lastReport: ReconcileReport | undefined;
  #telling: NodeJS.Timeout | undefined;

  constructor(options: PeerOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.replicator.peer;
  }

  get replicator(): Replicator {
    return this.#options.replicator;
  }

  get state(): PeerState {
    return this.#state;
  }

  get session(): Session | undefined {
    return this.#session;
  }

  /** The peer's clock minus ours, milliseconds; undefined before the first session. */
  get skewMs(): number | undefined {
    return this.#skewMs;
  }

  /** Whether both nodes replicate the same paths; undefined before the first session. */
  get watchlistsAgree(): boolean | undefined {
    return this.#watchlistsAgree;
  }

  /** The last full reconcile that came to its end. */
  get lastReport(): ReconcileReport | undefined {
    return this.#lastReport;
  }

  /** Closes the session and opens none until `unsuspend`. What is on its way may still be placed or refused. */
  suspend(detail: string): void {
    if (this.#suspended === detail) return;
    this.#suspended = detail;
    this.#session?.close();
    this.#enter({ kind: 'suspended', detail, since: this.#options.now() });
  }

  unsuspend(): void {
    if (this.#suspended === undefined) return;
    this.#suspended = undefined;
    this.#enter({ kind: 'connecting' });
  }

  /** Connects now instead of after the pause, as when the peer said that it is ready. */
  wake(): void {
    if (this.#state.kind === 'offline') this.#enter({ kind: 'connecting' });
  }

  /** Ends the session: the peer refuses what comes over it. The next one begins when it does not any more. */
  reopen(detail: string): void {
    this.#session?.destroy(detail);
  }

  start(): void {
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    clearTimeout(this.#telling);
    this.#session?.close();
    this.#enter(this.#state);
    await this.#loop;
  }

  /** Resolves when the state has changed, or the signal fired. */
  stateChange(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      this.#changed.push(resolve);
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  /** Whether a full reconcile is under way or about to be. */
  get reconciling(): boolean {
    return this.#reconciles > 0;
  }

  /** One full reconcile after the other; undefined when there is no link, or it went away. */
  reconcile(
    why: string,
    options: { readonly allowDeletes: boolean } = { allowDeletes: false },
  ): Promise<ReconcileReport | undefined> {
    this.#reconciles += 1;
    this.#reconciling = this.#reconciling.then(() => this.#reconcileNow(why, options.allowDeletes));
    void this.#reconciling.finally(() => {
      this.#reconciles -= 1;
    });
    return this.#reconciling;
  }

  async #reconcileNow(why: string, allowDeletes: boolean): Promise<ReconcileReport | undefined> {
    const session = this.#session;
    if (session === undefined || this.replicator.halt !== undefined) return undefined;
    const { tree, replicator, log, now, inConflict } = this.#options;
    const report = await reconcileWithPeer({
      session,
      tree,
      replicator,
      log,
      now,
      inConflict,
      why,
      allowDeletes,
    });
    if (report !== undefined) this.#lastReport = report;
    this.progress();
    return report;
  }

  /** What the peer lacks may have changed: it is told soon. */
  progress(): void {
    // Before the first reconcile of a session nobody knows how far behind the peer is.
    if (this.#state.kind !== 'live' || this.#telling !== undefined) return;
    this.#telling = setTimeout(() => {
      this.#telling = undefined;
      this.#tellStanding();
    }, standingMs);
    this.#telling.unref();
  }

  #tellStanding(): void {
    const { pending, troubles, halt } = this.replicator;
    const held = [...troubles]
      .slice(0, 20)
      .map(([path, { reason }]): [ReplicaPath, Reason] => [path, reason]);
    const conflicts = this.#options.inConflict().length;
    this.#session?.tell({ pending, held, conflicts, halt: halt?.detail.slice(0, 4000) ?? null });
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    for (let attempt = 0; !signal.aborted; ) {
      while (this.#suspended !== undefined && !signal.aborted) await this.stateChange(signal);
      if (signal.aborted) break;
      this.#enter({ kind: 'connecting' });
      this.#options.log({ kind: 'connecting', peer: this.name });
      const ended = await this.#connectOnce(signal);
      if (signal.aborted) break;
      if (ended.wasLive) attempt = 0;
      if (this.#suspended !== undefined) continue;
      const retryMs = Math.round(pauseMs(pausesAfter(ended), attempt, this.#options.random()));
      attempt += 1;
      this.#enter({ kind: 'offline', detail: ended.detail, since: this.#options.now() });
      this.#options.log({ kind: 'disconnected', peer: this.name, detail: ended.detail, retryMs });
      await this.#rest(retryMs);
    }
  }

  async #connectOnce(signal: AbortSignal): Promise<Ended> {
    let link: Link;
    try {
      link = await this.#options.connect(signal);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      const isUnreachable = error.code === 'peer-unreachable';
      const refused = error.cause instanceof NoAnswer ? 'silent' : isUnreachable ? 'no' : 'rejected';
      return { detail: error.message, refused, wasLive: false };
    }
    try {
      return await this.#useLink(link, signal);
    } finally {
      this.#session = undefined;
      this.replicator.detach();
      link.close();
    }
  }

  async #useLink(link: Link, signal: AbortSignal): Promise<Ended> {
    const { node, version, seat, watchlistsDigest: watchlists, answerDeadlineMs } = this.#options;
    const { stream, isSlow } = link;
    // Who stops meanwhile has no session yet that he could close.
    const giveUp = (): void => void stream.destroy();
    signal.addEventListener('abort', giveUp, { once: true });
    if (signal.aborted) giveUp();
    const opened = await Session.open({
      ...{ stream, isSlow },
      purpose: 'replicate',
      node,
      version,
      seat,
      watchlists,
      answerDeadlineMs,
      onEdited: (paths) => this.#onEdited(paths),
    });
    signal.removeEventListener('abort', giveUp);
    if (opened.kind === 'refused') {
      this.#options.log({ kind: 'refused', peer: this.name, reason: opened.reason, detail: opened.detail });
      this.#options.onRefused(opened.reason, opened.detail, opened.epoch);
      return {
        detail: `${this.name} refused: ${opened.detail}`,
        refused: opened.reason,
        wasLive: false,
      };
    }
    if (opened.kind === 'ended') {
      const complaint = link.complaint();
      return {
        detail: complaint === '' ? opened.detail : `${opened.detail}; ${this.name} said: ${complaint}`,
        refused: complaint === '' ? 'no' : 'rejected',
        wasLive: false,
      };
    }
    this.#skewMs = opened.skewMs;
    return this.#live(opened.session, opened.welcome);
  }

  async #live(
    session: Session,
    welcome: { version: string; epoch: number; watchlists: string },
  ): Promise<Ended> {
    const { log, watchlistsDigest, now, replicator } = this.#options;
    if (this.#suspended !== undefined || this.#stopping.signal.aborted) {
      session.close();
      return { detail: this.#suspended ?? 'stopped', refused: 'no', wasLive: false };
    }
    log({ kind: 'connected', peer: this.name, epoch: welcome.epoch, version: welcome.version });
    this.#watchlistsAgree = welcome.watchlists === watchlistsDigest;
    if (!this.#watchlistsAgree) log({ kind: 'watchlists-differ', peer: this.name });
    this.#session = session;
    replicator.attach(session);
    this.#enter({ kind: 'reconciling' });
    await this.reconcile('connect');
    if (session.open) this.#enter({ kind: 'live', since: now() });
    if (session.open) this.#options.onLive?.();
    this.progress();
    const end = await session.ended;
    return { detail: end.detail, refused: 'no', wasLive: true };
  }

  /** Somebody changed these on the peer: offering them lets its admit tell both nodes what that means. */
  #onEdited(paths: readonly ReplicaPath[]): void {
    for (const path of paths) if (this.#options.tree.watchlists.includes(path)) this.replicator.offer(path);
  }

  /** Waits until the time is over, or somebody changes the state. */
  async #rest(ms: number): Promise<void> {
    const over = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(ms)]);
    await this.stateChange(over);
  }

  #enter(state: PeerState): void {
    this.#state = state;
    for (const tell of this.#changed.splice(0)) tell();
  }
}

function pausesAfter({ refused }: Ended): Backoff {
  if (refused === 'no') return unreachablePauses;
  if (refused === 'silent') return silentPauses;
  return refused !== 'rejected' && soonOver.includes(refused) ? waitingPauses : refusedPauses;
}
