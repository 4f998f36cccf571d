import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PairOptions } from '../test/rig/pair.ts';
import { mustRun } from './child.ts';

/** A network namespace that this machine reaches by one slow link. Disposing ends both. */
export type SlowLink = AsyncDisposable & {
  readonly how: { readonly roundTripMs: number; readonly bitsPerSecond: number };
  readonly place: NonNullable<PairOptions['place']>;
  /** Takes the link away, so that packets vanish without a word, or gives it back. */
  set(state: 'up' | 'down'): Promise<void>;
};

const relay = join(dirname(fileURLToPath(import.meta.url)), 'slow-link.py');
let links = 0;

/** Needs root, /dev/net/tun and python3. Throws with what `ip` says where one of them is missing. */
export async function openSlowLink(how: SlowLink['how']): Promise<SlowLink> {
  const number = (process.pid * 4 + links) % 60_000;
  links += 1;
  const [namespace, here, there] = [`bmcs${number}`, `bmch${number}`, `bmct${number}`];
  // Of the block that is set aside for benchmarks of networks, RFC 2544.
  const net = `198.${18 + (number >> 14 > 0 ? 1 : 0)}.${(number >> 6) & 255}`;
  const [ownAddress, address] = [`${net}.${(number & 63) * 4 + 1}`, `${net}.${(number & 63) * 4 + 2}`];
  await using held = new AsyncDisposableStack();

  const args = [relay, here, there, String(how.roundTripMs / 2), String(how.bitsPerSecond)];
  const child = spawn('python3', args, { stdio: ['pipe', 'pipe', 'inherit'] });
  held.defer(async () => {
    if (child.exitCode !== null) return;
    const ended = once(child, 'exit');
    child.stdin.end();
    await ended;
  });
  await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(([code]) => {
      throw new Error(`the relay of the slow link ended with ${code}`);
    }),
  ]);
  await mustRun('ip', ['netns', 'add', namespace]);
  held.defer(async () => {
    await mustRun('ip', ['netns', 'del', namespace]);
  });
  await mustRun('ip', ['link', 'set', there, 'netns', namespace]);
  await mustRun('ip', ['addr', 'add', ownAddress, 'peer', address, 'dev', here]);
  await mustRun('ip', ['link', 'set', here, 'up']);
  const inside = ['-n', namespace];
  await mustRun('ip', [...inside, 'addr', 'add', address, 'peer', ownAddress, 'dev', there]);
  await mustRun('ip', [...inside, 'link', 'set', there, 'up']);
  await mustRun('ip', [...inside, 'link', 'set', 'lo', 'up']);
  const kept = held.move();
  return {
    how,
    place: { address, within: ['ip', 'netns', 'exec', namespace] },
    set: async (state) => {
      await mustRun('ip', [...inside, 'link', 'set', there, state]);
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
