import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Pair } from '../../test/rig/pair.ts';
import { mustRun } from '../child.ts';
import type { Peer } from '../peer.ts';
import { sshOptions } from './rsync.ts';

/** What it carries is made the same as with `rsync -a`, and its questions are answered beforehand. */
const settings = [
  ...['-batch', '-silent', '-fastcheck', 'true', '-times', '-owner', '-group', '-perms', '-1'],
  ...['-confirmbigdel=false', '-sshcmd', '/usr/bin/ssh'],
];

function memoriesOf(pair: Pair): [string, string] {
  return [join(pair.folder, 'unison-active'), join(pair.folder, 'unison-passive')];
}

export const unison: Peer = {
  name: 'unison',
  about:
    'one `unison -batch -fastcheck true -force ACTIVE` over ssh, until it ends; Debian has no unison-fsmonitor, so it cannot watch; no fsync',
  mostSamples: 10,
  // It needs nothing that runs, but a memory that begins empty.
  serve: async (pair) => {
    for (const folder of memoriesOf(pair)) {
      rmSync(folder, { recursive: true, force: true });
      mkdirSync(folder, { recursive: true });
    }
    return { [Symbol.asyncDispose]: () => Promise.resolve() };
  },
  copy: async (pair: Pair) => {
    const [local, remote] = memoriesOf(pair);
    const source = join(pair.active.root, 'etc');
    const { user, address, port } = pair.sshd;
    const target = `ssh://${user}@${address}:${port}/${join(pair.passive.root, 'etc')}`;
    const ssh = ['-sshargs', sshOptions(pair).join(' '), '-servercmd', `env UNISON=${remote} unison`];
    const args = [`UNISON=${local}`, 'unison', source, target, ...settings, '-force', source, ...ssh];
    await mustRun('env', args);
  },
};
