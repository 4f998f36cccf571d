import type { ReplicaPath } from '../core/path.ts';

export type GatheringOptions = {
  /** How long a group rests before it is sent, milliseconds. */
  readonly restMs: number;
  /** How long a group that does not rest is waited for, milliseconds. */
  readonly maxWaitMs: number;
  readonly onReady: (key: ReplicaPath) => void;
};

/**
 * Holds groups of files for a moment after each change of one of them: programs write them one after the
 * other, and what is placed together should be sent together. A group is named by one of its paths.
 */
export class Gathering {
  readonly #options: GatheringOptions;
  readonly #held = new Map<ReplicaPath, { timer: NodeJS.Timeout; readonly until: number }>();
  #idle: (() => void)[] = [];

  constructor(options: GatheringOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#held.size;
  }

  has(key: ReplicaPath): boolean {
    return this.#held.has(key);
  }

  /** Something of the group changed. */
  add(key: ReplicaPath): void {
    const { restMs, maxWaitMs } = this.#options;
    const now = performance.now();
    const known = this.#held.get(key);
    clearTimeout(known?.timer);
    const until = known?.until ?? now + maxWaitMs;
    const timer = setTimeout(() => this.#release(key), Math.max(0, Math.min(restMs, until - now)));
    this.#held.set(key, { timer, until });
  }

  /** Resolves when nothing is held. */
  async idle(): Promise<void> {
    while (this.#held.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** Drops everything that is held. */
  clear(): void {
    for (const { timer } of this.#held.values()) clearTimeout(timer);
    this.#held.clear();
    this.#tellIdle();
  }

  #release(key: ReplicaPath): void {
    this.#held.delete(key);
    this.#options.onReady(key);
    this.#tellIdle();
  }

  #tellIdle(): void {
    if (this.#held.size > 0) return;
    for (const tell of this.#idle.splice(0)) tell();
  }
}
