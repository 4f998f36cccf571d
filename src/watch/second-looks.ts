import { ancestorsOf, type ReplicaPath } from '../core/path.ts';

type Batch = { readonly openUntil: number; readonly trees: Set<ReplicaPath>; readonly timer: NodeJS.Timeout };

/**
 * Asks for further looks at directories that were not watched before they were looked at. Files may be created in one after
 * the look and before its watch was armed; nobody tells of those, so it is looked at again. Trees that come close together are
 * asked for together and only by their top, so that copying a deep tree does not scan it once a level.
 */
export class SecondLooks {
  readonly #delaysMs: readonly number[];
  readonly #look: (tree: ReplicaPath) => void;
  readonly #open = new Map<number, Batch>();
  readonly #timers = new Set<NodeJS.Timeout>();

  /** `delaysMs`: at least so long after `add`, and at most half as long again, come the looks. */
  constructor(delaysMs: readonly number[], look: (tree: ReplicaPath) => void) {
    this.#delaysMs = delaysMs;
    this.#look = look;
  }

  add(tree: ReplicaPath): void {
    for (const delayMs of this.#delaysMs) this.#batch(delayMs).trees.add(tree);
  }

  /** No look is asked for afterwards. */
  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#open.clear();
  }

  #batch(delayMs: number): Batch {
    const now = performance.now();
    const open = this.#open.get(delayMs);
    if (open !== undefined && now <= open.openUntil) return open;

    const trees = new Set<ReplicaPath>();
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      for (const tree of topmost(trees)) this.#look(tree);
    }, delayMs * 1.25).unref();
    this.#timers.add(timer);
    const batch: Batch = { openUntil: now + delayMs / 4, trees, timer };
    this.#open.set(delayMs, batch);
    return batch;
  }
}

/** Those trees that lie in no other of them. */
export function topmost(trees: ReadonlySet<ReplicaPath>): ReplicaPath[] {
  if (trees.has('/' as ReplicaPath)) return ['/' as ReplicaPath];
  return [...trees].filter((tree) => !ancestorsOf(tree).some((ancestor) => trees.has(ancestor)));
}
