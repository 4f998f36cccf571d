import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Canaries } from '../../active/canary.ts';
import type { Peer } from '../../active/peer.ts';
import { type Beats, canaryFolder, missedOne, type SilenceCause, silenceOf } from '../../core/canary.ts';
import type { FileEntry } from '../../core/entry.ts';
import type { Log } from '../../core/event.ts';
import { makeRoom, writeCanary } from '../../files/canary.ts';
import { Directories } from '../../files/confined.ts';

/** One that is sent before its time comes no sooner after the last one: the silence of a peer is counted in them. Milliseconds. */
const leastMs = 10_000;
/** A folder that was just made is watched within this time, milliseconds. */
const roomMs = 2000;
/** Everything is looked at no more often while the watcher is silent, milliseconds. */
const walkMs = 10_000;
/** Those that may still be acknowledged. */
const rememberedBeats = 8;

export type CanaryOptions = {
  readonly root: string;
  readonly intervalMs: number;
  readonly log: Log;
  /** The peers of this node while it is active and may send, and what carries canaries to them. */
  readonly active: () => { readonly peers: readonly Peer[]; readonly canaries: Canaries } | undefined;
  /** Looks at everything, since the watcher may be dead. */
  readonly lookAtAll: () => void;
  /** A canary took so long, milliseconds. */
  readonly onLatency: (peer: string, latencyMs: number) => void;
};

/** What is told of the canaries of one peer; `lastAt`: milliseconds since 1970. */
export type CanaryTold = {
  readonly peer: string;
  readonly latencyMs: number | null;
  readonly lastAt: number | null;
  /** For how long none arrived although the peer is connected; null: all is well. */
  readonly silentMs: number | null;
  /** Why none arrives, where none does, and what the peer says where it refuses them. */
  readonly cause: SilenceCause | null;
  readonly detail: string | null;
};

type Known = { beats: Beats | undefined; latencyMs?: number; lastAt?: number; silent: boolean };

/**
 * Writes the canary of an active node at an interval, and says when it is not acknowledged although it should be.
 * Nothing else would tell of a watcher that is dead, since what it does not see looks as if nothing happened.
 */
export class Canary {
  readonly #options: CanaryOptions;
  readonly #peers = new Map<string, Known>();
  /** When each of the last ones was written, by its mtime. */
  readonly #written = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  /** When one was last written, or should have been. */
  #writtenAt = Number.NEGATIVE_INFINITY;
  /** When the next one is due. */
  #nextAt = Number.POSITIVE_INFINITY;
  #count = 0;
  #failure: string | undefined;
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(options: CanaryOptions) {
    this.#options = options;
  }

