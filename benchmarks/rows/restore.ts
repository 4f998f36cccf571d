import { utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Peer } from '../peer.ts';
import { confsyncResync, confsyncResyncServed, runBoth } from '../peers/confsync.ts';
import { rsync, rsyncWarm } from '../peers/rsync.ts';
import { unison } from '../peers/unison.ts';
import type { Row, Series, Size } from '../row.ts';
import { copyLocally, type Made, mustBeEqual, openSeries, timeChange } from '../series.ts';
import { many } from './first-copy.ts';

/** One file of so many comes back as it once was. */
const oneOf = 100;
/** The restore is over for a while when somebody resyncs, and what watches the node has come to rest. */
const restMs = 3000;

/** Both nodes know the tree from before the restore. */
async function makeKnown(peer: Peer, { pair, held }: Made): Promise<void> {
  if (peer.serve !== undefined) held.use(await peer.serve(pair));
  else if (peer === confsyncResync) {
    await using _known = await runBoth(pair);
    await peer.copy?.(pair);
  }
  await peer.copy?.(pair);
}

async function build(peer: Peer, made: Made): Promise<Pick<Series, 'sample' | 'check'>> {
  const { pair, paths } = made;
  await copyLocally(pair);
  await makeKnown(peer, made);
  const restored = paths.filter((_, index) => index % oneOf === 0);
  return {
    sample: async (round) => {
      for (const [index, path] of restored.entries()) {
        const file = join(pair.passive.root, path);
        writeFileSync(file, `restored = ${round}\nfile = ${index}\n`.repeat(20 + round));
        const at = new Date(Date.UTC(2023, 0, 1 + round));
        utimesSync(file, at, at);
      }
      await pause(restMs);
      const nothing = { act: () => undefined, expected: new Map(), touched: [] };
      return timeChange(peer, { pair, following: undefined }, nothing);
    },
    check: () => mustBeEqual(pair),
  };
}

export const resyncRestored: Row = {
  name: 'resync-restored',
  title: ({ files }: Size) => `Resync after a restore of the passive node that changed 1 % of ${files} files`,
  repeat: 10,
  peers: [confsyncResyncServed, confsyncResync, rsync, rsyncWarm, { ...unison, mostSamples: 1 }],
  bars: [{ of: confsyncResyncServed.name, times: 0.5, against: rsync.name }],
  scale: many,
  open: (peer, size) => openSeries({ size }, (made) => build(peer, made)),
};
