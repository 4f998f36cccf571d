import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { openNode } from '../../src/cli/node.ts';
import { placeLocally } from '../../src/cli/place-locally.ts';
import type { Entry, FileEntry } from '../../src/core/entry.ts';
import type { ReplicaPath } from '../../src/core/path.ts';
import { type NodeName, Pair } from '../world/pair.ts';
import { differences, leftovers, write } from '../world/tree.ts';

type Line = { id: string; node: string; reason: string; at: number; epoch: number; entry: Entry };
type Listed = { versions: Line[]; silent: { node: string }[] };

function digestOf(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

function fileOf(content: string | Buffer, more: Partial<FileEntry> = {}): FileEntry {
  return {
    kind: 'file',
    digest: digestOf(content),
    size: Buffer.byteLength(content),
    mode: 0o640,
    owner: 'daemon',
    group: 'bin',
    mtime: '1500000000.123456789',
    xattrs: {},
    ...more,
  };
}

/** Puts a version into a node's store as an earlier session would have. Answers its id. */
async function keep(
  pair: Pair,
  name: NodeName,
  path: string,
  what: string | Buffer | Exclude<Entry, FileEntry>,
): Promise<string> {
  const node = await openNode(pair.config(name), () => undefined);
  const about = { path: path as ReplicaPath, epoch: 1, peer: 'mail1', now: Date.now() } as const;
  const id =
    typeof what === 'object' && 'kind' in what
      ? node.versions.adopt({ ...about, reason: 'removed', entry: what, from: scratch(pair, what) })
      : node.versions.keep({ ...about, reason: 'refused', content: Buffer.from(what), entry: fileOf(what) });
  node.database.close();
  return id;
}

/** Something of this kind to be taken over. */
function scratch(pair: Pair, { kind }: Exclude<Entry, FileEntry>): string {
  const at = join(pair.folder, 'scratch');
  if (kind === 'directory') mkdirSync(at);
  if (kind === 'symlink') symlinkSync('anywhere', at);
  return at;
}

async function listed(pair: Pair, path: string, name: NodeName = 'active'): Promise<Listed> {
  return (await pair.json(name, ['history', path])) as Listed;
}

describe('versions with a running daemon', () => {
  let pair: Pair;
  before(async () => {
    pair = await Pair.open();
    await pair.startActive();
  });
  after(() => pair[Symbol.asyncDispose]());

  async function flush(): Promise<void> {
    const flushed = await pair.flush();
    assert.equal(flushed.code, 0, flushed.stderr + flushed.stdout);
  }

  async function put(content: string): Promise<void> {
    write(pair.root('active'), {
      'etc/a.conf': { content, mode: 0o640, uid: 1, gid: 2, mtime: 1_500_000_000 },
    });
    await flush();
  }

  it('lists what was overwritten and removed, newest first, from either node', async () => {
    await put('one\n');
    await put('two and more\n');
    unlinkSync(pair.at('active', 'etc/a.conf'));
    await flush();
    const { versions, silent } = await listed(pair, '/etc/a.conf');
    assert.deepEqual(silent, []);
    assert.deepEqual(
      versions.map(({ node, reason, epoch, entry }) => [node, reason, epoch, (entry as FileEntry).digest]),
      [
        ['mail2', 'removed', 1, digestOf('two and more\n')],
        ['mail2', 'overwritten', 1, digestOf('one\n')],
      ],
    );
    const there = await listed(pair, '/etc/a.conf', 'passive');
    assert.deepEqual(there.versions, versions);
    const shown = await pair.run('active', ['history', '/etc/a.conf']);
    assert.equal(shown.code, 0, shown.stderr);
    const [removed, overwritten] = shown.stdout.split('\n').filter((line) => line.includes(' mail2 '));
    assert.match(removed ?? '', /^[0-9a-f]{10} {2}mail2 {2}\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}.* removed {6}/);
    assert.match(overwritten ?? '', / overwritten {2}file 0640 daemon:bin 4 B sha256 2c8b08da5ce6$/);
  });

  it('puts a removed file back on both nodes, byte for byte, with mode, owner and time', async () => {
    const [, older] = (await listed(pair, '/etc/a.conf')).versions;
    const ran = await pair.run('active', ['restore', '/etc/a.conf', '--version', older?.id ?? '']);
    assert.equal(ran.code, 0, ran.stderr);
    assert.match(ran.stdout, /^restored \/etc\/a\.conf from version [0-9a-f]{10}, kept on mail2$/m);
    assert.match(ran.stdout, /the running daemon replicates it/);
    await flush();
    for (const name of ['active', 'passive'] as const) {
      assert.equal(readFileSync(pair.at(name, 'etc/a.conf'), 'utf8'), 'one\n');
      const { mode, uid, gid, mtimeMs } = statSync(pair.at(name, 'etc/a.conf'));
      assert.deepEqual([mode & 0o7777, uid, gid, mtimeMs], [0o640, 1, 2, 1_500_000_000_000]);
    }
    assert.equal(differences(pair.root('active'), pair.root('passive')), '');
  });

  it('keeps what a restore replaces, so that it can be taken back', async () => {
    const newest = (await listed(pair, '/etc/a.conf')).versions.find(
      ({ entry }) => (entry as FileEntry).digest === digestOf('two and more\n'),
    );
    await pair.run('active', ['restore', '/etc/a.conf', '--version', newest?.id ?? '', '--yes']);
    await flush();
    const { versions } = await listed(pair, '/etc/a.conf');
    const own = versions.filter(({ node }) => node === 'mail1');
    assert.deepEqual(
      own.map(({ reason, entry }) => [reason, (entry as FileEntry).digest]),
      [['overwritten', digestOf('one\n')]],
    );
    const back = await pair.json('active', ['restore', '/etc/a.conf', '--version', own[0]?.id ?? '']);
    assert.deepEqual([back['from'], back['result'], back['daemon']], ['mail1', 'applied', true]);
    await flush();
    assert.equal(readFileSync(pair.at('passive', 'etc/a.conf'), 'utf8'), 'one\n');
  });

  it('puts a link back', async () => {
    symlinkSync('a.conf', pair.at('active', 'etc/link'));
    await flush();
    rmSync(pair.at('active', 'etc/link'));
    await flush();
    const [link] = (await listed(pair, '/etc/link')).versions;
    assert.equal(link?.entry.kind, 'symlink');
    const ran = await pair.run('active', ['restore', '/etc/link', '--version', link?.id ?? '']);
    assert.equal(ran.code, 0, ran.stderr);
    await flush();
    assert.equal(readlinkSync(pair.at('passive', 'etc/link')), 'a.conf');
  });
});

