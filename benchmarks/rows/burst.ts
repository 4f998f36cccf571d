import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { untilAllArrived } from '../arrival.ts';
import type { Peer } from '../peer.ts';
import { bare } from '../peers/bare.ts';
import { confsync } from '../peers/confsync.ts';
import { lsyncdNow, lsyncdSoon } from '../peers/lsyncd.ts';
import { rsync } from '../peers/rsync.ts';
import {
  copyLocally,
  follow,
  type Made,
  mustEndEqual,
  openSeries,
  type Row,
  type Series,
  type Size,
} from '../row.ts';

const deadlineMs = 120_000;

async function build(peer: Peer, made: Made, size: Size): Promise<Pick<Series, 'sample' | 'check'>> {
  const { pair, paths } = made;
  await copyLocally(pair);
  const following = await follow(peer, made);
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
      await mustEndEqual(pair, following);
      return seen - start;
    },
    check: () => mustEndEqual(pair, following),
  };
}

export const burst: Row = {
  name: 'burst',
  title: ({ changed, files }) =>
    `${changed} files of ${files} replaced at once: until all are seen on the passive node`,
  repeat: 4,
  peers: [bare, confsync, rsync, lsyncdNow, lsyncdSoon],
  open: (peer, size) => openSeries(size, (made) => build(peer, made, size)),
};
