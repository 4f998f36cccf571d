import type { ReplicaPath } from '../core/path.ts';
import type { Peer } from './peer.ts';

/** What was seen to be absent: held for a while, and then told. */
export class Deletions {
  /** Believed deletions with the time of their first hint, waiting to be told together. */
  readonly #gone = new Map<ReplicaPath, number>();
  /** Paths that were seen to be absent and whose deletion is held. */
  readonly #held = new Set<ReplicaPath>();

  get held(): ReadonlySet<ReplicaPath> {
    return this.#held;
  }

  /** Whether its deletion is held, or about to be told. */
  has(path: ReplicaPath): boolean {
    return this.#held.has(path) || this.#gone.has(path);
  }

  isToBeTold(path: ReplicaPath): boolean {
    return this.#gone.has(path);
  }

  hold(path: ReplicaPath): void {
    this.#held.add(path);
  }

  /** It is looked at anew. */
  release(path: ReplicaPath): void {
    this.#held.delete(path);
  }

  believe(path: ReplicaPath, since: number): void {
    this.#gone.set(path, since);
  }

  /**
   * Deletions are told together, when nothing more is due: children before their parents, and so that the
   * guard against mass deletion sees a removed tree as a whole.
   */
  tell(peers: readonly Peer[]): void {
    if (this.#gone.size === 0) return;
    const childrenFirst = [...this.#gone.keys()].sort().reverse();
    let since = Number.POSITIVE_INFINITY;
    for (const at of this.#gone.values()) since = Math.min(since, at);
    this.#gone.clear();
    for (const { replicator } of peers) replicator.deleted(childrenFirst, since, { held: this.#held });
  }
}
