import assert from 'node:assert/strict';
import {
  closeSync,
  constants,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { ReplicaPath } from '../../src/core/path.ts';
import { kernelRenames, type Renames } from '../../src/files/place.ts';
import { type Answer, fileOf, Passive, type Sender } from '../main/hostile-wire-rig.ts';
import { eventually } from '../world/eventually.ts';
import { leftovers } from '../world/tree.ts';

const path = '/etc/large' as ReplicaPath;
const old = 'old bytes\n'.repeat(400_000);
const edited = 'EDITED by\n'.repeat(400_000);
const put = 'new';

function large(passive: Passive): string {
  return join(passive.root, path);
}

/** Sends all but the end of a push that replaces the large file; its id. */
async function beginPush(passive: Passive, sender: Sender): Promise<number> {
  writeFileSync(large(passive), old);
  // A look right after a change proves nothing about what follows.
  const { ctimeMs } = statSync(large(passive));
  await eventually('the file rests', () => Date.now() - ctimeMs > 100);
  const id = sender.push(path, '', { put: fileOf(put), expect: fileOf(old), content: 'stream' });
  sender.say({ t: 'ping', id: 1000 });
  await sender.next('pong');
  return id;
}

function endPush(sender: Sender, id: number): Promise<Answer<'ack'>['result']> {
  sender.say({ t: 'chunk', id, last: true }, Buffer.from(put));
  return sender.ack(id);
}

/** Bytes that this process has read from files and streams. */
function bytesRead(): number {
  return Number(/^rchar: (\d+)/.exec(readFileSync('/proc/self/io', 'utf8'))?.[1]);
}

function versionsOf({ node }: Passive): string[] {
  return node.versions.list(path).map(({ id }) => {
    const fd = node.versions.read(id).openContent();
    const content = readFileSync(fd, 'utf8');
    closeSync(fd);
    return content;
  });
}

/** Writes with the size and the time that the file had. */
function editUnseen(file: string): void {
  const { atime, mtime } = statSync(file);
  writeFileSync(`${file}.edit`, edited);
  utimesSync(`${file}.edit`, atime, mtime);
  renameSync(`${file}.edit`, file);
}

/** Does something at the last moment before the exchange of the first push. */
function justBefore(act: () => void): Renames {
  let done = false;
  return {
    ...kernelRenames,
    exchange: (from, to) => {
      if (!done) act();
      done = true;
      return kernelRenames.exchange(from, to);
    },
  };
}

describe('a large file that is displaced', () => {
  it('is not read any more, and becomes a version', async () => {
    await using passive = await Passive.open();
    const sender = await passive.session();
    const id = await beginPush(passive, sender);
    const before = bytesRead();
    assert.deepEqual(await endPush(sender, id), { kind: 'applied' });
    assert.ok(bytesRead() - before < old.length / 2, `${bytesRead() - before} bytes were read`);
    assert.equal(readFileSync(large(passive), 'utf8'), put);
    assert.deepEqual(versionsOf(passive), [old]);
    assert.equal(leftovers(passive.root), '');
  });

  it('is known when it comes to the push of somebody who asked for its blocks', async () => {
    await using passive = await Passive.open();
    const sender = await passive.session();
    writeFileSync(large(passive), old);
    const { ctimeMs } = statSync(large(passive));
    await eventually('the file rests', () => Date.now() - ctimeMs > 100);
    sender.say({ t: 'blocks', id: 1000, path });
    const known = (): boolean => passive.node.cache.get(path) !== undefined;
    await eventually('the file is known', known);
    const before = bytesRead();
    const id = sender.push(path, '', { put: fileOf(put), expect: fileOf(old), content: 'stream' });
    sender.say({ t: 'chunk', id, last: true }, Buffer.from(put));
    assert.deepEqual((await sender.until('ack')).result, { kind: 'applied' });
    assert.ok(bytesRead() - before < old.length / 2, `${bytesRead() - before} bytes were read`);
  });

  const edits: readonly [string, (file: string) => void][] = [
    [
      'in place',
      (file) => {
        const { atime, mtime } = statSync(file);
        writeFileSync(file, edited);
        utimesSync(file, atime, mtime);
      },
    ],
    ['by a rename', editUnseen],
  ];
  for (const [how, edit] of edits) {
    it(`is a conflict when somebody edited it ${how} meanwhile, with its old size and time`, async () => {
      await using passive = await Passive.open();
      const sender = await passive.session();
      const id = await beginPush(passive, sender);
      edit(large(passive));
      assert.equal((await endPush(sender, id)).kind, 'conflict');
      assert.equal(readFileSync(large(passive), 'utf8'), edited);
    });
  }

  it('is a conflict when somebody replaced it at the last moment', async () => {
    const holder: { file?: string } = {};
    await using passive = await Passive.open({ renames: justBefore(() => editUnseen(holder.file ?? '')) });
    holder.file = large(passive);
    const sender = await passive.session();
    const id = await beginPush(passive, sender);
    assert.equal((await endPush(sender, id)).kind, 'conflict');
    assert.equal(readFileSync(large(passive), 'utf8'), edited);
  });

  it('is read when somebody wanted to write to it at the last moment', async () => {
    const holder: { file?: string } = {};
    const wantsToWrite = (): void => {
      const writing = constants.O_WRONLY | constants.O_NONBLOCK;
      assert.throws(() => openSync(holder.file ?? '', writing), { code: 'EAGAIN' });
    };
    await using passive = await Passive.open({ renames: justBefore(wantsToWrite) });
    holder.file = large(passive);
    const sender = await passive.session();
    const id = await beginPush(passive, sender);
    const before = bytesRead();
    assert.deepEqual(await endPush(sender, id), { kind: 'applied' });
    assert.ok(bytesRead() - before >= old.length);
    assert.deepEqual(versionsOf(passive), [old]);
  });
});
