import type { Pair } from '../test/rig/pair.ts';

/** One way of keeping `root/etc` of the pair's passive node the same as the active's. */
export type Peer = {
  readonly name: string;
  /** One sentence for the report: how it is run, and what it does not do. */
  readonly about: string;
  /** Where one sample takes long: no more than so many. */
  readonly mostSamples?: number;
  /** Carries every change over until disposed. Resolves when it watches. */
  follow?(pair: Pair): Promise<AsyncDisposable>;
  /** Makes the passive equal to the active once. Throws where it does not succeed. */
  copy?(pair: Pair): Promise<void>;
  /** Whether both are the same. */
  verify?(pair: Pair): Promise<boolean>;
};

/** The replicated folder of a node, with the slash at the end that rsync and lsyncd want. */
export function etcOf(pair: Pair, node: 'active' | 'passive'): string {
  return `${pair[node].root}/etc/`;
}
