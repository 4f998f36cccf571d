import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startProgram } from '../child.ts';
import { etcOf, type Peer } from '../peer.ts';

const folder = dirname(fileURLToPath(import.meta.url));

/** The limit to come close to: the same steps in the least code, without any of the safety. */
export const bare: Peer = {
  name: 'bare',
  about:
    'the limit: two Node processes, inotify, plain TCP, write, fsync, rename, fsync of the directory; no ssh, no checks, nothing but file contents',
  follow: async (pair) => {
    const receiver = await startProgram(
      process.execPath,
      [join(folder, 'bare-receiver.ts'), etcOf(pair, 'passive')],
      /port (\d+)/,
    );
    const port = receiver.match[1] ?? '';
    const sender = await startProgram(
      process.execPath,
      [join(folder, 'bare-sender.ts'), etcOf(pair, 'active'), port],
      /ready/,
    );
    return {
      [Symbol.asyncDispose]: async () => {
        await sender[Symbol.asyncDispose]();
        await receiver[Symbol.asyncDispose]();
      },
    };
  },
};
