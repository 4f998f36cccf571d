import type { ReplicaPath } from '../core/path.ts';

/** How far a peer is behind. Times are milliseconds since 1970. */
export class Lag {
  readonly #since = new Map<ReplicaPath, number>();
  #lastAckAt: number | undefined;
  #lastMs: number | undefined;

  /** When the last change became durable on the peer. */
  get lastAckAt(): number | undefined {
    return this.#lastAckAt;
  }

  /** How old the oldest change is that the peer lacks; if it lacks none, how long the last one took. */
  ms(now: number): number | undefined {
    let oldest: number | undefined;
    for (const since of this.#since.values()) oldest = Math.min(oldest ?? since, since);
    return oldest === undefined ? this.#lastMs : now - oldest;
  }

  /** The path was first seen to have changed at `since`. */
  began(path: ReplicaPath, since: number): void {
    if (!this.#since.has(path)) this.#since.set(path, since);
  }

  /** The path is durable on the peer; returns how long that took. */
  ended(path: ReplicaPath, now: number): number {
    this.#lastAckAt = now;
    this.#lastMs = Math.max(0, now - (this.#since.get(path) ?? now));
    this.#since.delete(path);
    return this.#lastMs;
  }

  /** Nobody waits for this path any more. */
  dropped(path: ReplicaPath): void {
    this.#since.delete(path);
  }
}
