import { parentOf, type ReplicaPath } from './path.ts';

/**
 * Which directories lead to something in a set of paths that somebody else keeps. Each change of that set is told here
 * right after it is made; one costs the number of directories that begin or cease to lead anywhere, and one more.
 */
export class Branches {
  readonly #holds: (path: ReplicaPath) => boolean;
  /** How many children of a directory are in the set or lead to something in it. Never 0. */
  readonly #children = new Map<ReplicaPath, number>();

  /** `holds`: whether the path itself is in the set. */
  constructor(holds: (path: ReplicaPath) => boolean) {
    this.#holds = holds;
  }

  /** Whether there is anything below the path in the set. */
  has(path: ReplicaPath): boolean {
    return this.#children.has(path);
  }

  /** To be called after the path came into the set. */
  added(path: ReplicaPath): void {
    if (this.#children.has(path)) return;
    for (let child = path; child !== '/'; ) {
      const parent = parentOf(child);
      const before = this.#children.get(parent) ?? 0;
      this.#children.set(parent, before + 1);
      if (before > 0 || this.#holds(parent)) return;
      child = parent;
    }
  }

  /** To be called after the path left the set. */
  removed(path: ReplicaPath): void {
    if (this.#children.has(path)) return;
    for (let child = path; child !== '/'; ) {
      const parent = parentOf(child);
      const left = (this.#children.get(parent) ?? 1) - 1;
      if (left > 0) return void this.#children.set(parent, left);
      this.#children.delete(parent);
      if (this.#holds(parent)) return;
      child = parent;
    }
  }
}
