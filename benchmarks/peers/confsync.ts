import type { Pair } from '../../test/rig/pair.ts';
import type { Peer } from '../peer.ts';

async function verifyWith(pair: Pair, flags: readonly string[]): Promise<boolean> {
  const { code, stdout, stderr } = await pair.bm('active', ['verify', ...flags, '--json']);
  if (code !== 0 && code !== 1) throw new Error(`verify ended with ${code}: ${stderr}`);
  const { inSync } = JSON.parse(stdout) as { inSync: boolean };
  if (inSync !== (code === 0)) throw new Error(`verify says inSync ${inSync} and ends with ${code}`);
  return inSync;
}

export const confsync: Peer = {
  name: 'bm-confsync',
  about:
    'this program over a real sshd: `run` on both nodes, `resync --yes`, `verify`; durable on the passive node before it is acknowledged',
  follow: async (pair) => {
    const passive = await pair.startDaemon('passive');
    const active = await pair.startDaemon('active');
    return {
      [Symbol.asyncDispose]: async () => {
        await active.stop();
        await passive.stop();
      },
    };
  },
  copy: async (pair) => {
    const { code, stdout, stderr } = await pair.bm('active', ['resync', '--yes', '--json']);
    if (code !== 0) throw new Error(`resync ended with ${code}: ${stdout}${stderr}`);
  },
  verify: (pair) => verifyWith(pair, []),
};

/** Reads every file on both nodes again, as `rsync -c` does. */
export const confsyncFull: Peer = {
  name: 'bm-confsync --full',
  about: '`verify --full`: every file is read again on both nodes',
  verify: (pair) => verifyWith(pair, ['--full']),
};
