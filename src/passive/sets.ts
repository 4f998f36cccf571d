import { Directories } from '../files/confined.ts';
import type { PushMessage } from '../wire/message.ts';
import type { Operation } from './operation.ts';

/** The members of a set that are through with staging. */
export type PushSet = {
  readonly of: number;
  /** Its own, since batches are placed while its members arrive. */
  readonly directories: Directories;
  readonly operations: Operation[];
  readonly paths: Set<string>;
};

/** More than a sender that keeps to the protocol has on the way at once. */
const maxOpen = 256;

/** Pushes that are to be placed together, until the last of them is staged. */
export class PushSets {
  readonly #root: string;
  readonly #open = new Map<number, PushSet>();

  constructor(root: string) {
    this.#root = root;
  }

  /** What about the set of a push breaks the protocol, if anything. To be asked once a push, before `of`. */
  faultOf({ set, path }: PushMessage): string | undefined {
    if (set === undefined) return undefined;
    const open = this.#open.get(set.id);
    if (open === undefined)
      return this.#open.size < maxOpen ? undefined : `more than ${maxOpen} sets are incomplete`;
    if (open.of !== set.of) return `the set ${set.id} has ${open.of} members or ${set.of}`;
    if (open.paths.has(path)) return `a path came twice in the set ${set.id}`;
    return open.paths.size < open.of ? undefined : `the set ${set.id} has more than ${open.of} members`;
  }

  /** The set that a push belongs to, from its first member on. */
  of({ set, path }: PushMessage): PushSet | undefined {
    if (set === undefined) return undefined;
    const known = this.#open.get(set.id);
    const open = known ?? {
      of: set.of,
      directories: new Directories(this.#root),
      operations: [],
      paths: new Set<string>(),
    };
    open.paths.add(path);
    if (known === undefined) this.#open.set(set.id, open);
    return open;
  }

  /** Adds a member that is through with staging; answers its set when it was the last one. */
  join(operation: Operation): PushSet | undefined {
    const { set } = operation.push;
    const open = set === undefined ? undefined : this.#open.get(set.id);
    if (set === undefined || open === undefined) return undefined;
    open.operations.push(operation);
    if (open.operations.length < open.of) return undefined;
    this.#open.delete(set.id);
    return open;
  }

  /** Gives up the sets that never became complete. */
  takeIncomplete(): PushSet[] {
    const incomplete = [...this.#open.values()];
    this.#open.clear();
    return incomplete;
  }
}
