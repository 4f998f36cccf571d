import type { ReplicaPath } from '../core/path.ts';
import { type Halt, isMassDeletion, type MassDeletionLimit } from '../core/safety.ts';

/** Deletions within this time count together. */
const windowMs = 60_000;

const nothing: ReadonlySet<ReplicaPath> = new Set();

/** Counts deletions, so that a disaster that trickles is seen as one. Time is an argument, milliseconds. */
export class DeletionGuard {
  readonly #limit: MassDeletionLimit;
  readonly #recent = new Map<ReplicaPath, number>();

  constructor(limit: MassDeletionLimit) {
    this.#limit = limit;
  }

  /**
   * Notes these deletions, with `known` agreed paths in all. A halt when they are too many together with
   * `held`, paths that were seen to be absent and whose deletion is not believed yet; `counts` tells which of them count.
   */
  note(
    paths: readonly ReplicaPath[],
    known: number,
    now: number,
    held: ReadonlySet<ReplicaPath> = nothing,
    counts: (path: ReplicaPath) => boolean = () => true,
  ): Halt | undefined {
    for (const [path, at] of this.#recent) if (at <= now - windowMs) this.#recent.delete(path);
    for (const path of paths) this.#recent.set(path, now);
    // By far the most times there are too few in any case.
    if (!isMassDeletion(this.#recent.size + held.size, known, this.#limit)) return undefined;
    const count = this.#recent.size + [...held].filter(counts).length;
    if (!isMassDeletion(count, known, this.#limit)) return undefined;
    const detail = `${count} of ${known} replicated paths are gone from this node, ${paths.at(-1)} among them`;
    return { reason: 'mass-deletion', detail, since: now };
  }

  reset(): void {
    this.#recent.clear();
  }
}
