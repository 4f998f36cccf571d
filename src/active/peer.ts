import { setTimeout as pause } from 'node:timers/promises';
import { pauseMs } from '../core/backoff.ts';
import type { Log } from '../core/event.ts';
import { Failure, type Reason } from '../core/failure.ts';
import type { Seat } from '../core/seat.ts';
import type { FoundConflict } from './agreement.ts';
import type { Link } from './link.ts';
import { type ReconcileReport, reconcileWithPeer } from './reconcile.ts';
import type { Replicator } from './replicator.ts';
import { Session } from './session.ts';
import type { Tree } from './tree.ts';

export type PeerOptions = {
  readonly node: string;
  readonly version: string;
  readonly seat: () => Seat;
  readonly watchlistsDigest: string;
  readonly replicator: Replicator;
  readonly tree: Tree;
  readonly connect: (signal: AbortSignal) => Promise<Link>;
  readonly log: Log;
  readonly now: () => number;
  /** 0 to 1, for the jitter of pauses. */
  readonly random: () => number;
  readonly onConflict: (conflict: FoundConflict) => void;
  readonly onRefused: (reason: Reason, detail: string, epoch: number) => void;
  /** How long an answer may take on a silent link, milliseconds. */
  readonly answerDeadlineMs: number;
};

/**
 *     offline --pause over--> connecting --welcome--> reconciling --done--> live
 *        ^                        |                        |                 |
 *        +-----refused, lost------+-----------lost---------+------lost-------+
 */
export type PeerState =
  | { readonly kind: 'offline'; readonly detail: string; readonly since: number }
  | { readonly kind: 'connecting' }
  | { readonly kind: 'reconciling' }
  | { readonly kind: 'live'; readonly since: number };

/** A peer that cannot be reached is asked again soon, one that refuses us seldom. */
const unreachablePauses = { firstMs: 100, maxMs: 2000 };
const refusedPauses = { firstMs: 1000, maxMs: 30_000 };

/** Keeps one session with one peer open, for ever, and reconciles whenever it comes back. */
export class Peer {
  readonly #options: PeerOptions;
  readonly #stopping = new AbortController();
  #state: PeerState = { kind: 'offline', detail: 'not connected yet', since: 0 };
  #session: Session | undefined;
  #reconciling: Promise<ReconcileReport | undefined> = Promise.resolve(undefined);
  #loop: Promise<void> = Promise.resolve();
  #changed: (() => void)[] = [];

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

  start(): void {
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#session?.close();
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

  /** One full reconcile after the other; undefined when there is no link, or it went away. */
  reconcile(
    why: string,
    options: { readonly allowDeletes: boolean } = { allowDeletes: false },
  ): Promise<ReconcileReport | undefined> {
    this.#reconciling = this.#reconciling.then(() => this.#reconcileNow(why, options.allowDeletes));
    return this.#reconciling;
  }

  async #reconcileNow(why: string, allowDeletes: boolean): Promise<ReconcileReport | undefined> {
    const session = this.#session;
    if (session === undefined || this.replicator.halt !== undefined) return undefined;
    const { tree, replicator, log, now, onConflict } = this.#options;
    return reconcileWithPeer({ session, tree, replicator, log, now, onConflict, why, allowDeletes });
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    for (let attempt = 0; !signal.aborted; ) {
      this.#enter({ kind: 'connecting' });
      this.#options.log({ kind: 'connecting', peer: this.name });
      const ended = await this.#connectOnce(signal);
      if (signal.aborted) break;
      if (ended.wasLive) attempt = 0;
      const pauses = ended.refused ? refusedPauses : unreachablePauses;
      const retryMs = Math.round(pauseMs(pauses, attempt, this.#options.random()));
      attempt += 1;
      this.#enter({ kind: 'offline', detail: ended.detail, since: this.#options.now() });
      this.#options.log({ kind: 'disconnected', peer: this.name, detail: ended.detail, retryMs });
      await this.#rest(retryMs);
    }
  }

  async #connectOnce(signal: AbortSignal): Promise<{ detail: string; refused: boolean; wasLive: boolean }> {
    let link: Link;
    try {
      link = await this.#options.connect(signal);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      return { detail: error.message, refused: error.code !== 'peer-unreachable', wasLive: false };
    }
    try {
      return await this.#useLink(link);
    } finally {
      this.#session = undefined;
      this.replicator.detach();
      link.close();
    }
  }

  async #useLink(link: Link): Promise<{ detail: string; refused: boolean; wasLive: boolean }> {
    const { node, version, seat, watchlistsDigest: watchlists, answerDeadlineMs } = this.#options;
    const { stream } = link;
    const opened = await Session.open({
      stream,
      purpose: 'replicate',
      node,
      version,
      seat: seat(),
      watchlists,
      answerDeadlineMs,
    });
    if (opened.kind === 'refused') {
      this.#options.log({ kind: 'refused', peer: this.name, reason: opened.reason, detail: opened.detail });
      this.#options.onRefused(opened.reason, opened.detail, opened.epoch);
      return {
        detail: `${this.name} refused: ${opened.detail}`,
        refused: opened.reason !== 'busy',
        wasLive: false,
      };
    }
    if (opened.kind === 'ended') {
      const complaint = link.complaint();
      return {
        detail: complaint === '' ? opened.detail : `${opened.detail}; ${this.name} said: ${complaint}`,
        refused: complaint !== '',
        wasLive: false,
      };
    }
    return this.#live(opened.session, opened.welcome);
  }

  async #live(
    session: Session,
    welcome: { version: string; epoch: number; watchlists: string },
  ): Promise<{ detail: string; refused: boolean; wasLive: boolean }> {
    const { log, watchlistsDigest, now, replicator } = this.#options;
    log({ kind: 'connected', peer: this.name, epoch: welcome.epoch, version: welcome.version });
    if (welcome.watchlists !== watchlistsDigest) log({ kind: 'watchlists-differ', peer: this.name });
    this.#session = session;
    replicator.attach(session);
    this.#enter({ kind: 'reconciling' });
    await this.reconcile('connect');
    if (session.open) this.#enter({ kind: 'live', since: now() });
    const end = await session.ended;
    return { detail: end.detail, refused: false, wasLive: true };
  }

  async #rest(ms: number): Promise<void> {
    const { signal } = this.#stopping;
    await pause(ms, undefined, { signal }).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }

  #enter(state: PeerState): void {
    this.#state = state;
    for (const tell of this.#changed.splice(0)) tell();
  }
}
