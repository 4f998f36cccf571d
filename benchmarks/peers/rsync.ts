import { join } from 'node:path';
import type { Pair } from '../../test/rig/pair.ts';
import { mustRun } from '../child.ts';
import { etcOf, type Peer } from '../peer.ts';

/** The options that make ssh reach the passive node without a forced command, but for the port. */
export function sshOptions(pair: Pair): string[] {
  const { unrestrictedIdentityFile: key, knownHostsFile } = pair.sshd;
  if (key === undefined) throw new Error('the pair has no unrestricted key');
  const settings = [
    'IdentitiesOnly=yes',
    'BatchMode=yes',
    'StrictHostKeyChecking=yes',
    `UserKnownHostsFile=${knownHostsFile}`,
  ];
  return ['-F', 'none', '-i', key, ...settings.flatMap((setting) => ['-o', setting])];
}

export function sshCommand(pair: Pair): string[] {
  return ['/usr/bin/ssh', ...sshOptions(pair), '-p', String(pair.sshd.port)];
}

export function targetOf(pair: Pair): string {
  return `${pair.sshd.user}@${pair.sshd.address}:${etcOf(pair, 'passive')}`;
}

async function copyWith(pair: Pair, flags: readonly string[], ssh: readonly string[]): Promise<void> {
  const options = [...flags, '--delete', '-e', ssh.join(' ')];
  await mustRun('rsync', [...options, etcOf(pair, 'active'), targetOf(pair)]);
}

/** -c reads every file on both nodes; without it a change that keeps size and time is not seen. */
async function verifyOnce(pair: Pair): Promise<boolean> {
  const options = ['-nac', '-i', '-O', '--delete', '-e', sshCommand(pair).join(' ')];
  return (await mustRun('rsync', [...options, etcOf(pair, 'active'), targetOf(pair)])) === '';
}

export const rsync: Peer = {
  name: 'rsync',
  about:
    'one `rsync -a --delete` over ssh, started at once by hand, until it ends (latency: until the file is seen); verify is `rsync -nac`; no fsync, so a power cut may lose what it said is done',
  mostSamples: 30,
  copy: (pair) => copyWith(pair, ['-a'], sshCommand(pair)),
  verify: verifyOnce,
};

/** Compressed, for a slow link. */
export const rsyncCompressed: Peer = {
  ...rsync,
  name: 'rsync -z',
  about: 'one `rsync -az --delete`, until it ends; no fsync',
  copy: (pair) => copyWith(pair, ['-az'], sshCommand(pair)),
};

function warmCommand(pair: Pair): string[] {
  const socket = join(pair.folder, 'warm');
  const warm = ['ControlMaster=auto', `ControlPath=${socket}`, 'ControlPersist=600'];
  return [...sshCommand(pair), '-c', 'aes128-gcm@openssh.com', ...warm.flatMap((one) => ['-o', one])];
}

/** rsync at its best: nothing of ssh but a channel for each run. */
export const rsyncWarm: Peer = {
  ...rsync,
  name: 'rsync, warm ssh',
  about: '`rsync -a --delete` over an ssh connection that stays open (ControlPersist, aes128-gcm); no fsync',
  copy: (pair) => copyWith(pair, ['-a'], warmCommand(pair)),
  serve: async (pair) => {
    const [ssh = '', ...options] = warmCommand(pair);
    const host = `${pair.sshd.user}@${pair.sshd.address}`;
    await mustRun(ssh, [...options, host, 'true']);
    return {
      [Symbol.asyncDispose]: async () => {
        await mustRun(ssh, [...options, '-O', 'exit', host]);
      },
    };
  },
};
