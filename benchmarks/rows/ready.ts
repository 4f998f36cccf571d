import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mustRun, startProgram } from '../child.ts';
import { now } from '../clock.ts';
import { etcOf, type Peer } from '../peer.ts';
import { runBoth } from '../peers/confsync.ts';
import type { Row, Series, Size } from '../row.ts';
import { copyLocally, type Made, mustBeEqual, openSeries } from '../series.ts';
import { many } from './first-copy.ts';

const walkFile = join(dirname(dirname(fileURLToPath(import.meta.url))), 'peers', 'bare-walk.ts');

const daemon: Peer = {
  name: 'bm-confsync',
  about: '`run`, warm state, from its start until every directory is watched (READY=1)',
};
const inSync: Peer = {
  name: 'bm-confsync, in sync',
  about: '`run`, from its start until the first reconcile with the passive node is over',
};
const walk: Peer = {
  name: 'bare walk',
  about:
    'a Node process that reads every directory and calls lstat for every name, from its start to its end',
};

/** What the daemon logs when it is so far. */
const moments = new Map([
  [daemon, /watching/],
  [inSync, /reconciled/],
]);

async function build(peer: Peer, { pair, held }: Made): Promise<Pick<Series, 'sample' | 'check'>> {
  await copyLocally(pair);
  const moment = moments.get(peer);
  if (moment !== undefined) {
    // What is known from before.
    await using _known = await runBoth(pair);
  }
  if (moment !== undefined) {
    const passive = await pair.startDaemon('passive');
    held.defer(async () => {
      await passive.stop();
    });
  }
  return {
    sample: async () => {
      const start = now();
      if (moment === undefined) {
        await mustRun(process.execPath, [walkFile, etcOf(pair, 'active')]);
        return now() - start;
      }
      const command = [pair.program, 'run', '--config', pair.active.config];
      await using _running = await startProgram(process.execPath, command, moment);
      return now() - start;
    },
    check: () => mustBeEqual(pair),
  };
}

export const ready: Row = {
  name: 'ready',
  title: ({ files }: Size) => `Daemon ready, ${files} files, warm state`,
  repeat: 7,
  peers: [daemon, inSync, walk],
  bars: [{ times: 1.5, against: walk.name }],
  open: (peer, size) => openSeries({ size }, (made) => build(peer, made)),
};

export const readyLarge: Row = { ...ready, name: 'ready-large', repeat: 3, scale: many };
