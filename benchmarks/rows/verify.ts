import { readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Peer } from '../peer.ts';
import { confsync, confsyncFull } from '../peers/confsync.ts';
import { rsync } from '../peers/rsync.ts';
import { copyLocally, type Made, mustBeEqual, openSeries, type Row, type Series } from '../row.ts';

async function build(peer: Peer, { pair, paths }: Made): Promise<Pick<Series, 'sample' | 'check'>> {
  await copyLocally(pair);
  const mustSay = async (expected: boolean): Promise<void> => {
    const said = await peer.verify?.(pair);
    if (said !== expected) throw new Error(`expected the verdict ${expected}, found ${said}`);
  };
  // Who remembers what was read reads everything once before the first sample.
  await mustSay(true);
  return {
    sample: async () => {
      const start = performance.now();
      await mustSay(true);
      return performance.now() - start;
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
  title: ({ files, bytes }) => `Verify of ${files} files, ${Math.round(bytes / 1e6)} MB, nothing changed`,
  repeat: 4,
  peers: [confsync, confsyncFull, rsync],
  open: (peer, size) => openSeries(size, (made) => build(peer, made)),
};
