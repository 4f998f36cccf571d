import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { spreadDirectories } from '../ground.ts';
import type { Peer } from '../peer.ts';
import { bare } from '../peers/bare.ts';
import { confsync, confsyncResync } from '../peers/confsync.ts';
import { csync2Plain, csync2Ssl } from '../peers/csync2.ts';
import { lsyncdNow } from '../peers/lsyncd.ts';
import { rsync, rsyncCompressed, rsyncWarm } from '../peers/rsync.ts';
import { unison } from '../peers/unison.ts';
import type { Row, Series, Size } from '../row.ts';
import { type Made, mustBeEqual, openSeries, timeChange } from '../series.ts';
import { openSlowLink, type SlowLink } from '../slow-link.ts';
import { plantTree } from '../template.ts';

/** The whole tree appears by one rename, so that it is there at one moment for everybody. */
const top = 'etc/tree';

function build(peer: Peer, { pair }: Made, size: Size): Pick<Series, 'sample' | 'check'> {
  return {
    sample: async (round) => {
      if (round > 0) {
        await pair.reset();
        spreadDirectories(pair.active.root, pair.passive.root);
      }
      const stage = join(pair.active.root, 'stage');
      const files = await plantTree(stage, size);
      await using following = await peer.follow?.(pair);
      await using _serving = following === undefined ? await peer.serve?.(pair) : undefined;
      return await timeChange(
        peer,
        { pair, following },
        {
          act: () => renameSync(stage, join(pair.active.root, top)),
          expected: new Map(),
          touched: [top, ...files.map((path) => join(top, path))],
        },
      );
    },
    check: () => mustBeEqual(pair),
  };
}

const megabytes = ({ bytes }: Size): string => `${Math.round(bytes / 1e6)} MB`;

export const firstCopy: Row = {
  name: 'first-copy',
  title: (size) => `First copy of ${size.files} files, ${megabytes(size)}, to an empty node, daemons up`,
  repeat: 12,
  peers: [
    ...[bare, confsync, confsyncResync, rsync, rsyncWarm, lsyncdNow],
    ...[unison, csync2Plain, csync2Ssl].map((peer) => ({ ...peer, mostSamples: 2 })),
  ],
  bars: [{ times: 0.6, against: rsync.name }],
  open: (peer, size) => openSeries({ size, empty: true }, async (made) => build(peer, made, size)),
};

/** Twenty times the files, smaller ones. */
export function many(size: Size): Size {
  const files = size.files * 20;
  return { ...size, files, bytes: files * 1000, directories: size.directories * 20 };
}

export const firstCopyLarge: Row = {
  ...firstCopy,
  name: 'first-copy-large',
  repeat: 2,
  peers: [bare, confsync, rsync],
  bars: [{ times: 1, against: rsync.name }],
  scale: many,
};

const slow: SlowLink['how'] = { roundTripMs: 40, bitsPerSecond: 100e6 };

export const firstCopySlow: Row = {
  ...firstCopy,
  name: 'first-copy-slow-link',
  title: (size) =>
    `First copy of ${size.files} files, ${megabytes(size)}, over a link of ${slow.roundTripMs} ms round trip and ${slow.bitsPerSecond / 1e6} Mbit/s`,
  repeat: 3,
  peers: [confsync, rsync, rsyncCompressed],
  bars: [{ times: 1.1, against: rsyncCompressed.name }],
  open: async (peer, size) => {
    const link = await openSlowLink(slow);
    const { place } = link;
    return openSeries({ size, empty: true, place, below: link }, async (made) => build(peer, made, size));
  },
};
