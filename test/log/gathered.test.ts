import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import { gathered, type Line } from '../../src/log/gathered.ts';

type Level = 'info' | 'warn';

function rig() {
  const logged: string[] = [];
  const ending = new EventEmitter();
  const write = gathered<Level>(
    ({ level, message }: Line<Level>) => logged.push(`${level} ${message}`),
    ending,
  );
  return { logged, ending, add: (message: string, level: Level = 'info') => write({ level, message }) };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('of the lines of one turn of the event loop the first is logged at once, the rest as one message', async () => {
  const { logged, add } = rig();
  for (const line of ['a', 'b', 'c']) add(line);
  assert.deepEqual(logged, ['info a']);
  await turn();
  assert.deepEqual(logged, ['info a', 'info b\nc']);
  await turn();
  add('d');
  assert.deepEqual(logged, ['info a', 'info b\nc', 'info d']);
});

test('lines of several levels keep their order', async () => {
  const { logged, add } = rig();
  for (const line of ['a', 'b', 'c']) add(line);
  for (const line of ['d', 'e']) add(line, 'warn');
  add('f');
  await turn();
  assert.deepEqual(logged, ['info a', 'info b\nc', 'warn d\ne', 'info f']);
});

test('very much does not gather, and nothing of it is lost', async () => {
  const { logged, add } = rig();
  const line = 'x'.repeat(999);
  for (let times = 0; times < 200; times += 1) add(line);
  assert.ok(logged.length > 2);
  await turn();
  assert.equal(logged.join('').replaceAll(/info |\n/g, ''), line.repeat(200));
});

test('what was not logged yet is logged before the process has ended', () => {
  const { logged, ending, add } = rig();
  add('last');
  add('words');
  ending.emit('exit');
  assert.deepEqual(logged, ['info last', 'info words']);
});

test('a process that ends in the midst of a turn has written all of its lines', () => {
  const log = new URL('../../src/log/log.ts', import.meta.url).href;
  const script = `
    import { openLog } from ${JSON.stringify(log)};
    const logs = Array.from({ length: 20 }, () => openLog({ format: 'text', level: 'info', journal: false }));
    const [log] = logs;
    log({ kind: 'resumed' });
    for (let at = 0; at < 3; at += 1) log({ kind: 'placed', path: '/etc/' + at, what: 'file' });
    log({ kind: 'stopped' });
    process.exit(0);`;
  const { stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
  const kinds = stderr.split('\n').map((line) => line.split(' ').slice(2, 4).join(' '));
  assert.deepEqual(kinds, [
    'resumed: replication',
    'placed: /etc/0',
    'placed: /etc/1',
    'placed: /etc/2',
    'stopped: stopped',
    '',
  ]);
});
