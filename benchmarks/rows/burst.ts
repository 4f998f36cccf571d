import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Peer } from '../peer.ts';
import { bare } from '../peers/bare.ts';
import { confsync } from '../peers/confsync.ts';
import { csync2Plain } from '../peers/csync2.ts';
import { lsyncdNow, lsyncdSoon } from '../peers/lsyncd.ts';
import { rsync, rsyncWarm } from '../peers/rsync.ts';
import { unison } from '../peers/unison.ts';
import type { Row, Series, Size } from '../row.ts';
import {
  type Change,
  copyLocally,
  follow,
  type Made,
  mustEndEqual,
  openSeries,
  timeChange,
} from '../series.ts';

async function build(peer: Peer, made: Made, size: Size): Promise<Pick<Series, 'sample' | 'check'>> {
  const { pair, paths } = made;
  await copyLocally(pair);
  const following = await follow(peer, made);
  if (following === undefined) await peer.copy?.(pair);
  const stage = join(pair.active.root, 'stage');
  mkdirSync(stage);

  const prepare = (round: number): Change => {
    const expected = new Map<string, Buffer>();
    for (const [index, path] of paths.slice(0, size.changed).entries()) {
      const content = Buffer.from(`round = ${round}\nfile = ${index}\n`.repeat(150 + round));
      writeFileSync(join(stage, String(index)), content);
      expected.set(path, content);
    }
    const touched = [...expected.keys()];
    const act = (): void => {
      for (const [index, path] of touched.entries())
        renameSync(join(stage, String(index)), join(pair.active.root, path));
    };
    return { act, expected, touched };
  };
  return {
    sample: (round) => timeChange(peer, { pair, following }, prepare(round)),
    check: () => mustEndEqual(pair, following),
  };
}

const title = ({ changed, files }: Size): string => `${changed} files of ${files} replaced at once`;

export const burst: Row = {
  name: 'burst',
  title,
  repeat: 5,
  peers: [
    bare,
    confsync,
    rsync,
    rsyncWarm,
    unison,
    { ...csync2Plain, mostSamples: 3 },
    lsyncdNow,
    lsyncdSoon,
  ],
  bars: [{ times: 1, against: rsync.name }],
  open: (peer, size) => openSeries({ size }, (made) => build(peer, made, size)),
};

export const burstLarge: Row = {
  ...burst,
  name: 'burst-large',
  repeat: 3,
  peers: [bare, confsync, rsync, rsyncWarm, unison, { ...csync2Plain, mostSamples: 1 }, lsyncdNow],
  scale: (size) => ({
    ...size,
    files: size.files * 3,
    bytes: size.bytes * 3,
    directories: size.directories * 3,
    changed: size.changed * 10,
  }),
};
