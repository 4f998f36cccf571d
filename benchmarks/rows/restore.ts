import { utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Peer } from '../peer.ts';
import { confsync, confsyncResync } from '../peers/confsync.ts';
import { rsync, rsyncWarm } from '../peers/rsync.ts';
import { unison } from '../peers/unison.ts';
import type { Row, Series, Size } from '../row.ts';
import { copyLocally, type Made, mustBeEqual, openSeries, timeChange } from '../series.ts';
import { many } from './first-copy.ts';

/** One file of so many comes back as it once was. */
const oneOf = 100;

async function build(peer: Peer, made: Made): Promise<Pick<Series, 'sample' | 'check'>> {
  const { pair, paths, held } = made;
  await copyLocally(pair);
  // Both nodes know the tree from the time before the restore. The daemon is down while one restores.
  if (peer === confsyncResync) {
    await using _known = await confsync.serve?.(pair);
  } else if (peer.serve !== undefined) held.use(await peer.serve(pair));
  await peer.copy?.(pair);
  const restored = paths.filter((_, index) => index % oneOf === 0);
  return {
    sample: (round) => {
      const act = (): void => {
        for (const [index, path] of restored.entries()) {
          const file = join(pair.active.root, path);
          writeFileSync(file, `restored = ${round}\nfile = ${index}\n`.repeat(20 + round));
          const at = new Date(Date.UTC(2023, 0, 1 + round));
          utimesSync(file, at, at);
        }
      };
      act();
      const nothing = { act: () => undefined, expected: new Map(), touched: [] };
      return timeChange(peer, { pair, following: undefined }, nothing);
    },
    check: () => mustBeEqual(pair),
  };
}

export const resyncRestored: Row = {
  name: 'resync-restored',
  title: ({ files }: Size) =>
    `Resync after a restore that changed 1 % of ${files} files, daemons down meanwhile`,
  repeat: 3,
  peers: [confsyncResync, rsync, rsyncWarm, { ...unison, mostSamples: 1 }],
  bars: [{ of: confsyncResync.name, times: 0.5, against: rsync.name }],
  scale: many,
  open: (peer, size) => openSeries({ size }, (made) => build(peer, made)),
};
