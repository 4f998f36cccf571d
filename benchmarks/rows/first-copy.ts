import { makeTree } from '../../test/rig/tree.ts';
import type { Peer } from '../peer.ts';
import { confsync } from '../peers/confsync.ts';
import { lsyncdNow } from '../peers/lsyncd.ts';
import { rsync } from '../peers/rsync.ts';
import { mustBeEqual, pairWithTree, type Row, type Series, type Size } from '../row.ts';

async function open(peer: Peer, size: Size): Promise<Series> {
  const { pair } = await pairWithTree(size);
  return {
    sample: async (round) => {
      if (round > 0) {
        await pair.reset();
        makeTree(pair.active.root, size);
      }
      const start = performance.now();
      await peer.copy?.(pair);
      const durationMs = performance.now() - start;
      await mustBeEqual(pair);
      return durationMs;
    },
    check: () => mustBeEqual(pair),
    [Symbol.asyncDispose]: () => pair[Symbol.asyncDispose](),
  };
}

export const firstCopy: Row = {
  name: 'first-copy',
  title: ({ files, bytes }) =>
    `First copy of ${files} files, ${Math.round(bytes / 1e6)} MB, to an empty node`,
  repeat: 5,
  peers: [confsync, rsync, lsyncdNow],
  open,
};