describe('restore without a daemon', () => {
  let pair: Pair;
  const at = (path: string): string => pair.at('active', path);
  const restore = (path: string, id: string, ...more: string[]) =>
    pair.run('active', ['restore', path, '--version', id, ...more]);
  before(async () => {
    pair = await Pair.open();
  });
  after(() => pair[Symbol.asyncDispose]());

  it('--diff shows what would change, changes nothing, and exits 1; 0 when there is nothing to change', async () => {
    write(pair.root('active'), {
      'etc/diff.conf': { content: 'one\nnew\nthree\n', mode: 0o640, uid: 1, gid: 2 },
    });
    const id = await keep(pair, 'active', '/etc/diff.conf', 'one\nold\nthree\n');
    const ran = await restore('/etc/diff.conf', id, '--diff');
    assert.equal(ran.code, 1, ran.stderr);
    assert.match(ran.stdout, /^-new\n\+old$/m);
    assert.match(ran.stdout, /^--- mail1:\/etc\/diff\.conf$/m);
    assert.equal(readFileSync(at('etc/diff.conf'), 'utf8'), 'one\nnew\nthree\n');
    assert.equal((await listed(pair, '/etc/diff.conf')).versions.length, 1);
    assert.equal((await restore('/etc/diff.conf', id)).code, 0);
    const same = await restore('/etc/diff.conf', id, '--diff', '--json');
    assert.equal(same.code, 0, same.stderr);
    assert.equal((JSON.parse(same.stdout) as { same: boolean }).same, true);
  });

  it('says that it is replicated when the daemon starts, and it is', async () => {
    write(pair.root('active'), { 'etc/later.conf': 'new\n' });
    const id = await keep(pair, 'active', '/etc/later.conf', 'old\n');
    const ran = await restore('/etc/later.conf', id);
    assert.equal(ran.code, 0, ran.stderr);
    assert.match(ran.stdout, /it is replicated when the daemon starts/);
    const again = await restore('/etc/later.conf', id);
    assert.match(again.stdout, /is what version \w+ says already; nothing was changed/);
    const daemon = await pair.startActive();
    assert.equal((await pair.flush()).code, 0);
    assert.equal(await daemon.stop(), 0);
    assert.equal(readFileSync(pair.at('passive', 'etc/later.conf'), 'utf8'), 'old\n');
    assert.equal(statSync(pair.at('passive', 'etc/later.conf')).uid, 1);
  });

  it('restores a directory, and that there was nothing', async () => {
    const directory = { kind: 'directory', mode: 0o750, owner: 'daemon', group: 'bin', xattrs: {} } as const;
    const made = await keep(pair, 'active', '/etc/made.d', directory);
    assert.equal((await restore('/etc/made.d', made)).code, 0);
    assert.equal(lstatSync(at('etc/made.d')).mode, 0o040750);
    write(pair.root('active'), { 'etc/made.d/x': 'x\n' });
    const nothing = await keep(pair, 'active', '/etc/made.d', { kind: 'absent' });
    const full = await restore('/etc/made.d', nothing);
    assert.equal(full.code, 4);
    assert.match(full.stderr, /not-empty/);
    assert.ok(existsSync(at('etc/made.d/x')));
    const gone = await keep(pair, 'active', '/etc/made.d/x', { kind: 'absent' });
    assert.equal((await restore('/etc/made.d/x', gone)).code, 0);
    assert.equal((await restore('/etc/made.d', nothing)).code, 0);
    assert.ok(!existsSync(at('etc/made.d')));
    const [kept] = (await listed(pair, '/etc/made.d/x')).versions;
    assert.deepEqual(kept?.entry.kind === 'file' ? kept.entry.digest : kept, digestOf('x\n'));
  });

  it('restores large files of any length, and only attributes where the content is there', async () => {
    for (const size of [256 * 1024, 256 * 1024 + 1, 512 * 1024, 3_000_001]) {
      const content = Buffer.alloc(size, size % 251);
      const id = await keep(pair, 'active', '/etc/large.bin', content);
      const ran = await restore('/etc/large.bin', id);
      assert.equal(ran.code, 0, ran.stderr);
      assert.ok(readFileSync(at('etc/large.bin')).equals(content), String(size));
    }
    const [, before] = (await listed(pair, '/etc/large.bin')).versions;
    assert.ok(before !== undefined);
    writeFileSync(at('etc/attributes'), 'same\n', { mode: 0o666 });
    const id = await keep(pair, 'active', '/etc/attributes', 'same\n');
    assert.equal((await restore('/etc/attributes', id)).code, 0);
    const { mode, uid, mtimeMs } = statSync(at('etc/attributes'));
    assert.deepEqual([mode & 0o7777, uid, Math.floor(mtimeMs)], [0o640, 1, 1_500_000_000_123]);
    assert.equal(leftovers(pair.root('active')), '');
  });

  it('takes a version that only the passive keeps', async () => {
    write(pair.root('active'), { 'etc/far.conf': 'here\n' });
    const content = Buffer.alloc(300_000, 'far\n');
    const id = await keep(pair, 'passive', '/etc/far.conf', content);
    const ran = await restore('/etc/far.conf', id);
    assert.equal(ran.code, 0, ran.stderr);
    assert.match(ran.stdout, /kept on mail2/);
    assert.ok(readFileSync(at('etc/far.conf')).equals(content));
  });

  it('refuses damaged content and leaves the file as it is', async () => {
    for (const name of ['active', 'passive'] as const) {
      write(pair.root('active'), { 'etc/damaged.conf': 'now\n' });
      const content = `was on ${name}\n`;
      const id = await keep(pair, name, '/etc/damaged.conf', content);
      const digest = digestOf(content);
      writeFileSync(join(pair.state(name), 'objects', digest.slice(0, 2), digest.slice(2)), 'something else');
      const ran = await restore('/etc/damaged.conf', id);
      assert.equal(ran.code, 2, ran.stderr);
      assert.match(ran.stderr, /expected .*the content of version/);
      assert.equal(readFileSync(at('etc/damaged.conf'), 'utf8'), 'now\n');
    }
  });
});

