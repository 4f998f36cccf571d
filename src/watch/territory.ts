import { canaryFolder, isCanary } from '../core/canary.ts';
import { ancestorsOf, isBelow, type ReplicaPath } from '../core/path.ts';

/** What the watcher has to know of the watchlists. */
export type WatchedLists = {
  /** Where the globs of the watchlists begin: directories, or files that are listed by name. */
  readonly roots: readonly ReplicaPath[];
  /** Whether something below this directory may be listed. */
  mayContain(directory: ReplicaPath): boolean;
  /** Whether this path is listed. */
  includes(path: ReplicaPath): boolean;
};

/**
 * Which directories are watched: those that may contain listed paths, and every directory on the way from
 * `/` to a root. The latter tell when a root or its parents appear, vanish or are replaced, and cost one
 * watch each; what else is in them is not entered.
 */
export class Territory {
  readonly #lists: WatchedLists;
  readonly #canary: boolean;
  readonly #onTheWay: ReadonlySet<ReplicaPath>;

  /** `canary`: the canary is told of as well. */
  constructor(lists: WatchedLists, { canary = false } = {}) {
    this.#lists = lists;
    this.#canary = canary;
    const toCanary = canary ? [...ancestorsOf(canaryFolder), canaryFolder] : [];
    this.#onTheWay = new Set(['/' as ReplicaPath, ...lists.roots.flatMap(ancestorsOf), ...toCanary]);
  }

  watches(directory: ReplicaPath): boolean {
    return this.#onTheWay.has(directory) || this.#lists.mayContain(directory);
  }

  includes(path: ReplicaPath): boolean {
    return this.#lists.includes(path) || (this.#canary && isCanary(path));
  }

  /** What has to be looked at when something happened to a whole directory: never all of `/var`. */
  treesOf(directory: ReplicaPath): ReplicaPath[] {
    if (this.#lists.mayContain(directory)) return [directory];
    return this.#lists.roots.filter((root) => isBelow(root, directory));
  }
}
