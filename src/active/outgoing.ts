import type { ReplicaPath } from '../core/path.ts';
import { Departures, type DeparturesOptions } from './departures.ts';
import { Gathering } from './gathering.ts';
import { Lanes } from './lanes.ts';

/** Pushes that are on their way at once. Small files: what counts is that the pipe never runs dry. */
const pushesInFlight = 4096;
/** How long a group of files rests before it is sent, and how long that is waited for at most, milliseconds. */
const groupRest = { restMs: 200, maxWaitMs: 2000 };

export type OutgoingOptions = {
  /** The files that are placed together with this one, itself among them; undefined where it stands alone. */
  readonly groupOf: (path: ReplicaPath) => readonly ReplicaPath[] | undefined;
  /** What it is sent over. */
  readonly session: DeparturesOptions['session'];
  /** Looks at these paths and sends what there is to send, together or not at all; calls `done` once. */
  readonly work: (paths: readonly ReplicaPath[], done: () => void) => void;
};

/** What is to be sent: single paths at once, the files of a group in one lane and when they rest. */
export class Outgoing {
  readonly #options: OutgoingOptions;
  readonly #gathering: Gathering;
  readonly #lanes: Lanes;

  constructor(options: OutgoingOptions) {
    this.#options = options;
    this.#gathering = new Gathering({ ...groupRest, onReady: (lane) => this.#lanes.add(lane) });
    const departures = new Departures({
      session: options.session,
      send: ({ lane, done }) => options.work(options.groupOf(lane) ?? [lane], done),
    });
    const work = (lane: ReplicaPath, done: () => void): void => departures.add({ lane, done });
    this.#lanes = new Lanes({ concurrency: pushesInFlight, work });
  }

  get size(): number {
    return this.#lanes.size + this.#gathering.size;
  }

  add(path: ReplicaPath): void {
    if (this.#options.groupOf(path) === undefined) this.#lanes.add(path);
    else this.#gathering.add(this.#laneOf(path));
  }

  has(path: ReplicaPath): boolean {
    const lane = this.#laneOf(path);
    return this.#lanes.has(lane) || this.#gathering.has(lane);
  }

  /** Whether work on the path is still to begin, be it once more. */
  isToBegin(path: ReplicaPath): boolean {
    const lane = this.#laneOf(path);
    return this.#gathering.has(lane) || this.#lanes.isToBegin(lane);
  }

  /** Resolves when nothing waits and nothing is worked on. */
  async idle(): Promise<void> {
    while (this.size > 0) {
      await this.#gathering.idle();
      await this.#lanes.idle();
    }
  }

  /** Groups that rest are not sent. */
  clear(): void {
    this.#gathering.clear();
  }

  /** The files of a group share one lane. */
  #laneOf(path: ReplicaPath): ReplicaPath {
    return this.#options.groupOf(path)?.[0] ?? path;
  }
}
