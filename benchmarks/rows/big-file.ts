import { randomFillSync } from 'node:crypto';
import { closeSync, copyFileSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Peer } from '../peer.ts';
import { confsync } from '../peers/confsync.ts';
import { csync2Plain } from '../peers/csync2.ts';
import { rsync, rsyncWarm } from '../peers/rsync.ts';
import { unison } from '../peers/unison.ts';
import type { Row, Series, Size } from '../row.ts';
import { copyLocally, follow, type Made, mustEndEqual, openSeries, timeChange } from '../series.ts';

const mebibyte = 2 ** 20;
const changedBytes = mebibyte;
const path = 'etc/big.map';

/** 256 MiB at the default size. */
function bytesOf(size: Size): number {
  return Math.max(4, Math.round((256 * size.files) / 5000)) * mebibyte;
}

/** Random bytes, which nothing compresses. */
function writeRandom(file: string, bytes: number): void {
  const block = Buffer.alloc(mebibyte);
  const fd = openSync(file, 'w', 0o644);
  for (let at = 0; at < bytes; at += block.length) writeSync(fd, randomFillSync(block));
  closeSync(fd);
}

async function build(
  peer: Peer,
  made: Made,
  change: 'all' | 'middle',
  bytes: number,
): Promise<Pick<Series, 'sample' | 'check'>> {
  const { pair } = made;
  const target = join(pair.active.root, path);
  const stage = join(pair.active.root, 'stage');
  mkdirSync(stage);
  const staged = join(stage, 'big');
  if (change === 'middle') writeRandom(target, bytes);
  await copyLocally(pair);
  const following = await follow(peer, made);
  if (following === undefined) await peer.copy?.(pair);
  const act = (): void => renameSync(staged, target);
  const touched = [path];
  return {
    sample: async (round) => {
      if (change === 'middle') {
        copyFileSync(target, staged);
        const fd = openSync(staged, 'r+');
        writeSync(fd, randomFillSync(Buffer.alloc(changedBytes)), 0, changedBytes, bytes / 2 + round);
        closeSync(fd);
      } else {
        if (round > 0) {
          const remove = { act: () => rmSync(target), expected: new Map(), touched };
          await timeChange(peer, { pair, following }, remove);
        }
        writeRandom(staged, bytes);
      }
      return timeChange(peer, { pair, following }, { act, expected: new Map(), touched });
    },
    check: () => mustEndEqual(pair, following),
  };
}

const common = {
  repeat: 3,
  peers: [confsync, rsync, rsyncWarm, { ...unison, mostSamples: 1 }, { ...csync2Plain, mostSamples: 1 }],
};

export const bigFile: Row = {
  ...common,
  name: 'big-file',
  title: (size) => `One new file of ${bytesOf(size) / mebibyte} MiB`,
  bars: [{ times: 1.3, against: rsync.name }],
  open: (peer, size) => openSeries({ size, empty: true }, (made) => build(peer, made, 'all', bytesOf(size))),
};

export const bigFileDelta: Row = {
  ...common,
  name: 'big-file-delta',
  title: (size) => `A file of ${bytesOf(size) / mebibyte} MiB, 1 MiB changed in the middle`,
  bars: [{ times: 1.5, against: rsync.name }],
  open: (peer, size) =>
    openSeries({ size, empty: true }, (made) => build(peer, made, 'middle', bytesOf(size))),
};
