import PQueue from 'p-queue';
import type { ReplicaPath } from '../core/path.ts';

export type LanesOptions = {
  /** How many paths are worked on at once. */
  readonly concurrency: number;
  /** Brings one path up to date. Must not reject: a rejection is a bug, and ends the process. */
  readonly work: (path: ReplicaPath) => Promise<void>;
};

/**
 * One lane a path: never two steps of a path at once, and the newest wins. A path that is added while it
 * waits waits once; one that is added while it is worked on is worked on again afterwards.
 */
export class Lanes {
  readonly #queue: PQueue;
  readonly #options: LanesOptions;
  readonly #lanes = new Map<ReplicaPath, 'waiting' | 'working' | 'again'>();

  constructor(options: LanesOptions) {
    this.#options = options;
    this.#queue = new PQueue({ concurrency: options.concurrency });
  }

  /** Paths that wait or are worked on. */
  get size(): number {
    return this.#lanes.size;
  }

  has(path: ReplicaPath): boolean {
    return this.#lanes.has(path);
  }

  /** Whether work on the path is still to begin, be it once more. */
  isToBegin(path: ReplicaPath): boolean {
    const state = this.#lanes.get(path);
    return state === 'waiting' || state === 'again';
  }

  add(path: ReplicaPath): void {
    const state = this.#lanes.get(path);
    if (state === 'working') this.#lanes.set(path, 'again');
    if (state !== undefined) return;
    this.#enqueue(path);
  }

  /** Resolves when nothing waits and nothing is worked on. */
  async idle(): Promise<void> {
    while (this.#lanes.size > 0) await this.#queue.onIdle();
  }

  #enqueue(path: ReplicaPath): void {
    this.#lanes.set(path, 'waiting');
    void this.#queue.add(() => this.#work(path));
  }

  async #work(path: ReplicaPath): Promise<void> {
    this.#lanes.set(path, 'working');
    await this.#options.work(path);
    if (this.#lanes.get(path) === 'again') this.#enqueue(path);
    else this.#lanes.delete(path);
  }
}
