import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Pair } from '../../test/rig/pair.ts';
import { watchArrival } from '../arrival.ts';
import type { Peer } from '../peer.ts';
import { bare } from '../peers/bare.ts';
import { confsync } from '../peers/confsync.ts';
import { lsyncdDefault, lsyncdNow, lsyncdSoon } from '../peers/lsyncd.ts';
import { rsync } from '../peers/rsync.ts';
import { copyLocally, follow, type Made, mustEndEqual, openSeries, type Row, type Series } from '../row.ts';

const contentBytes = 4096;
const deadlineMs = 60_000;
const peers = [bare, confsync, rsync, lsyncdNow, lsyncdSoon, lsyncdDefault];

/** Makes ready what can be made ready before the clock starts, and returns the one step that is the change. */
type PrepareChange = (pair: Pair, path: string, content: Buffer) => () => void;

const replace: PrepareChange = (pair, path, content) => {
  const staged = join(pair.active.root, 'stage', 'new');
  mkdirSync(join(pair.active.root, 'stage'), { recursive: true });
  writeFileSync(staged, content);
  return () => renameSync(staged, join(pair.active.root, path));
};

const rewrite: PrepareChange = (pair, path, content) => () =>
  writeFileSync(join(pair.active.root, path), content);

async function build(
  peer: Peer,
  made: Made,
  prepare: PrepareChange,
): Promise<Pick<Series, 'sample' | 'check'>> {
  const { pair, paths } = made;
  await copyLocally(pair);
  const following = await follow(peer, made);
  return {
    sample: async (round) => {
      const path = paths[(round * 37) % paths.length] ?? '';
      const line = `changed = ${round} # `;
      const content = Buffer.from(`${line.repeat(Math.ceil(contentBytes / line.length))}\n`);
      const change = prepare(pair, path, content);
      const arrival = watchArrival(join(pair.passive.root, path), content, deadlineMs);
      const start = performance.now();
      change();
      // Who does not follow is started at once.
      const [seen] = await Promise.all([arrival.seen, following === undefined && peer.copy?.(pair)]);
      return seen - start;
    },
    check: () => mustEndEqual(pair, following),
  };
}

export const latencyReplace: Row = {
  name: 'latency-replace',
  title: ({ files }) =>
    `One file replaced (rename) in a tree of ${files}: until it is seen on the passive node`,
  repeat: 60,
  peers,
  open: (peer, size) => openSeries(size, (made) => build(peer, made, replace)),
};

export const latencyInPlace: Row = {
  name: 'latency-in-place',
  title: ({ files }) =>
    `One file written in place in a tree of ${files}: until it is seen on the passive node`,
  repeat: 60,
  peers,
  open: (peer, size) => openSeries(size, (made) => build(peer, made, rewrite)),
};
