import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parse, stringify } from 'yaml';
import { keyFingerprint } from '../../src/active/link.ts';
import type { DriftKind } from '../../src/core/drift.ts';
import { Pair, type Ran } from '../world/pair.ts';
import { differences, write } from '../world/tree.ts';

type Drift = { path: string; kind: DriftKind; active: { kind: string }; passive: { kind: string } };
type Verified = {
  inSync: boolean;
  checked: number;
  durationMs: number;
  peers: { name: string; drift: Drift[] }[];
};

const tree = {
  'etc/missing.conf': 'only here\n',
  'etc/content.conf': 'one\ntwo\nthree\n',
  'etc/binary.db': 'a\0b',
  'etc/mode.conf': { content: 'm', mode: 0o640 },
  'etc/owner.conf': { content: 'o', uid: 1, gid: 2 },
  'etc/type.conf': 'a file\n',
  'etc/link': { symlink: 'content.conf' },
  'etc/xattr.conf': 'x',
  'etc/mtime.conf': { content: 't', mtime: 1_000_000_000 },
};

/** Makes each kind of difference on the passive, by hand, as somebody on the wrong node would. */
const edits: Readonly<Record<DriftKind, { path: string; edit: (file: string) => void }>> = {
  missing: { path: '/etc/missing.conf', edit: (file) => rmSync(file) },
  extra: { path: '/etc/extra.conf', edit: (file) => writeFileSync(file, 'only there\n') },
  content: { path: '/etc/content.conf', edit: (file) => writeFileSync(file, 'one\n2\nthree\n') },
  mode: { path: '/etc/mode.conf', edit: (file) => chmodSync(file, 0o600) },
  owner: { path: '/etc/owner.conf', edit: (file) => chownSync(file, 0, 2) },
  type: {
    path: '/etc/type.conf',
    edit: (file) => {
      rmSync(file);
      mkdirSync(file);
    },
  },
  target: {
    path: '/etc/link',
    edit: (file) => {
      rmSync(file);
      symlinkSync('elsewhere', file);
    },
  },
  xattr: {
    path: '/etc/xattr.conf',
    edit: (file) => execFileSync('setfattr', ['-n', 'user.colour', '-v', 'red', file]),
  },
  mtime: { path: '/etc/mtime.conf', edit: (file) => utimesSync(file, 5, 5) },
};

function asJson(ran: Ran): Verified {
  return JSON.parse(ran.stdout) as Verified;
}

function driftOf(ran: Ran): Record<string, string> {
  const [peer] = asJson(ran).peers;
  return Object.fromEntries((peer?.drift ?? []).map(({ path, kind }) => [path, kind]));
}

