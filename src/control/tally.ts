import type { Event, Log } from '../core/event.ts';

/** Upper bounds, seconds: from what one change takes to where somebody should have been told. */
const bounds: readonly number[] = [
  0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300,
];

/** How often something was counted, by the values of its labels. */
export type Counted = readonly {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}[];

/** Durations of one sort. `buckets`: how many took at most so long, each holding those before it. Seconds. */
export type Durations = {
  readonly labels: Readonly<Record<string, string>>;
  readonly buckets: readonly (readonly [atMost: number, count: number])[];
  readonly count: number;
  readonly sum: number;
};

/** Something that is counted by labels, of which there are few. */
class Counter<Label extends string> {
  readonly #values = new Map<string, { readonly labels: Record<Label, string>; value: number }>();

  add(labels: Record<Label, string>): void {
    const key = Object.values(labels).join('\0');
    const known = this.#values.get(key);
    if (known === undefined) this.#values.set(key, { labels, value: 1 });
    else known.value += 1;
  }

  told(): Counted {
    return [...this.#values.values()].map(({ labels, value }) => ({ labels, value }));
  }
}

/** Durations by peer. */
class Spread {
  readonly #peers = new Map<string, { readonly counts: number[]; count: number; sum: number }>();

  add(peer: string, ms: number): void {
    const seconds = Math.max(0, ms) / 1000;
    const known = this.#peers.get(peer) ?? { counts: bounds.map(() => 0), count: 0, sum: 0 };
    this.#peers.set(peer, known);
    known.count += 1;
    known.sum += seconds;
    const at = bounds.findIndex((bound) => seconds <= bound);
    if (at >= 0) known.counts[at] = (known.counts[at] ?? 0) + 1;
  }

  told(): Durations[] {
    return [...this.#peers].map(([peer, { counts, count, sum }]) => {
      let below = 0;
      const buckets = bounds.map((bound, at): [number, number] => {
        below += counts[at] ?? 0;
        return [bound, below];
      });
      return { labels: { peer }, buckets, count, sum };
    });
  }
}

/** What was counted since the daemon started. */
export type Tallied = {
  readonly events: Counted;
  readonly pushes: Counted;
  readonly pathFailures: Counted;
  readonly refusals: Counted;
  readonly conflicts: Counted;
  readonly hookFailures: Counted;
  readonly disconnects: Counted;
  readonly pushDurations: readonly Durations[];
  readonly reconcileDurations: readonly Durations[];
  readonly canaryDurations: readonly Durations[];
};

/**
 * Stands before a log and counts what goes by: a few numbers, which become metrics when somebody asks for them.
 */
export class Tally {
  readonly log: Log;
  readonly #events = new Counter<'event'>();
  readonly #pushes = new Counter<'peer' | 'result'>();
  readonly #pathFailures = new Counter<'peer' | 'reason'>();
  readonly #refusals = new Counter<'peer' | 'reason'>();
  readonly #conflicts = new Counter<'peer' | 'kind'>();
  readonly #hookFailures = new Counter<'peer'>();
  readonly #disconnects = new Counter<'peer'>();
  readonly #pushDurations = new Spread();
  readonly #reconcileDurations = new Spread();
  readonly #canaryDurations = new Spread();

  constructor(log: Log) {
    this.log = (event) => {
      this.#count(event);
      log(event);
    };
  }

  /** A canary became durable on a peer, so long after it was written. That is no event: nobody wants a line for each. */
  canary(peer: string, latencyMs: number): void {
    this.#canaryDurations.add(peer, latencyMs);
  }

  told(): Tallied {
    return {
      events: this.#events.told(),
      pushes: this.#pushes.told(),
      pathFailures: this.#pathFailures.told(),
      refusals: this.#refusals.told(),
      conflicts: this.#conflicts.told(),
      hookFailures: this.#hookFailures.told(),
      disconnects: this.#disconnects.told(),
      pushDurations: this.#pushDurations.told(),
      reconcileDurations: this.#reconcileDurations.told(),
      canaryDurations: this.#canaryDurations.told(),
    };
  }

  #count(event: Event): void {
    this.#events.add({ event: event.kind });
    switch (event.kind) {
      case 'pushed':
        this.#pushes.add({ peer: event.peer, result: event.result });
        return this.#pushDurations.add(event.peer, event.lagMs);
      case 'moved':
        if (event.peer === undefined) return;
        this.#pushes.add({ peer: event.peer, result: event.kind });
        return this.#pushDurations.add(event.peer, event.lagMs ?? 0);
      case 'path-failed':
        return this.#pathFailures.add({ peer: event.peer ?? '', reason: event.reason });
      case 'refused':
        return this.#refusals.add({ peer: event.peer, reason: event.reason });
      case 'conflict':
        return this.#conflicts.add({ peer: event.peer, kind: event.conflict });
      case 'hook-failed':
        return this.#hookFailures.add({ peer: event.peer ?? '' });
      case 'disconnected':
        return this.#disconnects.add({ peer: event.peer });
      case 'reconciled':
        return this.#reconcileDurations.add(event.peer, event.durationMs);
      default:
        return;
    }
  }
}
