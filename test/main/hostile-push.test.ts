import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { leftovers, write } from '../world/tree.ts';
import { fileOf, Passive } from './hostile-wire-rig.ts';

describe('a push of a path that is not for this node', () => {
  const impossible = [
    ['/etc/../root/.ssh/authorized_keys', 'not-normalised'],
    ['/etc/./x', 'not-normalised'],
    ['/etc//x', 'not-normalised'],
    ['/etc/x/', 'not-normalised'],
    ['etc/x', 'not-absolute'],
    ['../x', 'not-absolute'],
    ['', 'empty'],
    ['/etc/x\0y', 'has-nul'],
    ['/etc/x\uFFFD', 'not-unicode'],
    [`/etc/${'n'.repeat(256)}`, 'name-too-long'],
    [`/etc${'/n'.repeat(2100)}`, 'path-too-long'],
  ] as const;
  for (const [path, fault] of impossible) {
    it(`ends the session: ${JSON.stringify(path.slice(0, 40))} is ${fault}`, async () => {
      await using passive = await Passive.open();
      const before = passive.tree();
      const sender = await passive.session();
      sender.push(path, 'x');
      assert.match((await sender.over).detail, new RegExp(`path: a path that is ${fault}`));
      assert.equal(passive.tree(), before);
    });
  }

  for (const path of ['/root/.bashrc', '/etc/hostname', '/etcetera', '/', '/etc/.x.bmcs-0123456789ab~']) {
    it(`is refused as outside the watchlist: ${path}`, async () => {
      await using passive = await Passive.open();
      const before = passive.tree();
      const sender = await passive.session();
      const result = await sender.ack(sender.push(path, 'x'));
      assert.equal(result.kind === 'refused' && result.reason, 'outside-watchlist');
      assert.equal(passive.tree(), before);
    });
  }
});

describe('a push below a directory that is a symbolic link on this node', () => {
  const pushes = [
    ['a new file', {}],
    ['a changed file', { expect: fileOf('old') }],
    ['a directory', { put: { kind: 'directory', mode: 0o755, owner: 'root', group: 'root', xattrs: {} } }],
    ['a link', { put: { kind: 'symlink', target: 'x', owner: 'root', group: 'root' }, content: 'none' }],
  ] as const;
  for (const [what, changes] of pushes) {
    it(`is refused as not confined: ${what}`, async () => {
      await using passive = await Passive.open();
      const outside = join(passive.root, 'outside');
      write(passive.root, { 'outside/f': 'old' });
      symlinkSync(outside, join(passive.root, 'etc', 'd'));
      const before = passive.tree();
      const sender = await passive.session();
      const result = await sender.ack(sender.push('/etc/d/f', 'x', changes));
      assert.equal(result.kind === 'refused' && result.reason, 'not-confined', JSON.stringify(result));
      assert.equal(passive.tree(), before);
      assert.equal(passive.node.conflicts.count(), 0);
    });
  }

  it('counts as done when it is a deletion: to this node nothing is below a link', async () => {
    await using passive = await Passive.open();
    write(passive.root, { 'outside/f': 'old' });
    symlinkSync(join(passive.root, 'outside'), join(passive.root, 'etc', 'd'));
    const before = passive.tree();
    const sender = await passive.session();
    const deletion = { expect: fileOf('old'), put: { kind: 'absent' }, content: 'none' };
    assert.deepEqual(await sender.ack(sender.push('/etc/d/f', '', deletion)), { kind: 'already-there' });
    assert.equal(passive.tree(), before);
  });

  it('is refused with a detail that the sender can take, also for the longest path', async () => {
    await using passive = await Passive.open();
    const names = Array.from({ length: 15 }, (_, index) => `${index}`.padStart(255, 'd'));
    const deep = join(passive.root, 'etc', ...names);
    // Longer than the kernel takes in one piece: the last step is made from within.
    mkdirSync(deep, { recursive: true });
    const link = 'l'.repeat(240);
    execFileSync('ln', ['-s', '/', link], { cwd: deep });
    const sender = await passive.session();
    const path = `/etc/${names.join('/')}/${link}/x`;
    assert.ok(Buffer.byteLength(path) <= 4095 && path.length > 4080);
    const result = await sender.ack(sender.push(path, 'x'));
    assert.equal(result.kind === 'refused' && result.reason, 'not-confined');
  });
});

