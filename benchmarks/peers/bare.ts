import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Background, startProgram } from '../child.ts';
import type { Peer } from '../peer.ts';
import { TraceFile, untilAcked } from '../trace-file.ts';

const deadlineMs = 120_000;
const folder = dirname(fileURLToPath(import.meta.url));

/** The limit to come close to: the same steps in the least code, without any of the safety. */
export const bare: Peer = {
  name: 'bare',
  about:
    'the limit: two Node processes, inotify, plain TCP, write, fsync, rename, fsync of the directory, one byte of answer, which is when it counts; what comes while that is done is made durable together, by two `syncfs`; no ssh, no checks, no versions, nothing but files and directories',
  follow: async (pair) => {
    const acks = new TraceFile(join(pair.folder, 'bare-acks'));
    await using held = new AsyncDisposableStack();
    held.use(acks);
    const start = async (file: string, args: readonly string[], ready: RegExp): Promise<Background> =>
      held.use(await startProgram(process.execPath, [join(folder, file), ...args], ready));
    const receiver = await start('bare-receiver.ts', [pair.passive.root], /port (\d+)/);
    await start('bare-sender.ts', [pair.active.root, receiver.match[1] ?? '', acks.path], /ready/);
    const kept = held.move();
    return {
      durable: (paths, sinceMs) =>
        untilAcked(
          acks,
          paths.map((path) => `/${path}`),
          { sinceMs, deadlineMs },
        ),
      [Symbol.asyncDispose]: () => kept.disposeAsync(),
    };
  },
};
