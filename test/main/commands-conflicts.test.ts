import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { openNode } from '../../src/cli/node.ts';
import type { Entry } from '../../src/core/entry.ts';
import type { ReplicaPath } from '../../src/core/path.ts';
import type { Conflict } from '../../src/state/conflicts.ts';
import { type NodeName, Pair } from '../world/pair.ts';
import { write } from '../world/tree.ts';

type Shown = Conflict & {
  node: string;
  role: string;
  diffs: { from: string; to: string; text: string }[];
  missing: { name: string; why: string }[];
};

async function conflictsOf(pair: Pair, name: NodeName = 'active'): Promise<Conflict[]> {
  return (await pair.json(name, ['conflicts', 'list'])) as unknown as Conflict[];
}

async function show(pair: Pair, path: string, name: NodeName = 'active'): Promise<Shown> {
  const conflict = (await conflictsOf(pair, name)).find((one) => one.path === path);
  assert.ok(conflict !== undefined, `a conflict of ${path}`);
  return (await pair.json(name, ['conflicts', 'show', conflict.id])) as unknown as Shown;
}

describe('conflicts on the active node', () => {
  let pair: Pair;
  const edit = (name: NodeName, path: string, content: string): void =>
    writeFileSync(pair.at(name, path), content);
  before(async () => {
    pair = await Pair.open();
    write(pair.root('active'), {
      'etc/both.conf': 'one\ntwo\nthree\n',
      'etc/deleted.conf': 'to be deleted\n',
      'etc/link': { symlink: 'both.conf' },
      'etc/passive.conf': 'agreed\n',
      'etc/quiet.conf': 'quiet\n',
    });
    const daemon = await pair.startActive();
    assert.equal((await pair.flush()).code, 0);
    assert.equal(await daemon.stop(), 0);
    edit('active', 'etc/both.conf', 'one\nTWO on mail1\nthree\n');
    edit('passive', 'etc/both.conf', 'one\ntwo\nTHREE on mail2\n');
    unlinkSync(pair.at('active', 'etc/deleted.conf'));
    edit('passive', 'etc/deleted.conf', 'edited meanwhile\n');
    for (const [name, target] of [
      ['active', 'quiet.conf'],
      ['passive', 'passive.conf'],
    ] as const) {
      rmSync(pair.at(name, 'etc/link'));
      symlinkSync(target, pair.at(name, 'etc/link'));
    }
    edit('passive', 'etc/passive.conf', 'edited on the wrong node\n');
    await pair.startActive();
  });
  after(() => pair[Symbol.asyncDispose]());

  it('are listed, with both entries, and exit 1', async () => {
    const ran = await pair.run('active', ['conflicts', 'list', '--json']);
    assert.equal(ran.code, 1, ran.stderr);
    const found = JSON.parse(ran.stdout) as Conflict[];
    assert.deepEqual(
      found.map(({ path, kind, epoch, peer }) => [path, kind, epoch, peer]),
      [
        ['/etc/both.conf', 'edited-on-both', 1, 'mail2'],
        ['/etc/deleted.conf', 'edited-on-both', 1, 'mail2'],
        ['/etc/link', 'edited-on-both', 1, 'mail2'],
        ['/etc/passive.conf', 'edited-on-passive', 1, 'mail2'],
      ],
    );
    const [both, deleted] = found;
    assert.match(both?.id ?? '', /^[0-9a-f]{10}$/);
    assert.deepEqual(
      [both?.agreed, both?.active, both?.passive].map((entry) => entry?.kind === 'file' && entry.size),
      [14, 23, 23],
    );
    assert.deepEqual([deleted?.active.kind, deleted?.passive.kind], ['absent', 'file']);
    assert.ok(Math.abs((both?.detectedAt ?? 0) - Date.now()) < 300_000);
  });

  it('are a table for people', async () => {
    const ran = await pair.run('active', ['conflicts', 'list']);
    assert.equal(ran.code, 1, ran.stderr);
    assert.match(ran.stdout, /^[0-9a-f]{10} {2}edited-on-both {5}.* mail2 {2}\/etc\/both\.conf$/m);
    assert.match(ran.stdout, /^4 conflicts; /m);
    assert.match(ran.stdout, /bm-confsync conflicts show [0-9a-f]{10}/);
  });

  it('are listed without the second word too', async () => {
    const ran = await pair.run('active', ['conflicts', '--json']);
    assert.equal(ran.code, 1, ran.stderr);
    assert.deepEqual(JSON.parse(ran.stdout), await conflictsOf(pair));
  });

  it('show the three sides, and what each node made of what was agreed', async () => {
    // Neither disk has the agreed content any more: a version of it is what the passive would have kept.
    const node = await openNode(pair.config('active'), () => undefined);
    const content = Buffer.from('one\ntwo\nthree\n');
    const [both] = node.conflicts.list();
    assert.equal(both?.agreed?.kind, 'file');
    const before = await show(pair, '/etc/both.conf');
    assert.deepEqual(
      before.diffs.map(({ from, to }) => [from, to]),
      [['mail1', 'mail2']],
    );
    assert.deepEqual(
      before.missing.map(({ name }) => name),
      ['agreed'],
    );
    if (both?.agreed?.kind === 'file')
      node.versions.keep({
        path: both.path,
        content,
        entry: both.agreed,
        epoch: 1,
        reason: 'refused',
        peer: 'mail2',
        now: Date.now(),
      });
    node.database.close();
    const { diffs, missing, role, id } = await show(pair, '/etc/both.conf');
    assert.equal(role, 'active');
    assert.deepEqual(missing, []);
    assert.deepEqual(
      diffs.map(({ from, to }) => [from, to]),
      [
        ['agreed', 'mail1'],
        ['agreed', 'mail2'],
      ],
    );
    assert.match(diffs[0]?.text ?? '', /^-two\n\+TWO on mail1$/m);
    assert.match(diffs[1]?.text ?? '', /^-three\n\+THREE on mail2$/m);
    const ran = await pair.run('active', ['conflicts', 'show', id]);
    assert.equal(ran.code, 0, ran.stderr);
    assert.match(
      ran.stdout,
      /^ {2}mail1 \(active\): {2}file 0644 root:root 23 B sha256 \w+, written \d{4}-/m,
    );
    assert.match(ran.stdout, /^ {2}you are on: mail1, the active node$/m);
    assert.ok(ran.stdout.includes(`bm-confsync conflicts resolve ${id} --take passive\n`), ran.stdout);
  });

  it('show a deletion against an edit, and two links', async () => {
    const deleted = await show(pair, '/etc/deleted.conf');
    const [diff] = deleted.diffs;
    assert.match(diff?.text ?? '', /^\+edited meanwhile$/m);
    const link = await show(pair, '/etc/link');
    assert.deepEqual([link.diffs, link.missing], [[], []]);
    const ran = await pair.run('active', ['conflicts', 'show', link.id]);
    assert.match(ran.stdout, /^ {2}mail1 \(active\): {2}symlink to quiet\.conf, root:root$/m);
    assert.match(ran.stdout, /^ {2}mail2 \(passive\): symlink to passive\.conf, root:root$/m);
  });

  it('show what the passive made of what is agreed, which the active still has', async () => {
    const { diffs } = await show(pair, '/etc/passive.conf');
    const [own, other] = diffs;
    assert.deepEqual(
      [own?.from, own?.to, own?.text],
      ['agreed', 'mail1', 'agreed and mail1: the same content\n'],
    );
    assert.match(other?.text ?? '', /^-agreed\n\+edited on the wrong node$/m);
  });

  it('change nothing on disk when they are shown', () => {
    assert.equal(readFileSync(pair.at('passive', 'etc/both.conf'), 'utf8'), 'one\ntwo\nTHREE on mail2\n');
    assert.equal(readFileSync(pair.at('active', 'etc/both.conf'), 'utf8'), 'one\nTWO on mail1\nthree\n');
  });

  it('that are not there fail with the way to those that are', async () => {
    const ran = await pair.run('active', ['conflicts', 'show', '0123456789']);
    assert.equal(ran.code, 2);
    assert.match(ran.stderr, /expected the id of a conflict that waits, found "0123456789"/);
    assert.match(ran.stderr, /^hint: {2}see `bm-confsync conflicts list`/m);
  });
});