describe('a push whose content is not what it says', () => {
  it('is refused when the digest is wrong', async () => {
    await using passive = await Passive.open();
    const before = passive.tree();
    const sender = await passive.session();
    const result = await sender.ack(sender.push('/etc/x', 'evil', { put: fileOf('good') }));
    assert.equal(result.kind === 'refused' && result.reason, 'digest-mismatch');
    assert.equal(passive.tree(), before);
  });

  it('is refused when the size is wrong, larger or smaller', async () => {
    await using passive = await Passive.open();
    const before = passive.tree();
    const sender = await passive.session();
    for (const size of [3, 5]) {
      const result = await sender.ack(sender.push('/etc/x', 'text', { put: fileOf('text', { size }) }));
      assert.equal(result.kind === 'refused' && result.reason, 'digest-mismatch');
    }
    assert.equal(passive.tree(), before);
  });

  it('is refused as soon as more chunks come than it announced, and takes no more space', async () => {
    await using passive = await Passive.open();
    const before = passive.tree();
    const sender = await passive.session();
    const id = sender.push('/etc/x', 'small', { content: 'stream' });
    for (let n = 0; n < 20; n += 1) sender.say({ t: 'chunk', id, last: false }, Buffer.alloc(200_000, n));
    const result = await sender.ack(id);
    assert.equal(result.kind === 'refused' && result.reason, 'digest-mismatch');
    assert.equal(leftovers(passive.root), '');
    assert.equal(passive.tree(), before);
  });

  it('asks for the content when it is said to be here and is not', async () => {
    await using passive = await Passive.open();
    const sender = await passive.session();
    const result = await sender.ack(sender.push('/etc/x', 'text', { content: 'local' }));
    assert.equal(result.kind === 'refused' && result.reason, 'need-content');
  });

  it('survives chunks and aborts of pushes that it never heard of', async () => {
    await using passive = await Passive.open();
    const sender = await passive.session();
    sender.say({ t: 'chunk', id: 4711, last: true }, Buffer.from('x'));
    sender.say({ t: 'abort', id: 4712 });
    assert.deepEqual(await sender.ack(sender.push('/etc/x', 'text')), { kind: 'applied' });
    assert.deepEqual(readdirSync(join(passive.root, 'etc')), ['x']);
  });

  it('leaves nothing behind when its id is used for two files at once', async () => {
    await using passive = await Passive.open();
    const sender = await passive.session();
    sender.push('/etc/one', 'text', { id: 7, content: 'stream' });
    sender.push('/etc/two', 'text', { id: 7, content: 'stream' });
    sender.say({ t: 'ping', id: 1 });
    await sender.cut();
    assert.equal(leftovers(passive.root), '');
    assert.deepEqual(readdirSync(join(passive.root, 'etc')), []);
  });
});

describe('a file that comes in chunks', () => {
  it('arrives although other pushes are placed meanwhile', async () => {
    await using passive = await Passive.open();
    write(passive.root, { 'etc/here/x': 'x', 'etc/a/x': 'x', 'etc/b/x': 'x', 'etc/c/x': 'x' });
    const sender = await passive.session();
    const id = sender.push('/etc/here/big', 'one two', { content: 'stream' });
    for (const name of ['/etc/a/new', '/etc/b/new', '/etc/c/new', '/etc/here/new'])
      assert.deepEqual(await sender.ack(sender.push(name, 'small')), { kind: 'applied' });
    sender.say({ t: 'chunk', id, last: false }, Buffer.from('one '));
    assert.deepEqual(await sender.ack(sender.push('/etc/a/other', 'small')), { kind: 'applied' });
    // In one batch with a push that opens other directories first.
    const third = sender.push('/etc/b/third', 'small');
    sender.say({ t: 'chunk', id, last: true }, Buffer.from('two'));
    assert.deepEqual(await sender.ack(third), { kind: 'applied' });
    assert.deepEqual(await sender.ack(id), { kind: 'applied' });
    assert.equal(readFileSync(join(passive.root, 'etc/here/big'), 'utf8'), 'one two');
    assert.equal(leftovers(passive.root), '');
  });

  it('leaves nothing behind when it is given up after other pushes were placed', async () => {
    await using passive = await Passive.open();
    write(passive.root, { 'etc/here/x': 'x', 'etc/a/x': 'x' });
    const sender = await passive.session();
    const id = sender.push('/etc/here/big', 'one two', { content: 'stream' });
    assert.deepEqual(await sender.ack(sender.push('/etc/a/new', 'small')), { kind: 'applied' });
    sender.say({ t: 'abort', id });
    assert.deepEqual(await sender.ack(sender.push('/etc/a/other', 'small')), { kind: 'applied' });
    assert.equal(leftovers(passive.root), '');
  });

  it('is refused when its directory is removed meanwhile, and the session goes on', async () => {
    await using passive = await Passive.open();
    write(passive.root, { 'etc/here/x': 'x' });
    const sender = await passive.session();
    const id = sender.push('/etc/here/big', 'one two', { content: 'stream' });
    sender.say({ t: 'ping', id: 60 });
    await sender.next('pong');
    rmSync(join(passive.root, 'etc/here'), { recursive: true });
    sender.say({ t: 'chunk', id, last: true }, Buffer.from('one two'));
    assert.equal((await sender.ack(id)).kind, 'refused');
    assert.deepEqual(await sender.ack(sender.push('/etc/next', 'text')), { kind: 'applied' });
    assert.deepEqual(readdirSync(join(passive.root, 'etc')), ['next']);
  });

  it('is refused and leaves nothing behind when its directory is moved meanwhile', async () => {
    await using passive = await Passive.open();
    write(passive.root, { 'etc/here/x': 'x' });
    const sender = await passive.session();
    const id = sender.push('/etc/here/big', 'one two', { content: 'stream' });
    sender.say({ t: 'ping', id: 60 });
    await sender.next('pong');
    renameSync(join(passive.root, 'etc/here'), join(passive.root, 'moved'));
    write(passive.root, { 'etc/here/x': 'x' });
    const before = readdirSync(join(passive.root, 'etc/here'));
    sender.say({ t: 'chunk', id, last: true }, Buffer.from('one two'));
    const result = await sender.ack(id);
    assert.equal(result.kind === 'refused' && result.reason, 'busy', JSON.stringify(result));
    assert.deepEqual(readdirSync(join(passive.root, 'etc/here')), before);
    assert.deepEqual(readdirSync(join(passive.root, 'moved')), ['x']);
  });
});

