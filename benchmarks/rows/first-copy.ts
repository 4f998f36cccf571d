import { makeTree } from '../../test/rig/tree.ts';
import type { Peer } from '../peer.ts';
import { confsync } from '../peers/confsync.ts';
import { lsyncdNow } from '../peers/lsyncd.ts';
import { rsync } from '../peers/rsync.ts';
import { type Made, mustBeEqual, openSeries, type Row, type Series, type Size } from '../row.ts';

function build(peer: Peer, { pair }: Made, size: Size): Pick<Series, 'sample' | 'check'> {
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
  };
}

export const firstCopy: Row = {
  name: 'first-copy',
  title: ({ files, bytes }) =>
    `First copy of ${files} files, ${Math.round(bytes / 1e6)} MB, to an empty node`,
  repeat: 4,
  peers: [confsync, rsync, lsyncdNow],
  open: (peer, size) => openSeries(size, async (made) => build(peer, made, size)),
};