describe('conflicts on a pair without daemons', () => {
  let pair: Pair;
  before(async () => {
    pair = await Pair.open();
  });
  after(() => pair[Symbol.asyncDispose]());

  const file = (digest: string, size: number): Entry => ({
    kind: 'file',
    digest,
    size,
    mode: 0o644,
    owner: 'root',
    group: 'root',
    mtime: '1500000000.000000000',
    xattrs: {},
  });

  it('are none on a fresh node, exit 0', async () => {
    const ran = await pair.run('active', ['conflicts', 'list']);
    assert.deepEqual([ran.code, ran.stdout], [0, 'no conflicts\n']);
    assert.deepEqual(await conflictsOf(pair), []);
  });

  it('cannot be resolved: that needs the daemon, and says so', async () => {
    const ran = await pair.run('active', ['conflicts', 'resolve', '0123456789', '--take', 'active']);
    assert.equal(ran.code, 2);
    assert.match(ran.stderr, /expected the daemon to answer in .*, found none running/);
  });

  it('say on the passive node, whose configuration may know no peer, that the other side cannot be had', async () => {
    const path = '/etc/\u001b[31mred\nline.conf' as ReplicaPath;
    const node = await openNode(pair.config('passive'), () => undefined);
    const { id } = node.conflicts.put({
      peer: 'mail1',
      path,
      kind: 'edited-on-both',
      active: file('a'.repeat(64), 5),
      passive: file('b'.repeat(64), 5_000_000),
      epoch: 1,
      detectedAt: Date.now(),
    });
    node.database.close();
    const ran = await pair.run('passive', ['conflicts', 'show', id]);
    assert.equal(ran.code, 0, ran.stderr);
    assert.match(ran.stdout, /the content of mail1 cannot be shown: mail1 is not among the peers/);
    assert.match(ran.stdout, /the content of mail2 cannot be shown: it is too large to show, 4\.8 MiB/);
    assert.match(ran.stdout, /^ {2}you are on: mail2, the passive node$/m);
    assert.match(ran.stdout, /^ {2}agreed: {10}never agreed on$/m);
    const listed = await pair.run('passive', ['conflicts', 'list']);
    assert.match(listed.stdout, /\/etc\/\\x1b\[31mred\\x0aline\.conf$/m);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this looks for
    assert.doesNotMatch(`${listed.stdout}${ran.stdout}${ran.stderr}`, /[\u0000-\u0009\u000b-\u001f\u007f]/);
  });

  it('show both sides on the passive node that reaches its peer', async () => {
    await using pair = await Pair.open({ mutual: true });
    const contents = ['on mail1\n', 'on mail2\n'] as const;
    write(pair.root('active'), { 'etc/a.conf': contents[0] });
    write(pair.root('passive'), { 'etc/a.conf': contents[1] });
    const [active, passive] = contents.map((content) =>
      file(createHash('sha256').update(content).digest('hex'), content.length),
    );
    assert.ok(active !== undefined && passive !== undefined);
    const node = await openNode(pair.config('passive'), () => undefined);
    const about = { peer: 'mail1', path: '/etc/a.conf' as ReplicaPath, epoch: 1, detectedAt: Date.now() };
    node.conflicts.put({ ...about, kind: 'first-sync', active, passive }, 'mail2');
    node.database.close();
    const { role, diffs, missing } = await show(pair, '/etc/a.conf', 'passive');
    assert.deepEqual([role, missing], ['passive', []]);
    assert.match(diffs[0]?.text ?? '', /^-on mail1\n\+on mail2$/m);
  });
});
