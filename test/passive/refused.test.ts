import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { ReplicaPath } from '../../src/core/path.ts';
import { kernelRenames } from '../../src/files/place.ts';
import { fileOf, Passive } from '../main/hostile-wire-rig.ts';
import { leftovers, write } from '../world/tree.ts';

const path = '/etc/x' as ReplicaPath;

function kept(passive: Passive): unknown[] {
  return passive.node.versions
    .list(path)
    .map(({ entry, reason, peer, epoch }) => [entry.kind === 'file' && entry.digest, reason, peer, epoch]);
}

describe('the content of a push that is in conflict', () => {
  it('is kept when it came with the push', async () => {
    await using passive = await Passive.open();
    write(passive.root, { 'etc/x': 'edited here' });
    const sender = await passive.session();
    assert.equal((await sender.ack(sender.push(path, 'theirs'))).kind, 'conflict');
    assert.deepEqual(kept(passive), [[fileOf('theirs').digest, 'refused', 'mail1', 5]]);
    // Offered again and again, it is one version.
    assert.equal((await sender.ack(sender.push(path, 'theirs'))).kind, 'conflict');
    assert.equal(kept(passive).length, 1);
    assert.equal(readFileSync(join(passive.root, 'etc/x'), 'utf8'), 'edited here');
    sender.say({ t: 'fetch', id: 9, path, version: passive.node.versions.list(path)[0]?.id });
    await sender.next('content');
    assert.equal(sender.content.toString(), 'theirs');
  });

  it('is kept when it comes in chunks, and the answer comes with the last of them', async () => {
    await using passive = await Passive.open();
    write(passive.root, { 'etc/x': 'edited here' });
    const sender = await passive.session();
    const id = sender.push(path, 'one two', { content: 'stream' });
    sender.say({ t: 'chunk', id, last: false }, Buffer.from('one '));
    sender.say({ t: 'ping', id: 1 });
    await sender.next('pong');
    sender.say({ t: 'chunk', id, last: true }, Buffer.from('two'));
    assert.equal((await sender.ack(id)).kind, 'conflict');
    assert.deepEqual(kept(passive), [[fileOf('one two').digest, 'refused', 'mail1', 5]]);
    assert.equal(leftovers(passive.root), '');
    assert.equal(readFileSync(join(passive.root, 'etc/x'), 'utf8'), 'edited here');
  });

  it('is not kept when it is not what the push says, nor given up half way', async () => {
    await using passive = await Passive.open();
    write(passive.root, { 'etc/x': 'edited here' });
    const sender = await passive.session();
    const lie = sender.push(path, 'theirs', { content: 'stream' });
    sender.say({ t: 'chunk', id: lie, last: true }, Buffer.from('others'));
    assert.equal((await sender.ack(lie)).kind, 'conflict');
    const given = sender.push(path, 'theirs', { content: 'stream' });
    sender.say({ t: 'abort', id: given });
    sender.say({ t: 'ping', id: 1 });
    await sender.next('pong');
    assert.deepEqual(kept(passive), []);
    assert.equal(leftovers(passive.root), '');
  });

  it('is not kept when it did not come, or is on the disk already', async () => {
    await using passive = await Passive.open();
    write(passive.root, { 'etc/x': 'edited here' });
    const sender = await passive.session();
    for (const content of ['none', 'local'])
      assert.equal((await sender.ack(sender.push(path, 'theirs', { content }))).kind, 'conflict');
    const attributes = { put: fileOf('edited here', { mode: 0o600 }) };
    assert.equal((await sender.ack(sender.push(path, 'edited here', attributes))).kind, 'conflict');
    assert.deepEqual(kept(passive), []);
  });

  it('is kept when the conflict came in the last instant', async () => {
    const holder = { root: '' };
    const renames = {
      ...kernelRenames,
      noReplace: (from: string, to: string) => {
        write(holder.root, { 'etc/x': 'edited here' });
        return kernelRenames.noReplace(from, to);
      },
    };
    await using passive = await Passive.open({ renames });
    holder.root = passive.root;
    const sender = await passive.session();
    assert.equal((await sender.ack(sender.push(path, 'theirs'))).kind, 'conflict');
    assert.deepEqual(kept(passive), [[fileOf('theirs').digest, 'refused', 'mail1', 5]]);
    assert.equal(leftovers(passive.root), '');
  });
});

describe('a file that is larger than this node takes', () => {
  for (const content of ['inline', 'stream']) {
    it(`is refused before anything is staged (${content})`, async () => {
      await using passive = await Passive.open({ limits: { maxFileSize: '1KiB' } });
      const sender = await passive.session();
      const id = sender.push(path, 'x'.repeat(1025), { content });
      const result = await sender.ack(id);
      assert.equal(result.kind === 'refused' && result.reason, 'too-large');
      assert.match(result.kind === 'refused' ? result.detail : '', /expected at most 1024 .* found 1025/);
      assert.deepEqual(readdirSync(join(passive.root, 'etc')), []);
      assert.deepEqual(await sender.ack(sender.push(path, 'x'.repeat(1024))), { kind: 'applied' });
    });
  }

  it('is not kept when it is in conflict', async () => {
    await using passive = await Passive.open({ limits: { maxFileSize: '1KiB' } });
    write(passive.root, { 'etc/x': 'edited here' });
    const sender = await passive.session();
    assert.equal((await sender.ack(sender.push(path, 'x'.repeat(1025)))).kind, 'conflict');
    assert.deepEqual(kept(passive), []);
  });
});
