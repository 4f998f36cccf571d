import PQueue from 'p-queue';
import type { ReplicaPath } from '../core/path.ts';

export type LanesOptions = {
  /** How many paths are worked on at once. */
  readonly concurrency: number;
  /** Brings one path up to date and calls `done`, once, at whatever time. */
  readonly work: (path: ReplicaPath, done: () => void) => void;
};

/**
 * One lane a path: never two steps of a path at once, and the newest wins. A path that is added while it
 * waits waits once; one that is added while it is worked on is worked on again afterwards.
 *
 * What need not wait begins without the queue, which costs more for each path than the rest of its way to the socket, and
 * without a promise: thousands are on their way at once, and each promise would be one more thing for the collector to move.
 */
export class Lanes {
  readonly #queue: PQueue;
  readonly #options: LanesOptions;
  readonly #lanes = new Map<ReplicaPath, 'waiting' | 'working' | 'again'>();
  /** How many began without the queue and are not over. */
  #direct = 0;
  #idle: (() => void)[] = [];

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
    while (this.#lanes.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #enqueue(path: ReplicaPath): void {
    const { concurrency } = this.#options;
    // The queue keeps room for one, which it cannot do without.
    const hasRoom = this.#direct < concurrency - 1 && this.#direct + this.#queue.pending < concurrency;
    if (hasRoom && this.#queue.size === 0) return this.#workDirectly(path);
    this.#lanes.set(path, 'waiting');
    this.#queue.concurrency = concurrency - this.#direct;
    void this.#queue.add(() => new Promise<void>((done) => this.#work(path, done)));
  }

  #workDirectly(path: ReplicaPath): void {
    this.#direct += 1;
    this.#work(path, () => {
      this.#direct -= 1;
      if (this.#queue.size > 0) this.#queue.concurrency = this.#options.concurrency - this.#direct;
    });
  }

  /** `onOver`: called before the next step of the path begins. */
  #work(path: ReplicaPath, onOver: () => void): void {
    this.#lanes.set(path, 'working');
    this.#options.work(path, () => {
      onOver();
      if (this.#lanes.get(path) === 'again') return this.#enqueue(path);
      this.#lanes.delete(path);
      if (this.#lanes.size > 0) return;
      for (const tell of this.#idle.splice(0)) tell();
    });
  }
}
