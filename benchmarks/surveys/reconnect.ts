import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Pair } from '../../test/rig/pair.ts';
import { now } from '../clock.ts';
import { confsync } from '../peers/confsync.ts';
import type { Size } from '../row.ts';
import { copyLocally, makeBenchPair, mustEndEqual, plant } from '../series.ts';
import { openSlowLink } from '../slow-link.ts';
import type { Figure, Survey } from '../survey.ts';

const returnMs = 2000;
const attemptsAMinute = 60;
/** How long the peer is away: at the default size long enough for every pause between attempts to be its longest. */
function awayMsOf(size: Size): number {
  return Math.min(20_000, size.files * 4);
}

/** Counts who knocks at the port while sshd is away; nobody is let in. */
async function countKnocks(port: number, forMs: number): Promise<number> {
  let knocks = 0;
  const server = createServer((socket) => {
    knocks += 1;
    socket.on('error', () => undefined);
    socket.destroy();
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  await pause(forMs);
  await new Promise((resolve) => server.close(resolve));
  return knocks;
}

/** Makes a change while the peer is away, and tells how long after its return it is durable. */
async function durableAfterReturn(
  pair: Pair,
  path: string,
  away: (change: () => void) => Promise<void>,
): Promise<number> {
  await copyLocally(pair);
  await using following = await confsync.follow?.(pair);
  // What is measured is the return, not a first copy that it cut short.
  const { code, stderr } = await pair.bm('active', ['flush', '--timeout', '60s'], { timeoutMs: 70_000 });
  if (code !== 0) throw new Error(`flush ended with ${code}: ${stderr}`);
  let changedAt = now();
  await away(() => {
    changedAt = now();
    writeFileSync(join(pair.active.root, path), `changed while away, ${changedAt}\n`);
  });
  const returned = now();
  const durable = await following?.durable?.([path], changedAt);
  await mustEndEqual(pair, following);
  return Math.max(0, (durable ?? Number.POSITIVE_INFINITY) - returned);
}

async function take(size: Size): Promise<Figure[]> {
  const awayMs = awayMsOf(size);
  const figures: Figure[] = [];
  {
    await using pair = await makeBenchPair();
    const [path = ''] = await plant(pair, size);
    let knocks = 0;
    const value = await durableAfterReturn(pair, path, async (change) => {
      await pair.sshd.pause();
      change();
      knocks = await countKnocks(pair.sshd.port, awayMs);
      await pair.sshd.restart();
    });
    figures.push(
      {
        name: 'attempts while sshd is away',
        value: (knocks / awayMs) * 60_000,
        unit: 'a minute',
        atMost: attemptsAMinute,
      },
      { name: 'from the return of sshd to a change durable', value, unit: 'ms', atMost: returnMs },
    );
  }
  await using link = await openSlowLink({ roundTripMs: 1, bitsPerSecond: 1e9 });
  await using pair = await makeBenchPair({ place: link.place });
  const [path = ''] = await plant(pair, size);
  const value = await durableAfterReturn(pair, path, async (change) => {
    await link.set('down');
    change();
    await pause(awayMs);
    await link.set('up');
  });
  figures.push({
    name: 'from the return of a link that lost every packet to a change durable',
    value,
    unit: 'ms',
    atMost: returnMs,
  });
  return figures;
}

export const reconnect: Survey = {
  name: 'reconnect',
  title: (size) => `Reconnect after ${awayMsOf(size) / 1000} s without the peer`,
  scale: (size) => ({ ...size, files: Math.min(size.files, 5000) }),
  take,
};
