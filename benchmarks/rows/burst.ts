import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { untilAllArrived } from '../arrival.ts';
import type { Peer } from '../peer.ts';
import { bare } from '../peers/bare.ts';
import { confsync } from '../peers/confsync.ts';
import { lsyncdNow, lsyncdSoon } from '../peers/lsyncd.ts';
import { rsync } from '../peers/rsync.ts';
import { copyLocally, mustBecomeEqual, pairWithTree, type Row, type Series, type Size } from '../row.ts';

const deadlineMs = 120_000;

async function open(peer: Peer, size: Size): Promise<Series> {
  const { pair, paths } = await pairWithTree(size);
  await copyLocally(pair);
  const following = await peer.follow?.(pair);
  const stage = join(pair.active.root, 'stage');
  mkdirSync(stage);
  return {
    sample: async (round) => {
      const changed = paths.slice(0, size.changed);
      const expected = new Map<string, Buffer>();
      for (const [index, path] of changed.entries()) {
        const content = Buffer.from(`round = ${round}\nfile = ${index}\n`.repeat(150));
        writeFileSync(join(stage, String(index)), content);
        expected.set(join(pair.passive.root, path), content);
      }
      const start = performance.now();
      for (const [index, path] of changed.entries())
        renameSync(join(stage, String(index)), join(pair.active.root, path));
      const [seen] = await Promise.all([
        untilAllArrived(expected, deadlineMs),
        following === undefined && peer.copy?.(pair),
      ]);
      await mustBecomeEqual(pair);
      return seen - start;
    },
    check: () => mustBecomeEqual(pair),
    [Symbol.asyncDispose]: async () => {
      await following?.[Symbol.asyncDispose]();
      await pair[Symbol.asyncDispose]();
    },
  };
}

export const burst: Row = {
  name: 'burst',
  title: ({ changed, files }) =>
    `${changed} files of ${files} replaced at once: until all are seen on the passive node`,
  repeat: 5,
  peers: [bare, confsync, rsync, lsyncdNow, lsyncdSoon],
  open,
};
