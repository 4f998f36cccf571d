import type { Pair } from '../../test/rig/pair.ts';
import { mustRun } from '../child.ts';
import { etcOf, type Peer } from '../peer.ts';

/** The ssh command line that reaches the passive node without a forced command. */
export function sshCommand(pair: Pair): string[] {
  const { unrestrictedIdentityFile: key, port, knownHostsFile } = pair.sshd;
  if (key === undefined) throw new Error('the pair has no unrestricted key');
  return [
    ...['/usr/bin/ssh', '-F', 'none', '-i', key, '-p', String(port), '-o', 'IdentitiesOnly=yes'],
    ...[
      '-o',
      'BatchMode=yes',
      '-o',
      'StrictHostKeyChecking=yes',
      '-o',
      `UserKnownHostsFile=${knownHostsFile}`,
    ],
  ];
}

export function targetOf(pair: Pair): string {
  return `${pair.sshd.user}@127.0.0.1:${etcOf(pair, 'passive')}`;
}

export const rsync: Peer = {
  name: 'rsync',
  about:
    'one `rsync -a --delete` over ssh, started at once by hand: the best that incron or cron could do; no fsync',
  copy: async (pair) => {
    await mustRun('rsync', [
      ...['-a', '--delete', '-e', sshCommand(pair).join(' ')],
      ...[etcOf(pair, 'active'), targetOf(pair)],
    ]);
  },
  // -c reads every file on both nodes; without it a change that keeps size and time is not seen.
  verify: async (pair) => {
    const output = await mustRun('rsync', [
      ...['-nac', '-i', '-O', '--delete', '-e', sshCommand(pair).join(' ')],
      ...[etcOf(pair, 'active'), targetOf(pair)],
    ]);
    return output === '';
  },
};