describe('verify', () => {
  let pair: Pair;
  before(async () => {
    pair = await Pair.open();
    write(pair.root('active'), tree);
    execFileSync('cp', ['-a', `${pair.root('active')}/.`, pair.root('passive')]);
  });
  after(() => pair[Symbol.asyncDispose]());

  it('says that both nodes are in sync, with exit 0', async () => {
    const ran = await pair.run('active', ['verify']);
    assert.equal(ran.code, 0, ran.stderr);
    assert.match(ran.stdout, /^mail2: in sync, 9 paths checked in .+\n$/);
  });

  it('prints OK with perfdata on one line and exits 0 for Nagios when in sync', async () => {
    const ran = await pair.run('active', ['verify', '--nagios']);
    assert.equal(ran.code, 0, ran.stderr);
    assert.match(
      ran.stdout,
      /^BM-CONFSYNC OK - in sync, 9 paths checked \| drift=0;0;0;0; checked=9;;;0; time=\d+\.\d{3}s;;;0;\n$/,
    );
  });

  it('is refused on the passive node with exit 4, and says where to run it', async () => {
    const ran = await pair.run('passive', ['verify']);
    assert.equal(ran.code, 4);
    assert.equal(ran.stdout, '');
    assert.match(ran.stderr, /verify works on the active node; mail2 is passive/);
    assert.match(ran.stderr, /^hint: {2}\S/m);
    const nagios = await pair.run('passive', ['verify', '--nagios']);
    assert.equal(nagios.code, 3);
    assert.match(nagios.stdout, /^BM-CONFSYNC UNKNOWN - .*passive.*\n$/);
  });

  describe('after edits on the passive node', () => {
    before(() => {
      for (const { path, edit } of Object.values(edits)) edit(pair.at('passive', path));
      writeFileSync(pair.at('passive', 'etc/binary.db'), 'a\0longer');
    });

    it('names each with its kind, exits 1, and does not count an mtime', async () => {
      const ran = await pair.run('active', ['verify', '--json']);
      assert.equal(ran.code, 1, ran.stderr);
      const expected = Object.entries(edits).map(([kind, { path }]) => [path, kind]);
      const { '/etc/mtime.conf': _mtime, ...found } = Object.fromEntries(expected);
      assert.deepEqual(driftOf(ran), { ...found, '/etc/binary.db': 'content' });
    });

    it('finds a different mtime with --full, and every other difference too', async () => {
      const ran = await pair.run('active', ['verify', '--full', '--json']);
      assert.equal(ran.code, 1, ran.stderr);
      const expected = Object.entries(edits).map(([kind, { path }]) => [path, kind]);
      assert.deepEqual(driftOf(ran), { ...Object.fromEntries(expected), '/etc/binary.db': 'content' });
    });

    it('keeps the shape of its JSON', async () => {
      const found = asJson(await pair.run('active', ['verify', '--json']));
      assert.equal(found.inSync, false);
      assert.equal(found.checked, 10);
      assert.ok(Number.isInteger(found.durationMs) && found.durationMs > 0);
      assert.deepEqual(
        found.peers.map(({ name }) => name),
        ['mail2'],
      );
      const drift = found.peers[0]?.drift ?? [];
      for (const one of drift)
        assert.deepEqual(Object.keys(one).sort(), ['active', 'kind', 'passive', 'path']);
      const at = (path: string): Drift | undefined => drift.find((one) => one.path === path);
      assert.deepEqual(at('/etc/missing.conf')?.passive, { kind: 'absent' });
      assert.deepEqual(at('/etc/extra.conf')?.active, { kind: 'absent' });
      assert.deepEqual(
        { ...at('/etc/mode.conf')?.passive },
        { ...at('/etc/mode.conf')?.active, mode: 0o600 },
      );
      assert.deepEqual(at('/etc/link')?.passive, {
        kind: 'symlink',
        target: 'elsewhere',
        owner: 'root',
        group: 'root',
      });
    });

    it('changes nothing on either node', async () => {
      const before = differences(pair.root('active'), pair.root('passive'));
      assert.notEqual(before, '');
      await pair.run('active', ['verify', '--full', '--diff']);
      assert.equal(differences(pair.root('active'), pair.root('passive')), before);
    });

    it('shows a unified diff of text, and sizes of anything else', async () => {
      const ran = await pair.run('active', ['verify', '--diff']);
      assert.equal(ran.code, 1);
      const diff =
        '--- mail2:/etc/content.conf\n+++ mail1:/etc/content.conf\n@@ -1,3 +1,3 @@\n one\n-2\n+two\n three\n';
      assert.ok(ran.stdout.includes(diff), ran.stdout);
      assert.match(ran.stdout, /^\+only here$/m);
      assert.match(ran.stdout, /^-only there$/m);
      assert.match(ran.stdout, /^binary \/etc\/binary\.db: mail2 8 B, mail1 3 B$/m);
      assert.match(ran.stdout, /^mail2: 9 paths differ, 10 paths checked in /m);
      assert.match(ran.stdout, /^hint: .*resync/m);
      assert.ok(!ran.stdout.includes('\u001b'), 'no colour without a terminal');
    });

    it('prints CRITICAL on one line and exits 2 for Nagios', async () => {
      const ran = await pair.run('active', ['verify', '--nagios']);
      assert.equal(ran.code, 2, ran.stderr);
      assert.match(
        ran.stdout,
        /^BM-CONFSYNC CRITICAL - 9 paths differ, 10 paths checked \| drift=9;0;0;0; checked=10;;;0; time=\d+\.\d{3}s;;;0;\n$/,
      );
    });
  });
});

