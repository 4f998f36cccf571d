import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { gathered } from '../../src/log/gathered.ts';

function rig() {
  const writes: string[] = [];
  const below = new Writable({
    decodeStrings: false,
    write(chunk, _encoding, done) {
      writes.push(String(chunk));
      done();
    },
  });
  const ending = new EventEmitter();
  return { writes, below, ending, stream: gathered(below, ending) };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('of what is written in one turn of the event loop the first leaves at once, the rest in one write', async () => {
  const { writes, stream } = rig();
  for (const line of ['a\n', 'b\n', 'c\n']) stream.write(line);
  assert.deepEqual(writes, ['a\n']);
  await turn();
  assert.deepEqual(writes, ['a\n', 'b\nc\n']);
  await turn();
  stream.write('d\n');
  assert.deepEqual(writes, ['a\n', 'b\nc\n', 'd\n']);
});

test('very much does not gather, and nothing of it is lost', async () => {
  const { writes, stream } = rig();
  const line = `${'x'.repeat(999)}\n`;
  for (let times = 0; times < 200; times += 1) stream.write(line);
  assert.ok(writes.length > 1);
  await turn();
  assert.equal(writes.join(''), line.repeat(200));
});

test('what was not written yet leaves before the process has ended', () => {
  const { writes, ending, stream } = rig();
  stream.write('last\n');
  stream.write('words\n');
  ending.emit('exit');
  assert.deepEqual(writes, ['last\n', 'words\n']);
});

test('that nobody can take a line is put up with', async () => {
  const ending = new EventEmitter();
  const full = new Writable({ write: (_chunk, _encoding, done) => done(new Error('ENOSPC')) });
  const stream = gathered(full, ending);
  stream.write('a\n');
  await turn();
  stream.write('b\n');
  await turn();
});
