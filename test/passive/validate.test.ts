import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { loadWatchlists } from '../../src/config/watchlist.ts';
import type { ReplicaPath } from '../../src/core/path.ts';
import { argumentsFor, objection, pathForOthers } from '../../src/passive/validate.ts';
import { fileOf, Passive } from '../main/hostile-wire-rig.ts';
import { checkout } from '../rig/program.ts';
import { eventually } from '../world/eventually.ts';
import { leftovers, temporaryFolder, write } from '../world/tree.ts';

const path = '/etc/checked' as ReplicaPath;

function checking(run: readonly string[], timeout = '30s') {
  return { watchlist: { validate: [{ match: '/etc/checked', run: [...run], timeout }] } };
}

function shell(script: string): string[] {
  return ['sh', '-c', script];
}

function folderOf(t: TestContext): string {
  const folder = temporaryFolder('validator');
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function placed(passive: Passive, name = 'checked'): string | undefined {
  const file = join(passive.root, 'etc', name);
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}

describe('the words of a validator', () => {
  it('name the staged file wherever they say {file}, in a way that another process can go', () => {
    assert.deepEqual(argumentsFor(['a', '{file}', '-in={file}:{file}'], '/f'), ['a', '/f', '-in=/f:/f']);
    assert.equal(
      pathForOthers('/proc/self/fd/7/.x.bmcs-0123456789ab~', 42),
      '/proc/42/fd/7/.x.bmcs-0123456789ab~',
    );
  });

  it('refuse a file only where the command ran and failed', () => {
    assert.equal(objection(['a'], { kind: 'passed' }), undefined);
    assert.equal(objection(['a'], { kind: 'missing' }), undefined);
    assert.equal(objection(['a'], { kind: 'failed', detail: 'a ended' })?.reason, 'validator-failed');
    assert.equal(objection(['a'], { kind: 'aborted' })?.reason, 'validator-failed');
  });
});

describe('a validator', () => {
  it('lets a file pass, and sees what is staged, not what is in place', async () => {
    await using passive = await Passive.open(
      checking(shell('grep -qx good "$1" && test "$(pwd)" = /').concat('sh', '{file}')),
    );
    const sender = await passive.session();
    assert.deepEqual(await sender.ack(sender.push(path, 'good\n')), { kind: 'applied' });
    const bad = await sender.ack(sender.push(path, 'bad\n', { expect: fileOf('good\n') }));
    assert.equal(bad.kind === 'refused' && bad.reason, 'validator-failed');
    assert.equal(placed(passive), 'good\n');
    assert.equal(leftovers(passive.root), '');
  });

  it('that fails refuses the file, which is kept; the detail names command, exit code and output', async () => {
    await using passive = await Passive.open(
      checking(shell('echo "line one"; printf "\\033[31mtwo" >&2; exit 3').concat('sh', '{file}')),
    );
    const sender = await passive.session();
    const result = await sender.ack(sender.push(path, 'text'));
    assert.ok(result.kind === 'refused' && result.reason === 'validator-failed', JSON.stringify(result));
    for (const part of [/sh -c /, /\{file\}/, /exit code 3/, /line one/, /\\x1b\[31mtwo/])
      assert.match(result.detail, part);
    assert.equal(result.detail.includes('\u001b'), false);
    assert.equal(placed(passive), undefined);
    assert.deepEqual(
      passive.node.versions
        .list(path)
        .map(({ entry, reason }) => [entry.kind === 'file' && entry.digest, reason]),
      [[fileOf('text').digest, 'refused']],
    );
    assert.deepEqual(passive.events.filter(({ kind }) => kind === 'path-failed').length, 1);
    // The session goes on.
    assert.deepEqual(await sender.ack(sender.push('/etc/other', 'x')), { kind: 'applied' });
  });

  it('gets a bare environment and no input', async () => {
    const script =
      'test -z "$HOME$SECRET" && test "$LANG" = C.UTF-8 && test "$PATH" = /usr/sbin:/usr/bin:/sbin:/bin && ! read line';
    process.env['SECRET'] = 'x';
    try {
      await using passive = await Passive.open(checking(shell(script)));
      const sender = await passive.session();
      assert.deepEqual(await sender.ack(sender.push(path, 'text')), { kind: 'applied' });
    } finally {
      delete process.env['SECRET'];
    }
  });

  it('says only so much, however much it says', async () => {
    await using passive = await Passive.open(checking(shell('yes long | head -c 3000000; exit 1')));
    const sender = await passive.session();
    const result = await sender.ack(sender.push(path, 'text'));
    assert.ok(result.kind === 'refused');
    assert.ok(result.detail.length < 2000, `${result.detail.length}`);
  });

  it('that takes too long is killed with all that it started', async (t) => {
    const folder = folderOf(t);
    const file = join(folder, 'pid');
    await using passive = await Passive.open(
      checking(shell(`sleep 1000 & echo $! > ${file}; wait`), '300ms'),
    );
    const sender = await passive.session();
    const result = await sender.ack(sender.push(path, 'text'));
    assert.match(result.kind === 'refused' ? result.detail : '', /took longer than 300 ms/);
    const pid = Number(readFileSync(file, 'utf8'));
    assert.ok(pid > 1);
    await eventually('its child is gone', () => !isAlive(pid));
  });

  it('whose program is not installed lets every file pass, and is told once', async () => {
    const program = `bm-confsync-no-such-program-${process.pid}`;
    await using passive = await Passive.open(checking([program, '{file}']));
    const sender = await passive.session();
    assert.deepEqual(await sender.ack(sender.push(path, 'one')), { kind: 'applied' });
    assert.deepEqual(await sender.ack(sender.push(path, 'two', { expect: fileOf('one') })), {
      kind: 'applied',
    });
    assert.deepEqual(
      passive.events.filter(({ kind }) => kind === 'validator-skipped'),
      [{ kind: 'validator-skipped', command: program }],
    );
  });

  it('is not asked about deletions, links and other paths', async () => {
    await using passive = await Passive.open(checking(['false']));
    write(passive.root, { 'etc/checked': 'old' });
    const sender = await passive.session();
    assert.deepEqual(await sender.ack(sender.push('/etc/unchecked', 'x')), { kind: 'applied' });
    const gone = { expect: fileOf('old'), put: { kind: 'absent' }, content: 'none' };
    assert.deepEqual(await sender.ack(sender.push(path, '', gone)), { kind: 'applied' });
    const link = { put: { kind: 'symlink', target: 'x', owner: 'root', group: 'root' }, content: 'none' };
    assert.deepEqual(await sender.ack(sender.push(path, '', link)), { kind: 'applied' });
  });

  it('also sees files that came in chunks', async () => {
    await using passive = await Passive.open(
      checking(shell('grep -q "one two" "$1"').concat('sh', '{file}')),
    );
    const sender = await passive.session();
    const id = sender.push(path, 'one two', { content: 'stream' });
    sender.say({ t: 'chunk', id, last: true }, Buffer.from('one two'));
    assert.deepEqual(await sender.ack(id), { kind: 'applied' });
  });

  it('refuses the whole group of its file', async () => {
    await using passive = await Passive.open(checking(['false']));
    const tree = passive.tree();
    const sender = await passive.session();
    const set = { id: 1, of: 2 };
    sender.push(path, 'x', { set });
    sender.push('/etc/with', 'y', { set });
    const results = [(await sender.next('ack')).result, (await sender.next('ack')).result];
    assert.deepEqual(
      results.map((result) => result.kind === 'refused' && result.reason),
      ['validator-failed', 'group-failed'],
    );
    assert.match(results[1]?.kind === 'refused' ? results[1].detail : '', /\/etc\/checked/);
    assert.equal(passive.tree(), tree);
  });
});

const openssl = spawnSync('openssl', ['version']).status === 0;

describe('the validator that is shipped for the certificate', { skip: !openssl && 'no openssl here' }, () => {
  const shipped = loadWatchlists(['bluemind'], { shippedFolder: join(checkout, 'watchlists') });
  const [rule] = shipped.validators;
  const certificate = '/etc/ssl/certs/bm_cert.pem';

  it('lets a certificate with its key pass, in either order, and refuses half of one', async (t) => {
    const folder = folderOf(t);
    const [key, pem] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const words = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    execFileSync('openssl', [...words, '-subj', '/CN=mail', '-keyout', key, '-out', pem], { stdio: 'pipe' });
    const [secret, whole] = [readFileSync(key, 'utf8'), readFileSync(pem, 'utf8')];
    await using passive = await Passive.open({
      watchlist: { validate: [{ match: rule?.match, run: rule?.run }] },
    });
    write(passive.root, { 'etc/ssl/certs/.keep': '' });
    const sender = await passive.session();
    const push = (text: string, before?: string) =>
      sender.ack(sender.push(certificate, text, before === undefined ? {} : { expect: fileOf(before) }));
    assert.deepEqual(await push(whole + secret), { kind: 'applied' });
    assert.deepEqual(await push(secret + whole, whole + secret), { kind: 'applied' });
    const half = whole.slice(0, whole.length / 2);
    for (const bad of [half, secret, '']) {
      const result = await push(bad, secret + whole);
      assert.equal(result.kind === 'refused' && result.reason, 'validator-failed', bad);
    }
  });
});

describe('while a validator runs', () => {
  /** A validator that ends when the file `go` appears. */
  async function slow(t: TestContext) {
    const folder = folderOf(t);
    const begun = join(folder, 'begun');
    const go = join(folder, 'go');
    const script = `touch ${begun}; until test -e ${go}; do sleep 0.01; done`;
    const passive = await Passive.open(checking(shell(script)));
    return {
      passive,
      begun: () => eventually('the validator has begun', () => existsSync(begun)),
      go: () => writeFileSync(go, ''),
    };
  }

  it('later pushes wait, in order, and are placed when it is through', async (t) => {
    const { passive, begun, go } = await slow(t);
    await using _ = passive;
    const sender = await passive.session();
    const first = sender.push(path, 'checked');
    await begun();
    const second = sender.push('/etc/second', 'x');
    sender.say({ t: 'ping', id: 1 });
    assert.deepEqual(sender.rest(), []);
    assert.equal(placed(passive, 'second'), undefined);
    go();
    assert.deepEqual(await sender.ack(first), { kind: 'applied' });
    await sender.until('pong');
    assert.deepEqual(await sender.ack(second), { kind: 'applied' });
  });

  it('the peer is told that the session is alive', async (t) => {
    t.mock.timers.enable({ apis: ['setInterval'] });
    const { passive, begun, go } = await slow(t);
    await using _ = passive;
    const sender = await passive.session();
    const id = sender.push(path, 'checked');
    await begun();
    for (let beat = 0; beat < 3; beat += 1) {
      t.mock.timers.tick(5000);
      assert.deepEqual(await sender.next('working'), { t: 'working' });
    }
    go();
    assert.deepEqual(await sender.ack(id), { kind: 'applied' });
    t.mock.timers.tick(60_000);
    sender.say({ t: 'ping', id: 1 });
    await sender.next('pong');
  });

  it('what the peer sends stays on its side, however much it is', async (t) => {
    const { passive, begun, go } = await slow(t);
    await using _ = passive;
    const sender = await passive.session();
    const id = sender.push(path, 'checked');
    await begun();
    for (let n = 0; n < 100; n += 1) sender.say({ t: 'ping', id: n }, Buffer.alloc(100_000));
    // Several turns of the event loop, in which an unhindered stream would carry all of it.
    for (let turn = 0; turn < 1000; turn += 1) await nextTurn();
    assert.ok(sender.unsent > 9_000_000, `${sender.unsent} bytes`);
    go();
    assert.deepEqual(await sender.ack(id), { kind: 'applied' });
    for (let n = 0; n < 100; n += 1) assert.equal((await sender.next('pong')).id, n);
  });

  it('HA may be disabled: the file that passed is not placed', async (t) => {
    const { passive, begun, go } = await slow(t);
    await using _ = passive;
    const sender = await passive.session();
    const id = sender.push(path, 'checked');
    await begun();
    passive.node.switches.disable({ reason: 'u', by: 'r' }, Date.now());
    go();
    const result = await sender.ack(id);
    assert.equal(result.kind === 'refused' && result.reason, 'ha-disabled');
    assert.equal(leftovers(passive.root), '');
  });

  it('a newer session takes over: the validator is ended and nothing of the older one is placed', async (t) => {
    const { passive, begun } = await slow(t);
    await using _ = passive;
    const older = await passive.session();
    older.push(path, 'checked');
    older.push('/etc/with', 'it');
    await begun();
    const newer = await passive.session();
    await older.over;
    assert.equal(leftovers(passive.root), '');
    assert.deepEqual([placed(passive), placed(passive, 'with')], [undefined, undefined]);
    assert.deepEqual(passive.node.versions.list(path), []);
    assert.deepEqual(await newer.ack(newer.push('/etc/next', 'x')), { kind: 'applied' });
  });
});

function isAlive(pid: number): boolean {
  try {
    // A zombie has no command line.
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== '';
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