describe('refusals of restore', () => {
  let pair: Pair;
  let id: string;
  before(async () => {
    pair = await Pair.open();
    write(pair.root('active'), { 'etc/a.conf': 'now\n' });
    id = await keep(pair, 'active', '/etc/a.conf', 'then\n');
  });
  after(() => pair[Symbol.asyncDispose]());

  async function refusal(name: NodeName, args: string[], code: number): Promise<string> {
    const ran = await pair.run(name, args);
    assert.equal(ran.code, code, ran.stderr + ran.stdout);
    assert.match(ran.stderr, /^hint: {2}\S/m);
    assert.equal(readFileSync(pair.at('active', 'etc/a.conf'), 'utf8'), 'now\n');
    return ran.stderr;
  }

  it('an id that nobody has, and one of another path', async () => {
    const unknown = await refusal('active', ['restore', '/etc/a.conf', '--version', '0123456789'], 2);
    assert.match(unknown, /"0123456789", which no node has/);
    const other = await refusal('active', ['restore', '/etc/b.conf', '--version', id], 2);
    assert.match(other, /is one of \/etc\/a\.conf/);
  });

  it('on the passive node', async () => {
    const said = await refusal('passive', ['restore', '/etc/a.conf', '--version', id], 4);
    assert.match(said, /restore works on the active node/);
  });

  it('a path of no watchlist, and one whose directory is gone', async () => {
    const outside = await keep(pair, 'active', '/usr/a.conf', 'x\n');
    mkdirSync(pair.at('active', 'usr'));
    const said = await refusal('active', ['restore', '/usr/a.conf', '--version', outside], 4);
    assert.match(said, /outside-watchlist/);
    const orphan = await keep(pair, 'active', '/etc/gone.d/a.conf', 'x\n');
    const missing = await refusal('active', ['restore', '/etc/gone.d/a.conf', '--version', orphan], 4);
    assert.match(missing, /parent-missing/);
    assert.ok(!existsSync(pair.at('active', 'etc/gone.d')));
  });

  it('while HA is disabled, as resync is; history, --diff and --dry-run go on', async () => {
    const node = await openNode(pair.config('active'), () => undefined);
    node.switches.disable({ reason: 'upgrade to 5.3', by: 'root' }, Date.now());
    node.database.close();
    try {
      for (const args of [
        ['restore', '/etc/a.conf', '--version', id],
        ['resync', '--yes'],
      ]) {
        const said = await refusal('active', args, 4);
        assert.match(said, /refused while HA is disabled on mail1: upgrade to 5\.3/);
        assert.match(said, /bm-confsync ha enable/);
      }
      assert.equal((await pair.run('active', ['history', '/etc/a.conf'])).code, 0);
      assert.equal((await pair.run('active', ['restore', '/etc/a.conf', '--version', id, '--diff'])).code, 1);
      assert.equal((await pair.run('active', ['resync', '--dry-run'])).code, 1);
    } finally {
      const again = await openNode(pair.config('active'), () => undefined);
      again.switches.enable();
      again.database.close();
    }
  });

  it('a peer that is down: history says so and goes on, restore of an id that only it can have exits 3', async () => {
    await pair.sshd.pause();
    const ran = await pair.run('active', ['history', '/etc/a.conf']);
    assert.equal(ran.code, 0, ran.stderr);
    assert.match(ran.stderr, /^note: without the versions on mail2: cannot reach mail2/m);
    assert.ok(ran.stdout.includes(id), ran.stdout);
    const { silent } = await listed(pair, '/etc/a.conf');
    assert.deepEqual(
      silent.map(({ node }) => node),
      ['mail2'],
    );
    await refusal('active', ['restore', '/etc/a.conf', '--version', '0123456789'], 3);
  });
});

