import type { Reason } from '../core/failure.ts';
import { parentOf, type ReplicaPath } from '../core/path.ts';

/** Why a path is not on the peer, and how often it was tried. */
export type PathTrouble = { readonly reason: Reason; readonly detail: string; readonly attempts: number };

/** The paths that could not be brought to one peer. */
export class Troubles {
  readonly #troubles = new Map<ReplicaPath, PathTrouble>();

  /** Apply hooks that failed on the peer after a path was placed there. */
  readonly #hookFailures = new Map<ReplicaPath, readonly string[]>();

  get hookFailures(): ReadonlyMap<ReplicaPath, readonly string[]> {
    return this.#hookFailures;
  }

  /** What the hooks of a path that was placed had to say; empty when all went well. */
  noteHooks(path: ReplicaPath, failures: readonly string[]): void {
    if (failures.length === 0) this.#hookFailures.delete(path);
    else this.#hookFailures.set(path, failures);
  }

  get all(): ReadonlyMap<ReplicaPath, PathTrouble> {
    return this.#troubles;
  }

  get(path: ReplicaPath): PathTrouble | undefined {
    return this.#troubles.get(path);
  }

  /** Notes one more failure; returns how many there were in a row. */
  note(path: ReplicaPath, reason: Reason, detail: string): number {
    const attempts = (this.#troubles.get(path)?.attempts ?? 0) + 1;
    this.#troubles.set(path, { reason, detail, attempts });
    return attempts;
  }

  forget(path: ReplicaPath): void {
    this.#troubles.delete(path);
  }

  /** Paths that wait for this directory to be made. */
  waitingFor(directory: ReplicaPath): ReplicaPath[] {
    const found: ReplicaPath[] = [];
    for (const [path, { reason }] of this.#troubles) {
      if (reason === 'parent-missing' && parentOf(path) === directory) found.push(path);
    }
    return found;
  }
}
