import type { PathFailure } from '../core/failure.ts';
import type { ReplicaPath } from '../core/path.ts';
import type { AckResult } from '../wire/message.ts';
import type { Ready } from './operation.ts';
import { displacesContent, type Swapper } from './swap.ts';

export type KeeperOptions = {
  /**
   * What is displaced waits under its temporary name until `keep`, so that what is in place and durable can be answered first.
   * Default: it is kept at once, and what cannot be kept goes back to its place.
   */
  readonly keepsLater?: boolean;
  /** A content that was refused, or displaced, could not be kept. What was displaced waits for the sweep. */
  readonly onNotKept?: (path: ReplicaPath, failure: PathFailure) => void;
};

/**
 * Decides when what is displaced becomes a version: after the pushes that displaced it are answered, so that nobody waits for
 * it. A crash in between leaves it beside its target, where the sweep finds it. Once one could not be kept, the others are
 * kept before they are answered, and what displaces something that cannot be kept is refused, until one can.
 *
 *     later --cannot be kept--> careful --kept--> later
 */
export class Keeper {
  readonly #swapper: Swapper;
  readonly #options: KeeperOptions;
  #isCareful = false;
  #waiting: readonly Ready[] = [];

  constructor(swapper: Swapper, options: KeeperOptions) {
    this.#swapper = swapper;
    this.#options = options;
  }

  /** As the swapper's; `keep` has to follow. */
  place(ready: readonly Ready[]): ReadonlyMap<Ready, AckResult> {
    const isLater = this.#options.keepsLater === true && !this.#isCareful;
    const { results, waiting } = this.#swapper.place(ready, isLater ? 'later' : 'now');
    this.#waiting = waiting;
    const isKept = (one: Ready): boolean => displacesContent(one) && results.get(one)?.kind === 'applied';
    if (this.#isCareful && ready.some(isKept)) this.#isCareful = false;
    return results;
  }

  /** Keeps what waits. */
  keep(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const [index, failure] of this.#swapper.retire(waiting).entries()) {
      const operation = waiting[index];
      if (operation === undefined || failure === undefined) continue;
      this.#isCareful = true;
      this.#options.onNotKept?.(operation.push.path, failure);
    }
  }
}
