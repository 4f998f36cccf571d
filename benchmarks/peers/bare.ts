import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Background, startProgram } from '../child.ts';
import { etcOf, type Peer } from '../peer.ts';

const folder = dirname(fileURLToPath(import.meta.url));

/** The limit to come close to: the same steps in the least code, without any of the safety. */
export const bare: Peer = {
  name: 'bare',
  about:
    'the limit: two Node processes, inotify, plain TCP, write, fsync, rename, fsync of the directory; no ssh, no checks, nothing but file contents',
  follow: async (pair) => {
    await using held = new AsyncDisposableStack();
    const start = async (file: string, args: readonly string[], ready: RegExp): Promise<Background> =>
      held.use(await startProgram(process.execPath, [join(folder, file), ...args], ready));
    const receiver = await start('bare-receiver.ts', [etcOf(pair, 'passive')], /port (\d+)/);
    await start('bare-sender.ts', [etcOf(pair, 'active'), receiver.match[1] ?? ''], /ready/);
    return held.move();
  },
};
