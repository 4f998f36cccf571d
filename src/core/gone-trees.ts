import { parentOf, type ReplicaPath } from './path.ts';

export type GoneTreesOptions = {
  /** How long a deletion is held otherwise, milliseconds. */
  readonly holdMs: number;
  /** How long no further name may have disappeared before trees that are gone are believed, milliseconds. */
  readonly quietMs: number;
};

/**
 * Which held deletions need not be held to the end: those of whole trees. Nobody saves a file back into a directory that
 * is not there. Until no further name has disappeared for `quietMs` they are held all the same, so that a removal is seen
 * as a whole; and what goes on disappearing within the hold after that was said once is held in full, since what has
 * paused may pause again. Knows no clock.
 */
export class GoneTrees {
  readonly #options: GoneTreesOptions;
  readonly #held = new Set<ReplicaPath>();
  /** How many held paths lie right in a directory, held itself or not. */
  readonly #children = new Map<ReplicaPath, number>();
  /** Held directories with something held in them. */
  #trees = 0;
  /** When the last name disappeared. */
  #lastGoneAt = Number.NEGATIVE_INFINITY;
  /** Trees were believed since names began to disappear. */
  #told = false;

  constructor(options: GoneTreesOptions) {
    this.#options = options;
  }

  /** The deletion of this path, which was told of at `goneAt`, is held from now on. */
  add(path: ReplicaPath, goneAt: number): void {
    if (goneAt - this.#lastGoneAt >= this.#options.holdMs) this.#told = false;
    this.#lastGoneAt = Math.max(this.#lastGoneAt, goneAt);
    if (this.#held.has(path)) return;
    this.#held.add(path);
    if (this.#children.has(path)) this.#trees += 1;
    const parent = parentOf(path);
    if (parent === path) return;
    const before = this.#children.get(parent) ?? 0;
    this.#children.set(parent, before + 1);
    if (before === 0 && this.#held.has(parent)) this.#trees += 1;
  }

  /** It is not held any more. */
  delete(path: ReplicaPath): void {
    if (!this.#held.delete(path)) return;
    if (this.#children.has(path)) this.#trees -= 1;
    const parent = parentOf(path);
    if (parent === path) return;
    const left = (this.#children.get(parent) ?? 0) - 1;
    if (left > 0) this.#children.set(parent, left);
    else {
      this.#children.delete(parent);
      if (this.#held.has(parent)) this.#trees -= 1;
    }
  }

  /** When whole trees may be believed to be gone, should nothing else disappear; undefined while there are none. */
  believedAt(): number | undefined {
    return this.#trees === 0 || this.#told ? undefined : this.#lastGoneAt + this.#options.quietMs;
  }

  /** Ends the hold of whole trees, if it is time: answers all paths of them. */
  believe(now: number): ReplicaPath[] {
    const at = this.believedAt();
    if (at === undefined || now < at) return [];
    const whole = [...this.#held].filter(
      (path) => this.#children.has(path) || this.#held.has(parentOf(path)),
    );
    for (const path of whole) this.delete(path);
    this.#told = true;
    return whole;
  }
}