describe('verify, while the daemon runs', () => {
  let pair: Pair;
  before(async () => {
    pair = await Pair.open();
    write(pair.root('active'), tree);
    execFileSync('cp', ['-a', `${pair.root('active')}/.`, pair.root('passive')]);
    await pair.startActive();
  });
  after(() => pair[Symbol.asyncDispose]());
  const sessions = (): number => pair.sshd.log().match(/Accepted publickey/g)?.length ?? 0;

  it('opens no connection of its own, and looks at both disks all the same', async () => {
    const before = sessions();
    assert.equal(before, 1);
    const same = await pair.run('active', ['verify', '--json']);
    assert.equal(same.code, 0, same.stderr);
    const { checked, inSync, peers } = asJson(same);
    assert.deepEqual(
      { checked, inSync, names: peers.map(({ name }) => name) },
      { checked: 9, inSync: true, names: ['mail2'] },
    );

    for (const { path, edit } of Object.values(edits)) edit(pair.at('passive', path));
    for (const flags of [[], ['--full']]) {
      const ran = await pair.run('active', ['verify', '--json', ...flags]);
      assert.equal(ran.code, 1, ran.stderr);
      const expected = Object.entries(edits).map(([kind, { path }]) => [path, kind]);
      const { '/etc/mtime.conf': mtime, ...found } = Object.fromEntries(expected);
      assert.deepEqual(driftOf(ran), flags.length === 0 ? found : { ...found, '/etc/mtime.conf': mtime });
    }
    assert.equal(sessions(), before);
  });

  it('finds a change that keeps size and mtime', async () => {
    const file = pair.at('passive', '/etc/content.conf');
    const { atime, mtime } = statSync(pair.at('active', '/etc/content.conf'));
    writeFileSync(file, 'one\ntwo\nthrex\n');
    utimesSync(file, atime, mtime);
    const ran = await pair.run('active', ['verify', '--json']);
    assert.equal(driftOf(ran)['/etc/content.conf'], 'content');
  });

  it('answers several at once', async () => {
    const runs = await Promise.all([1, 2, 3].map(() => pair.run('active', ['verify', '--json'])));
    for (const ran of runs) assert.equal(ran.code, 1, ran.stderr);
    const [first, ...others] = runs.map(driftOf);
    for (const other of others) assert.deepEqual(other, first);
  });

  it('does not take the daemon’s word for a configuration that was changed since', async () => {
    const config = pair.config('active');
    const before = readFileSync(config);
    const { peers, ...rest } = parse(before.toString()) as { peers: Record<string, unknown>[] };
    const more = [...peers, { ...peers[0], name: 'mail3', port: 9 }];
    writeFileSync(config, stringify({ ...rest, peers: more }));
    const ran = await pair.run('active', ['verify']);
    assert.equal(ran.code, 3, ran.stdout);
    assert.match(ran.stderr, /mail3/);
    writeFileSync(config, before);
  });

  it('connects by itself where the daemon has no session, and for what --diff shows', async () => {
    const before = sessions();
    const shown = await pair.run('active', ['verify', '--diff']);
    assert.match(shown.stdout, /^-threx$/m);
    assert.equal(sessions(), before + 1);
    await pair.run('active', ['ha', 'disable', '--reason', 'upgrade', '--local']);
    const disabled = await pair.run('active', ['verify', '--json']);
    assert.equal(disabled.code, 1, disabled.stderr);
    assert.equal(driftOf(disabled)['/etc/content.conf'], 'content');
    assert.equal(sessions(), before + 2);
  });
});

describe('verify, when it cannot compare', () => {
  let pair: Pair;
  before(async () => {
    pair = await Pair.open();
    write(pair.root('active'), { 'etc/a.conf': 'a' });
  });
  after(() => pair[Symbol.asyncDispose]());

  const withPeers = (
    change: (peer: Record<string, unknown>) => Record<string, unknown> | undefined,
  ): string => {
    const config = parse(readFileSync(pair.config('active'), 'utf8')) as { peers: Record<string, unknown>[] };
    const file = join(pair.folder, 'active', 'changed.yml');
    writeFileSync(
      file,
      stringify({ ...config, peers: config.peers.map(change).filter((peer) => peer !== undefined) }),
      { mode: 0o600 },
    );
    return file;
  };

  it('refuses a host key that is not the pinned one, names both fingerprints, and exits 3', async () => {
    const other = join(pair.folder, 'other_key');
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', other]);
    const hostKey = readFileSync(`${other}.pub`, 'utf8').split(' ').slice(0, 2).join(' ');
    const ran = await pair.run('active', ['verify', '--config', withPeers((peer) => ({ ...peer, hostKey }))]);
    assert.equal(ran.code, 3);
    const fingerprint = (key: string): string =>
      keyFingerprint(Buffer.from(key.split(' ')[1] ?? '', 'base64'));
    const told = `host key of mail2 (127.0.0.1) changed: expected ${fingerprint(hostKey)}, found ${fingerprint(pair.sshd.hostKey)}`;
    assert.ok(ran.stderr.includes(told), ran.stderr);
    assert.match(ran.stderr, /^hint: {2}\S/m);
    assert.deepEqual(pair.sshd.sessions().commands, []);
  });

  it('wants a pinned host key before it connects', async () => {
    const file = withPeers(({ hostKey: _hostKey, ...peer }) => peer);
    const ran = await pair.run('active', ['verify', '--config', file]);
    assert.equal(ran.code, 2);
    assert.match(ran.stderr, /expected peers\.hostKey for mail2, found none/);
  });

  it('does not call a node without peers in sync', async () => {
    const file = withPeers(() => undefined);
    for (const command of ['verify', 'resync']) {
      const ran = await pair.run('active', [command, '--config', file]);
      assert.equal(ran.code, 2, command);
      assert.match(ran.stderr, /expected at least one peer/);
    }
    const nagios = await pair.run('active', ['verify', '--nagios', '--config', file]);
    assert.equal(nagios.code, 3);
    assert.match(nagios.stdout, /^BM-CONFSYNC UNKNOWN - expected at least one peer/);
  });

  it('exits 3 with a hint when the peer is down, for Nagios too', async () => {
    await pair.sshd.pause();
    const ran = await pair.run('active', ['verify']);
    assert.equal(ran.code, 3);
    assert.match(ran.stderr, /^error: cannot reach mail2 \(\S+@127\.0\.0\.1:\d+\)/);
    assert.match(ran.stderr, /^hint: {2}check that the peer is up/m);
    const nagios = await pair.run('active', ['verify', '--nagios']);
    assert.equal(nagios.code, 3);
    assert.match(nagios.stdout, /^BM-CONFSYNC UNKNOWN - cannot reach mail2.*\n$/);
  });
});
