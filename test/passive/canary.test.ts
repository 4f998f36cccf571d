import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { canaryFolder, canaryPath } from '../../src/core/canary.ts';
import type { Entry } from '../../src/core/entry.ts';
import { writeCanary } from '../../src/files/canary.ts';
import { temporaryFolder } from '../files/fixture.ts';
import { fileOf, Passive, type Sender } from '../main/hostile-wire-rig.ts';
import { write } from '../world/tree.ts';

/** Everything of the tree is replicated, as far as that can be asked for. */
const whole = { watchlist: { include: ['/etc/**', '/var/lib/**'] } };

function canary(sender: Sender, text: string, changes: Readonly<Record<string, unknown>> = {}): number {
  return sender.push(canaryPath, text, { put: fileOf(text, { mode: 0o600 }), ...changes });
}

function namesIn(passive: Passive): string[] {
  return readdirSync(join(passive.root, canaryFolder));
}

describe('a canary on the passive', () => {
  it('is placed where nothing was, and again and again, and nothing is kept or told of it', async () => {
    const command = ['sh', '-c', 'exit 1'];
    const all = [{ match: '/var/lib/**', run: command }];
    await using passive = await Passive.open({
      watchlist: { ...whole.watchlist, validate: all, apply: all },
    });
    const sender = await passive.session();
    for (const text of ['1 one', '2 two', '3 three'])
      assert.deepEqual(await sender.ack(canary(sender, text)), { kind: 'applied' });
    assert.equal(readFileSync(join(passive.root, canaryPath), 'utf8'), '3 three');
    assert.equal(statSync(join(passive.root, canaryFolder)).mode & 0o7777, 0o700);
    assert.deepEqual(namesIn(passive), ['beat']);
    const told = passive.events.filter((event) => JSON.stringify(event).includes('canary'));
    assert.deepEqual(told, []);
    assert.deepEqual(passive.node.versions.list(canaryPath), []);
    assert.ok(!passive.node.watchlists.includes(canaryPath));
    assert.ok(!passive.node.watchlists.includes(canaryFolder));
  });

  it('may come twice in one batch: the first is not taken away', async () => {
    await using passive = await Passive.open();
    const sender = await passive.session();
    assert.equal((await sender.ack(canary(sender, '0'))).kind, 'applied');
    const [first, second] = sender.together(() => [canary(sender, '1'), canary(sender, '2')] as const);
    assert.deepEqual(await sender.ack(first), { kind: 'applied' });
    // It was staged to replace the one before the first. The next one comes soon.
    assert.equal((await sender.ack(second)).kind, 'conflict');
    assert.equal(readFileSync(join(passive.root, canaryPath), 'utf8'), '1');
    assert.deepEqual(namesIn(passive), ['beat']);
    assert.deepEqual(passive.node.conflicts.list(), []);
    assert.deepEqual(passive.node.versions.list(canaryPath), []);
  });

  const put = (changes: Partial<Entry>): unknown => ({ ...fileOf('x', { mode: 0o600 }), ...changes });
  const owned = { owner: 'root', group: 'root' };
  const refusals: [string, Readonly<Record<string, unknown>>][] = [
    ['a program', { put: put({ mode: 0o4755 }) }],
    ['a link', { put: { kind: 'symlink', target: '/etc/shadow', ...owned }, content: 'none' }],
    ['a directory', { put: { kind: 'directory', mode: 0o755, xattrs: {}, ...owned }, content: 'none' }],
    ['a removal', { put: { kind: 'absent' }, content: 'none' }],
    ['one in parts', { content: 'stream' }],
    ['the content of what is here', { content: 'local' }],
  ];
  it('is nothing else', async () => {
    await using passive = await Passive.open();
    const sender = await passive.session();
    for (const [name, changes] of refusals) {
      const result = await sender.ack(canary(sender, 'x', changes));
      assert.equal(result.kind === 'refused' && result.reason, 'unsupported-type', name);
    }
    const large = 'x'.repeat(257);
    const result = await sender.ack(canary(sender, large));
    assert.match(
      result.kind === 'refused' ? result.detail : '',
      /expected the canary to be a file of at most/,
    );
    const set = { id: 1, of: 2 };
    const both = [canary(sender, 'x', { set }), sender.push('/etc/x', 'x', { set })];
    for (const id of both) assert.equal((await sender.ack(id)).kind, 'refused');
    assert.ok(!existsSync(join(passive.root, 'etc/x')));
    assert.deepEqual(namesIn(passive), []);
  });

  it('has no neighbours', async () => {
    await using passive = await Passive.open(whole);
    const sender = await passive.session();
    for (const path of [`${canaryPath}x`, `${canaryPath}/x`, canaryFolder, `${canaryFolder}/..x`]) {
      const result = await sender.ack(sender.push(path, 'x', { put: fileOf('x', { mode: 0o600 }) }));
      assert.equal(result.kind === 'refused' && result.reason, 'outside-watchlist', path);
    }
  });

  it('goes through no link, and says so', async () => {
    await using passive = await Passive.open();
    const sender = await passive.session();
    write(passive.root, { 'elsewhere/beat': 'mine' });
    mkdirSync(join(passive.root, dirname(canaryFolder)), { recursive: true });
    symlinkSync('/elsewhere', join(passive.root, canaryFolder));
    const result = await sender.ack(canary(sender, 'x'));
    assert.equal(result.kind === 'refused' && result.reason, 'not-confined');
    assert.equal(readFileSync(join(passive.root, 'elsewhere/beat'), 'utf8'), 'mine');
  });

  it('replaces nothing that is none', async () => {
    await using passive = await Passive.open();
    const sender = await passive.session();
    const found: [Parameters<typeof write>[1][string], RegExp][] = [
      ['y'.repeat(300), /found one of 300/],
      [{ symlink: '/etc/motd' }, /found a symlink/],
      [{ directory: true }, /found a directory/],
    ];
    for (const [what, told] of found) {
      write(passive.root, { [canaryPath]: null });
      write(passive.root, { [canaryPath]: what });
      const result = await sender.ack(canary(sender, 'x'));
      assert.match(result.kind === 'refused' ? result.detail : result.kind, told);
    }
  });

  it('is refused like every other push where the switch or the seat says so', async () => {
    await using passive = await Passive.open();
    const sender = await passive.session();
    passive.node.seats.write({ role: 'active', epoch: 6 });
    const result = await sender.ack(canary(sender, 'x'));
    assert.equal(result.kind, 'refused');
    assert.ok(!existsSync(join(passive.root, canaryFolder)));
  });
});