describe('what a push carries', () => {
  it('includes the set-id bits, which are configuration like the others', async () => {
    await using passive = await Passive.open();
    const sender = await passive.session();
    const put = fileOf('text', { mode: 0o6755, owner: 'daemon', group: 'mail' });
    assert.deepEqual(await sender.ack(sender.push('/etc/x', 'text', { put })), { kind: 'applied' });
    assert.equal(lstatSync(join(passive.root, 'etc/x')).mode & 0o7777, 0o6755);
  });

  it('replaces a link itself and never what it leads to', async () => {
    await using passive = await Passive.open();
    const outside = join(passive.root, 'outside');
    write(outside, { victim: 'precious' });
    symlinkSync(join(outside, 'victim'), join(passive.root, 'etc', 'x'));
    const sender = await passive.session();
    const expect = { kind: 'symlink', target: join(outside, 'victim'), owner: 'root', group: 'root' };
    assert.deepEqual(await sender.ack(sender.push('/etc/x', 'text', { expect })), { kind: 'applied' });
    assert.equal(readFileSync(join(outside, 'victim'), 'utf8'), 'precious');
    assert.equal(readFileSync(join(passive.root, 'etc', 'x'), 'utf8'), 'text');
  });
});

describe('a seat or switch that changes in the middle of a session', () => {
  it('refuses a push with an older epoch than this node knows', async () => {
    await using passive = await Passive.open();
    const sender = await passive.session();
    const result = await sender.ack(sender.push('/etc/x', 'x', { epoch: 4 }));
    assert.equal(result.kind === 'refused' && result.reason, 'stale-epoch');
    assert.equal(result.kind === 'refused' && result.epoch, 5);
    assert.deepEqual(readdirSync(join(passive.root, 'etc')), []);
  });

  const changes = [
    [
      'ha-disabled',
      (passive: Passive) => passive.node.switches.disable({ reason: 'u', by: 'r' }, Date.now()),
    ],
    ['stale-epoch', (passive: Passive) => passive.node.seats.write({ role: 'passive', epoch: 6 })],
    ['split-brain', (passive: Passive) => passive.node.seats.write({ role: 'active', epoch: 5 })],
    ['stale-epoch', (passive: Passive) => passive.node.seats.write({ role: 'active', epoch: 6 })],
  ] as const;
  changes.forEach(([reason, change], index) => {
    it(`refuses with ${reason} what is staged and not yet in place (${index + 1})`, async () => {
      await using passive = await Passive.open();
      const sender = await passive.session();
      assert.deepEqual(await sender.ack(sender.push('/etc/before', 'x')), { kind: 'applied' });
      const id = sender.push('/etc/staged', 'text', { content: 'stream' });
      sender.say({ t: 'ping', id: 50 });
      await sender.next('pong');
      change(passive);
      sender.say({ t: 'chunk', id, last: true }, Buffer.from('text'));
      const result = await sender.ack(id);
      assert.equal(result.kind === 'refused' && result.reason, reason);
      assert.deepEqual(readdirSync(join(passive.root, 'etc')), ['before']);
    });
  });
});