  start(): void {
    // A peer may be in sync already.
    if (this.#timer === undefined) this.#plan(this.#options.intervalMs);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /**
   * Makes the folder where it is missing, before anything is watched, so that the first one is noticed. If that fails, the
   * first one will say so. What is there already is left to it too: to open directories loads koffi, before READY=1.
   */
  makeRoom(): void {
    if (existsSync(join(this.#options.root, canaryFolder))) return;
    using directories = new Directories(this.#options.root);
    makeRoom(directories);
  }

  /**
   * A peer is in sync, and nobody knows yet whether changes get there: one is sent now. After a start it also is what runs
   * the code of all of the way for the first time, in three processes, while nobody waits for it.
   */
  soon(): void {
    const now = performance.now();
    const at = Math.max(now, this.#writtenAt + leastMs);
    if (at < this.#nextAt) this.#plan(at - now);
  }

  /** The peer has made the canary durable that has this entry. */
  heard(peer: string, put: FileEntry): void {
    const known = this.#of(peer);
    const writtenAt = this.#written.get(put.mtime);
    const latencyMs = writtenAt === undefined ? undefined : performance.now() - writtenAt;
    known.beats = undefined;
    known.lastAt = Date.now();
    if (latencyMs !== undefined) {
      known.latencyMs = latencyMs;
      this.#options.onLatency(peer, latencyMs);
    }
    if (!known.silent) return;
    known.silent = false;
    this.#options.log({ kind: 'canary-heard', peer, latencyMs: latencyMs ?? 0 });
  }

  /** How it is with the peers that there are now. */
  told(): {
    readonly intervalMs: number;
    /** Why none can be written on this node; null: it can, or none has to be. */
    readonly failure: string | null;
    readonly peers: readonly CanaryTold[];
  } {
    const now = performance.now();
    const active = this.#options.active();
    const peers = active?.peers ?? [];
    return {
      intervalMs: this.#options.intervalMs,
      failure: active === undefined ? null : (this.#failure ?? null),
      peers: peers.map((peer) => {
        const { beats, latencyMs, lastAt } = this.#of(peer.name);
        const silence = beats !== undefined && this.#isExpected(peer) ? silenceOf(beats, now) : undefined;
        const why = silence === undefined ? undefined : active?.canaries.causeOf(peer);
        return {
          peer: peer.name,
          latencyMs: latencyMs ?? null,
          lastAt: lastAt ?? null,
          silentMs: silence ?? null,
          cause: why?.cause ?? null,
          detail: why?.detail ?? null,
        };
      }),
    };
  }

  #plan(ms: number): void {
    clearTimeout(this.#timer);
    if (this.#stopped) return;
    this.#nextAt = performance.now() + ms;
    this.#timer = setTimeout(() => this.#beat(), ms).unref();
  }

  #beat(): void {
    const { intervalMs, lookAtAll } = this.#options;
    const now = performance.now();
    const peers = this.#options.active()?.peers ?? [];
    const expecting = peers.filter((peer) => this.#isExpected(peer));
    for (const [name, known] of this.#peers) {
      if (expecting.some((peer) => peer.name === name)) continue;
      known.beats = undefined;
      known.silent = false;
    }
    const causes = expecting.map((peer) => this.#judge(peer, now));
    // What the watcher does not see is found all the same, only later.
    if (causes.includes('unnoticed') && now - this.#lookedAt >= walkMs) {
      this.#lookedAt = now;
      lookAtAll();
    }
    const madeRoom = expecting.length > 0 && this.#write(expecting, now) === 'made-room';
    this.#plan(madeRoom ? Math.min(intervalMs, roomMs) : intervalMs);
  }

  #isExpected(peer: Peer): boolean {
    return this.#options.active()?.canaries.expectedBy(peer) ?? false;
  }

  /** Why none arrives at the peer any more; undefined where they do. Says so once. */
  #judge(peer: Peer, now: number): SilenceCause | undefined {
    const known = this.#of(peer.name);
    const silentMs = known.beats && silenceOf(known.beats, now);
    const why = this.#options.active()?.canaries.causeOf(peer);
    if (silentMs === undefined || why === undefined) return undefined;
    if (!known.silent) this.#options.log({ kind: 'canary-silent', peer: peer.name, silentMs, ...why });
    known.silent = true;
    return why.cause;
  }

  #write(expecting: readonly Peer[], now: number): 'written' | 'made-room' | 'failed' {
    this.#writtenAt = now;
    this.#count += 1;
    const written = writeCanary(this.#options.root, `${this.#count} ${new Date().toISOString()}\n`);
    if (written.kind === 'failed') {
      const { detail } = written.failure;
      if (this.#failure !== detail) this.#options.log({ kind: 'canary-failed', detail });
      this.#failure = detail;
      return written.kind;
    }
    this.#failure = undefined;
    if (written.kind === 'made-room') return written.kind;
    this.#written.set(written.mtime, now);
    const [oldest] = this.#written.keys();
    if (this.#written.size > rememberedBeats && oldest !== undefined) this.#written.delete(oldest);
    for (const { name } of expecting) {
      const known = this.#of(name);
      known.beats = missedOne(known.beats, now);
    }
    return written.kind;
  }

  #of(peer: string): Known {
    const known = this.#peers.get(peer) ?? { beats: undefined, silent: false };
    this.#peers.set(peer, known);
    return known;
  }
}