describe('a canary on the active', () => {
  it('makes room first, then is another one each time', () => {
    using folder = temporaryFolder();
    assert.deepEqual(writeCanary(folder.path, '1'), { kind: 'made-room' });
    const first = writeCanary(folder.path, '2');
    assert.equal(first.kind, 'written');
    assert.equal(statSync(folder.at(canaryPath)).mode & 0o7777, 0o600);
    assert.deepEqual(readdirSync(folder.at(canaryFolder)), ['beat']);
  });

  it('is written all the same after a crash in the middle of it', () => {
    using folder = temporaryFolder();
    writeCanary(folder.path, '1');
    writeFileSync(folder.at(`${canaryFolder}/.beat.bmcs-000000000000~`), 'half');
    writeFileSync(folder.at(`${canaryFolder}/.beat.bmcs-0123456789ab~`), 'of a receiver that is at work');
    assert.equal(writeCanary(folder.path, '2').kind, 'written');
    assert.equal(readFileSync(folder.at(canaryPath), 'utf8'), '2');
    assert.deepEqual(readdirSync(folder.at(canaryFolder)).sort(), ['.beat.bmcs-0123456789ab~', 'beat']);
  });

  it('goes through no link, and nothing but its folder is in the way', () => {
    using folder = temporaryFolder();
    write(folder.path, { 'elsewhere/beat': 'mine', 'var/lib': { directory: true } });
    symlinkSync('/elsewhere', folder.at(canaryFolder));
    const linked = writeCanary(folder.path, '1');
    assert.equal(linked.kind === 'failed' && linked.failure.reason, 'not-confined');
    assert.equal(readFileSync(folder.at('elsewhere/beat'), 'utf8'), 'mine');
    write(folder.path, { [canaryFolder]: null });
    write(folder.path, { [canaryFolder]: 'a file' });
    assert.equal(writeCanary(folder.path, '1').kind, 'failed');
  });
});
