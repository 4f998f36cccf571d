import { Branches } from '../core/branches.ts';
import { parentOf, type ReplicaPath } from '../core/path.ts';

/**
 * Directories that are gone, and what has to be sent before them. A peer takes pushes in the order in which they are sent,
 * removes what is in a directory before the directory, and never one that holds something: so a removed tree leaves at
 * once, and a directory waits only for what is still to be looked at, not for answers.
 */
export class Emptying {
  readonly #onReady: (directory: ReplicaPath) => void;
  /** What is still to be looked at and sent, the directories that wait among it. */
  readonly #unsent = new Set<ReplicaPath>();
  readonly #branches = new Branches((path) => this.#unsent.has(path));
  readonly #waiting = new Set<ReplicaPath>();

  /** `onReady`: nothing below the directory is left to be sent. */
  constructor(onReady: (directory: ReplicaPath) => void) {
    this.#onReady = onReady;
  }

  /** Directories that wait. */
  get size(): number {
    return this.#waiting.size;
  }

  has(directory: ReplicaPath): boolean {
    return this.#waiting.has(directory);
  }

  /** The path is about to be looked at, and sent if there is something to send. */
  expect(path: ReplicaPath): void {
    if (this.#unsent.has(path)) return;
    this.#unsent.add(path);
    this.#branches.added(path);
  }

  /** It was looked at, and what there is to send of it leaves before anything that is looked at from now on. */
  taken(path: ReplicaPath): void {
    this.#waiting.delete(path);
    if (!this.#unsent.delete(path)) return;
    this.#branches.removed(path);
    if (this.#waiting.size === 0) return;
    for (let above = parentOf(path); above !== '/'; above = parentOf(above)) {
      if (!this.#waiting.has(above) || this.#branches.has(above)) continue;
      this.#waiting.delete(above);
      this.#onReady(above);
    }
  }

  /** Whether the directory has to wait, as it does from now on. */
  holdBack(directory: ReplicaPath): boolean {
    if (!this.#branches.has(directory)) return false;
    this.#waiting.add(directory);
    this.expect(directory);
    return true;
  }

  /** No directory waits any more. */
  release(): void {
    for (const directory of this.#waiting) {
      this.#unsent.delete(directory);
      this.#branches.removed(directory);
    }
    this.#waiting.clear();
  }

  /** Nothing is to be sent any more. */
  clear(): void {
    for (const path of [...this.#unsent]) {
      this.#unsent.delete(path);
      this.#branches.removed(path);
    }
    this.#waiting.clear();
  }
}
