import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Pair } from '../../test/rig/pair.ts';
import { watchArrival } from '../arrival.ts';
import { now } from '../clock.ts';
import type { Peer } from '../peer.ts';
import { bare } from '../peers/bare.ts';
import { confsync } from '../peers/confsync.ts';
import { csync2Plain, csync2Ssl } from '../peers/csync2.ts';
import { lsyncdDefault, lsyncdNow, lsyncdSoon } from '../peers/lsyncd.ts';
import { rsync, rsyncWarm } from '../peers/rsync.ts';
import { unison } from '../peers/unison.ts';
import type { Row, Series } from '../row.ts';
import { copyLocally, follow, type Made, mustEndEqual, openSeries } from '../series.ts';

const contentBytes = 4096;
const deadlineMs = 60_000;
const peers = [
  ...[bare, confsync, rsync, rsyncWarm, csync2Plain, csync2Ssl, unison],
  ...[lsyncdNow, lsyncdSoon, lsyncdDefault],
];

/** The pause before a file that was being written is looked at again, milliseconds: `firstRetryMs` of core/dirty. */
const settleMs = 5;

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
  // Who remembers what he saw sees it before the first sample.
  if (following === undefined) await peer.copy?.(pair);
  return {
    sample: async (round) => {
      const path = paths[(round * 37) % paths.length] ?? '';
      // Another length each time, for who compares times of whole seconds.
      const line = `changed = ${round} # `;
      const text = line.repeat(Math.ceil(contentBytes / line.length));
      const content = Buffer.from(`${text}${'.'.repeat(round % 7)}\n`);
      const change = prepare(pair, path, content);
      const arrival = watchArrival(join(pair.passive.root, path), content, deadlineMs);
      const start = now();
      change();
      // Who does not follow is started at once.
      const [seen] = await Promise.all([arrival.seen, following === undefined && peer.copy?.(pair)]);
      const durable = await following?.durable?.([path], start);
      return (durable ?? seen) - start;
    },
    check: () => mustEndEqual(pair, following),
  };
}

export const latencyReplace: Row = {
  name: 'latency-replace',
  title: ({ files }) => `One file replaced (rename) in a tree of ${files}`,
  repeat: 120,
  peers,
  bars: [
    { times: 2, against: 'bare' },
    { value: 'high', times: 4, against: 'bare' },
    { times: 1 / 100, against: lsyncdSoon.name },
    { times: 1 / 30, against: lsyncdNow.name },
  ],
  open: (peer, size) => openSeries({ size }, (made) => build(peer, made, replace)),
};

export const latencyInPlace: Row = {
  name: 'latency-in-place',
  title: ({ files }) => `One file written in place in a tree of ${files}`,
  repeat: 120,
  peers,
  bars: [
    { times: 2, against: 'bare', plusMs: settleMs },
    { value: 'high', times: 4, against: 'bare', plusMs: settleMs },
  ],
  open: (peer, size) => openSeries({ size }, (made) => build(peer, made, rewrite)),
};
