import { parentOf, type ReplicaPath } from '../core/path.ts';
import type { Directories, OpenParent } from '../files/confined.ts';

/**
 * A directory that is new on this node. It is built under a temporary name, with what the same batch brings below it under their
 * own names, and comes into place by one rename: nobody who watches hears of each file, and no program finds a part of it.
 *
 *     building --renamed--> placed
 *         \--its name is taken, or nothing may be placed--> given up, and removed with all that was put into it
 */
export class NewTree {
  /** Of the uppermost directory. */
  readonly path: ReplicaPath;
  readonly temporaryName: string;
  #isPlaced = false;
  readonly #led = new Set<Directories>();

  constructor(path: ReplicaPath, temporaryName: string) {
    this.path = path;
    this.temporaryName = temporaryName;
  }

  get isPlaced(): boolean {
    return this.#isPlaced;
  }

  /** Has the directories find what is being built by its path, until `settle`. */
  lead(directories: Directories): OpenParent {
    this.#led.add(directories);
    return directories.openAs(this.path, this.temporaryName);
  }

  /** It was placed, or given up: its path leads to what is there from now on. */
  settle(isPlaced: boolean): void {
    this.#isPlaced = isPlaced;
    for (const directories of this.#led) directories.forget(this.path);
    this.#led.clear();
  }
}

/** The new trees of one batch. */
export class NewTrees {
  /** Each directory in them, with the descriptor by which it was opened when it was made. */
  readonly #directories = new Map<ReplicaPath, { readonly tree: NewTree; readonly fd: number }>();

  add(path: ReplicaPath, tree: NewTree, fd: number): void {
    this.#directories.set(path, { tree, fd });
  }

  /** Whether the directory is one of them. */
  has(path: ReplicaPath): boolean {
    return this.#directories.has(path);
  }

  /** The tree in which a path comes to lie, where its parent is the directory that was made for it. */
  around(path: ReplicaPath, parent: OpenParent): NewTree | undefined {
    if (!parent.ok) return undefined;
    const directory = this.#directories.get(parentOf(path));
    return directory?.fd === parent.fd ? directory.tree : undefined;
  }

  /** Has directories that are not the batch's own find the tree in which a path comes to lie. */
  leadTo(path: ReplicaPath, directories: Directories): void {
    this.#directories.get(parentOf(path))?.tree.lead(directories);
  }

  /** The batch is over. What was not placed will not be. */
  clear(): void {
    for (const { tree } of this.#directories.values()) if (!tree.isPlaced) tree.settle(false);
    this.#directories.clear();
  }
}
