import { readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { now } from '../clock.ts';
import type { Peer } from '../peer.ts';
import { confsync, confsyncFull } from '../peers/confsync.ts';
import { rsync } from '../peers/rsync.ts';
import type { Row, Series, Size } from '../row.ts';
import { copyLocally, type Made, mustBeEqual, openSeries } from '../series.ts';
import { many } from './first-copy.ts';

async function build(peer: Peer, { pair, paths, held }: Made): Promise<Pick<Series, 'sample' | 'check'>> {
  await copyLocally(pair);
  if (peer.serve !== undefined) held.use(await peer.serve(pair));
  const mustSay = async (expected: boolean): Promise<void> => {
    const said = await peer.verify?.(pair);
    if (said !== expected) throw new Error(`expected the verdict ${expected}, found ${said}`);
  };
  // Who remembers what was read reads everything once before the first sample.
  await mustSay(true);
  return {
    sample: async () => {
      const start = now();
      await mustSay(true);
      return now() - start;
    },
    // A verdict is worth its time only if it can be the other one: one byte, same size, same time.
    check: async () => {
      await mustBeEqual(pair);
      const path = join(pair.passive.root, paths.at(-1) ?? '');
      const before = readFileSync(path);
      const { atime, mtime } = statSync(path);
      const after = Buffer.from(before);
      after.writeUInt8((after.readUInt8(0) + 1) % 256, 0);
      writeFileSync(path, after);
      utimesSync(path, atime, mtime);
      await mustSay(false);
    },
  };
}

export const verify: Row = {
  name: 'verify',
  title: ({ files, bytes }: Size) =>
    `Verify of ${files} files, ${Math.round(bytes / 1e6)} MB, nothing changed, daemons up`,
  repeat: 7,
  peers: [confsync, confsyncFull, rsync],
  bars: [
    { times: 0.25, against: rsync.name },
    { of: confsyncFull.name, times: 1, against: rsync.name },
  ],
  open: (peer, size) => openSeries({ size }, (made) => build(peer, made)),
};

export const verifyLarge: Row = { ...verify, name: 'verify-large', repeat: 3, scale: many };
