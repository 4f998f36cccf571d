import assert from 'node:assert/strict';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { ReplicaPath } from '../../src/core/path.ts';
import { blockBytes, rowBytes } from '../../src/files/blocks.ts';
import { type Answer, fileOf, Passive, type Sender } from '../main/hostile-wire-rig.ts';
import { Receiver } from './receiver-process.ts';

const path = '/etc/large' as ReplicaPath;
const old = 'a'.repeat(1000) + 'b'.repeat(1000);
const put = `${'b'.repeat(1000)}new${'a'.repeat(500)}`;

/** A passive that holds `old`, and a push of `put` that says it in terms of that. */
function begin(passive: Passive, sender: Sender, options: { content?: 'delta' | 'stream' } = {}): number {
  const file = join(passive.root, path);
  if (!existsSync(file)) writeFileSync(file, old);
  return sender.push(path, '', {
    put: fileOf(put),
    expect: fileOf(old),
    content: options.content ?? 'delta',
  });
}

function reasonOf(result: Answer<'ack'>['result']): string {
  return result.kind === 'refused' ? result.reason : result.kind;
}

function held(passive: Passive): string {
  return readFileSync(join(passive.root, path), 'utf8');
}

describe('a push whose content refers to the file here', () => {
  it('is built of what comes and of what is here, in any order, and the old content is kept', async () => {
    await using passive = await Passive.open();
    const sender = await passive.session();
    const id = begin(passive, sender);
    sender.say({ t: 'chunk', id, last: false, copy: { from: 1000, bytes: 1000 } });
    sender.say({ t: 'chunk', id, last: true, copy: { from: 0, bytes: 500 } }, Buffer.from('new'));
    assert.equal(reasonOf(await sender.ack(id)), 'applied');
    assert.equal(held(passive), put);
    assert.equal(passive.node.versions.list(path).length, 1);
  });

  const lies: readonly [string, { from: number; bytes: number }][] = [
    ['beyond its end', { from: 2000, bytes: 1 }],
    ['that reaches beyond its end', { from: 1500, bytes: 501 }],
    ['far away', { from: Number.MAX_SAFE_INTEGER - 1, bytes: 1 }],
    ['that is something else', { from: 0, bytes: 1503 }],
  ];
  for (const [what, copy] of lies) {
    it(`is refused when it refers to a part ${what}; nothing changes and nothing stays`, async () => {
      await using passive = await Passive.open();
      const sender = await passive.session();
      const id = begin(passive, sender);
      sender.say({ t: 'chunk', id, last: true, copy });
      assert.equal(reasonOf(await sender.ack(id)), 'digest-mismatch');
      assert.equal(held(passive), old);
      assert.deepEqual(readdirSync(join(passive.root, 'etc')), ['large']);
    });
  }

  it('ends the session when the part has no sense: negative, nothing, or more than a chunk may copy', async () => {
    for (const copy of [
      { from: -1, bytes: 1 },
      { from: 0, bytes: 0 },
      { from: 0, bytes: 1024 * 1024 + 1 },
      { from: 0.5, bytes: 1 },
    ]) {
      await using passive = await Passive.open();
      const sender = await passive.session();
      const id = begin(passive, sender);
      sender.say({ t: 'chunk', id, last: true, copy });
      await sender.over;
      assert.equal(held(passive), old);
      assert.deepEqual(readdirSync(join(passive.root, 'etc')), ['large']);
    }
  });

  it('takes no more than it announced', async () => {
    await using passive = await Passive.open();
    const sender = await passive.session();
    const id = begin(passive, sender);
    for (let chunk = 0; chunk < 3; chunk += 1)
      sender.say({ t: 'chunk', id, last: false, copy: { from: 0, bytes: 1000 } });
    assert.notEqual(reasonOf(await sender.ack(id)), 'applied');
    assert.deepEqual(readdirSync(join(passive.root, 'etc')), ['large']);
  });

  it('is asked for as a whole when it did not say that it refers to anything', async () => {
    await using passive = await Passive.open();
    const sender = await passive.session();
    const id = begin(passive, sender, { content: 'stream' });
    sender.say({ t: 'chunk', id, last: true, copy: { from: 0, bytes: 1000 } });
    assert.equal(reasonOf(await sender.ack(id)), 'need-content');
    assert.equal(held(passive), old);
  });

  it('is asked for as a whole when the file here cannot be read', async () => {
    await using passive = await Passive.open();
    const sender = await passive.session();
    symlinkSync('elsewhere', join(passive.root, path));
    const id = sender.push(path, '', {
      put: fileOf(put),
      expect: { kind: 'symlink', target: 'elsewhere', owner: 'root', group: 'root' },
      content: 'delta',
    });
    assert.equal(reasonOf(await sender.ack(id)), 'need-content');
  });

  for (const [what, change] of [
    ['grows', (file: string) => appendFileSync(file, 'more')],
    ['is cut off', (file: string) => truncateSync(file, 10)],
    ['is written anew', (file: string) => writeFileSync(file, 'c'.repeat(2000))],
    ['is removed', (file: string) => rmSync(file)],
  ] as const) {
    it(`while the file here ${what}: what somebody did stays`, async () => {
      await using passive = await Passive.open();
      const sender = await passive.session();
      const id = begin(passive, sender);
      sender.say({ t: 'ping', id: 900 });
      await sender.next('pong');
      const file = join(passive.root, path);
      change(file);
      const after = existsSync(file) ? held(passive) : undefined;
      sender.say({ t: 'chunk', id, last: false, copy: { from: 1000, bytes: 1000 } });
      sender.say({ t: 'chunk', id, last: true, copy: { from: 0, bytes: 500 } }, Buffer.from('new'));
      const result = await sender.ack(id);
      assert.ok(['conflict', 'digest-mismatch'].includes(reasonOf(result)), JSON.stringify(result));
      assert.equal(existsSync(file) ? held(passive) : undefined, after);
    });
  }

  it('that a killed receiver was building leaves the file as it was, and nothing else after the next session', async () => {
    await using passive = await Passive.open();
    {
      await using receiver = await Receiver.start(passive.config, {});
      const id = begin(passive, receiver.sender);
      await receiver.sender.next('welcome');
      receiver.sender.say({ t: 'chunk', id, last: false, copy: { from: 1000, bytes: 1000 } });
      receiver.sender.say({ t: 'ping', id: 901 });
      await receiver.sender.next('pong');
      assert.equal(readdirSync(join(passive.root, 'etc')).length, 2, 'it is being built');
    }
    assert.equal(held(passive), old);
    await passive.session();
    assert.deepEqual(readdirSync(join(passive.root, 'etc')), ['large']);
    assert.equal(held(passive), old);
  });
});

describe('the question for the blocks of a file', () => {
  async function blocksOf(sender: Sender, id: number, asked: string): Promise<number> {
    sender.content = Buffer.alloc(0);
    sender.say({ t: 'blocks', id, path: asked });
    while (!(await sender.next('blocks')).last);
    return sender.content.byteLength;
  }

  it('is answered with a row for each whole block, and with none for what is no file', async () => {
    await using passive = await Passive.open();
    const sender = await passive.session();
    writeFileSync(join(passive.root, path), Buffer.alloc(300 * blockBytes + 5, 1));
    mkdirSync(join(passive.root, 'etc/folder'));
    symlinkSync('large', join(passive.root, 'etc/link'));
    assert.equal(await blocksOf(sender, 1, path), 300 * rowBytes);
    for (const [index, none] of ['/etc/folder', '/etc/link', '/etc/none', '/usr/outside'].entries())
      assert.equal(await blocksOf(sender, 2 + index, none), 0, none);
  });
});