describe('what is printed of hostile names', () => {
  it('is escaped', async () => {
    await using pair = await Pair.open();
    const path = '/etc/\u001b[31mred\nline';
    writeFileSync(pair.at('active', path.slice(1)), 'now\u001b[0m\n');
    const id = await keep(pair, 'active', path, 'then\u001b]0;title\u0007\n');
    const link = await keep(pair, 'active', path, {
      kind: 'symlink',
      target: '\u001b[2J',
      owner: 'root',
      group: 'root',
    });
    for (const args of [
      ['history', path],
      ['restore', path, '--version', id, '--diff'],
      ['restore', path, '--version', link, '--diff'],
      ['restore', path, '--version', id],
      ['restore', path, '--version', 'x\u001b[1m'],
    ]) {
      const { stdout, stderr } = await pair.run('active', args);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this looks for
      assert.doesNotMatch(`${stdout}${stderr}`, /[\u0000-\u0008\u000b-\u001f\u007f]/);
      assert.doesNotMatch(`${stdout}${stderr}`, /^line/m);
    }
    assert.equal(readFileSync(pair.at('active', path.slice(1)), 'utf8'), 'then\u001b]0;title\u0007\n');
  });
});

describe('placing on this node', () => {
  it('overwrites nothing but what was expected, and keeps what it displaces', async () => {
    await using pair = await Pair.open();
    write(pair.root('active'), { 'etc/a.conf': 'somebody was quicker\n' });
    const node = await openNode(pair.config('active'), () => undefined);
    const path = '/etc/a.conf' as ReplicaPath;
    const about = { path, put: fileOf('put\n'), content: Buffer.from('put\n'), epoch: 3, peer: 'mail2' };
    const conflict = await placeLocally(node, { ...about, expect: { kind: 'absent' } });
    assert.equal(conflict.kind, 'conflict');
    assert.equal(readFileSync(pair.at('active', 'etc/a.conf'), 'utf8'), 'somebody was quicker\n');
    assert.deepEqual(node.versions.list(path), []);
    assert.equal(conflict.kind === 'conflict' && conflict.found.kind, 'file');
    const expect = conflict.kind === 'conflict' ? conflict.found : about.put;
    const wrong = await placeLocally(node, { ...about, expect, content: Buffer.from('not') });
    assert.equal(wrong.kind === 'refused' && wrong.reason, 'digest-mismatch');
    const [first, second] = await Promise.all([
      placeLocally(node, { ...about, expect }),
      placeLocally(node, { ...about, expect }),
    ]);
    assert.deepEqual([first.kind, second.kind].sort(), ['already-there', 'applied']);
    assert.equal(readFileSync(pair.at('active', 'etc/a.conf'), 'utf8'), 'put\n');
    const kept = node.versions.list(path).map(({ reason, peer, epoch }) => ({ reason, peer, epoch }));
    assert.deepEqual(kept, [{ reason: 'overwritten', peer: 'mail2', epoch: 3 }]);
    assert.equal(node.versions.displaced, 0, 'what it displaced survives a power cut');
    node.database.close();
    assert.equal(leftovers(pair.root('active')), '');
  });
});
