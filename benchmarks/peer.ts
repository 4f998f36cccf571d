import type { Pair } from '../test/rig/pair.ts';

/** Carries every change over until disposed. */
export type Following = AsyncDisposable & {
  /**
   * Where the peer tells when a change is durable: resolves with the time (of `now`) from which all these
   * paths, relative to the node's root, are, as they were changed after `sinceMs`. Without it, files count
   * when they are seen on the passive node.
   */
  durable?(paths: readonly string[], sinceMs: number): Promise<number>;
};

/** One way of keeping `root/etc` of the pair's passive node the same as the active's. */
export type Peer = {
  readonly name: string;
  /** One sentence for the report: how it is run, what its times mean, and what it does not do. */
  readonly about: string;
  /** Where one sample takes long: no more than so many. */
  readonly mostSamples?: number;
  /** Resolves when it watches. */
  follow?(pair: Pair): Promise<Following>;
  /** Whatever has to run on for `copy` and `verify`. */
  serve?(pair: Pair): Promise<AsyncDisposable>;
  /** Makes the passive equal to the active once. Throws where it does not succeed. */
  copy?(pair: Pair): Promise<void>;
  /** Whether both are the same. */
  verify?(pair: Pair): Promise<boolean>;
};

/** The replicated folder of a node, with the slash at the end that rsync and lsyncd want. */
export function etcOf(pair: Pair, node: 'active' | 'passive'): string {
  return `${pair[node].root}/etc/`;
}
