import type { Event, Log } from '../../core/event.ts';
import { type LogLevel, sentenceOf } from '../../log/sentences.ts';

/** Seconds of the past that are remembered. */
const rememberedSeconds = 60;
/** Events that are remembered. */
const rememberedEvents = 20;

/** One second: how many changes became durable on a peer, and the longest that one of them took, milliseconds. */
export type Second = { readonly pushed: number; readonly lagMs: number };

export type Told = {
  /** The last minute, the oldest first; the last one is not over yet. */
  readonly seconds: readonly Second[];
  /** The oldest first; `at`: milliseconds since 1970. `text` is not escaped. */
  readonly events: readonly {
    readonly at: number;
    readonly level: LogLevel;
    readonly kind: string;
    readonly text: string;
  }[];
};

/** Stands before a log and remembers a little of what went by, for those who watch. */
export class Tap {
  readonly log: Log;
  readonly #now: () => number;
  readonly #seconds = new Map<number, { pushed: number; lagMs: number }>();
  readonly #events: { at: number; event: Event }[] = [];

  /** `now`: milliseconds since 1970. */
  constructor(log: Log, now: () => number = Date.now) {
    this.#now = now;
    this.log = (event) => {
      this.#remember(event);
      log(event);
    };
  }

  told(): Told {
    const current = this.#second();
    return {
      seconds: Array.from({ length: rememberedSeconds }, (_, at) => {
        const found = this.#seconds.get(current - rememberedSeconds + 1 + at);
        return { pushed: found?.pushed ?? 0, lagMs: found?.lagMs ?? 0 };
      }),
      // What reads well is made only when somebody looks.
      events: this.#events.map(({ at, event }) => ({ at, kind: event.kind, ...sentenceOf(event) })),
    };
  }

  #remember(event: Event): void {
    // It says nothing that the state of the peer does not say.
    if (event.kind === 'connecting') return;
    this.#events.push({ at: this.#now(), event });
    if (this.#events.length > rememberedEvents) this.#events.shift();
    if (event.kind !== 'pushed') return;
    const second = this.#second();
    const known = this.#seconds.get(second);
    if (known === undefined) {
      for (const old of this.#seconds.keys())
        if (old <= second - rememberedSeconds) this.#seconds.delete(old);
      this.#seconds.set(second, { pushed: 1, lagMs: event.lagMs });
      return;
    }
    known.pushed += 1;
    known.lagMs = Math.max(known.lagMs, event.lagMs);
  }

  #second(): number {
    return Math.floor(this.#now() / 1000);
  }
}
