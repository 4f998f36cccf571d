import type { ReplicaPath } from '../core/path.ts';
import type { Session } from './session.ts';

/** A lane whose turn it is, and whom to tell that it is over. */
export type Departure = { readonly lane: ReplicaPath; readonly done: () => void };

export type DeparturesOptions = {
  readonly session: () => Pick<Session, 'congested' | 'writable'> | undefined;
  /** Looks at the paths of the lane, and sends what there is to send. */
  readonly send: (departure: Departure) => void;
};

/**
 * What begins in one turn of the event loop leaves when all of it is known, in that order, as fast as the link takes it: what
 * waits stays on disk and not in memory.
 */
export class Departures {
  readonly #options: DeparturesOptions;
  #waiting: Departure[] = [];
  #leaving = false;

  constructor(options: DeparturesOptions) {
    this.#options = options;
  }

  add(departure: Departure): void {
    this.#waiting.push(departure);
    if (this.#leaving) return;
    this.#leaving = true;
    queueMicrotask(() => void this.#sendAll());
  }

  /** Also what is added meanwhile. */
  async #sendAll(): Promise<void> {
    const { session, send } = this.#options;
    while (this.#waiting.length > 0) {
      const now = this.#waiting;
      this.#waiting = [];
      for (const departure of now) {
        const link = session();
        if (link?.congested === true) await link.writable();
        send(departure);
      }
    }
    this.#leaving = false;
  }
}
