import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, writeSync } from 'node:fs';
import { test } from 'node:test';
import { syncTogether, worstResult } from '../../src/files/sync-together.ts';
import { temporaryFolder } from './fixture.ts';

const moduleUrl = new URL('../../src/files/sync-together.ts', import.meta.url).href;

/** Opens so many new files, syncs them together, and tells the process that did. */
const script = `
  import { openSync, writeSync } from 'node:fs';
  const { syncTogether } = await import(${JSON.stringify(moduleUrl)});
  const fds = Array.from({ length: Number(process.argv[2]) }, (_, index) => openSync(process.argv[1] + '/' + index, 'w+'));
  for (const fd of fds) writeSync(fd, 'content');
  syncTogether([...fds, openSync(process.argv[1], 'r')]);
  console.log('synced');
`;

function traced(folder: string, files: number, more: readonly string[]): { calls: string; out: string } {
  const command = [process.execPath, '--input-type=module', '-e', script, folder, String(files)];
  const options = [
    '-f',
    '-qq',
    '-e',
    'trace=io_setup,io_submit,io_getevents,fsync',
    '-o',
    `${folder}/trace`,
    ...more,
  ];
  const ran = spawnSync('strace', [...options, ...command], { encoding: 'utf8' });
  assert.equal(ran.status, 0, ran.stderr);
  return { calls: spawnSync('cat', [`${folder}/trace`], { encoding: 'utf8' }).stdout, out: ran.stdout };
}

/** How many syncs the kernel took side by side, and how many were made one after the other. */
function counted(calls: string): { together: number; alone: number } {
  const together = [...calls.matchAll(/io_submit\(.*= (\d+)/g)].map(([, count]) => Number(count));
  // Node syncs what it printed to when it ends.
  const alone = [...calls.matchAll(/ fsync\((\d+)/g)].filter(([, fd]) => Number(fd) > 2).length;
  return { together: together.reduce((sum, count) => sum + count, 0), alone };
}

const hasStrace = spawnSync('strace', ['-V']).status === 0;

test('files and directories are synced side by side, however many', { skip: !hasStrace }, () => {
  for (const files of [1, 4, 20, 40]) {
    using folder = temporaryFolder();
    const { calls, out } = traced(folder.path, files, []);
    assert.equal(out, 'synced\n');
    const { together, alone } = counted(calls);
    assert.equal(together + alone, files + 1);
    assert.ok(alone <= 1, calls);
  }
});

test('where the kernel refuses, they are synced one after the other', { skip: !hasStrace }, () => {
  for (const refused of ['io_setup:error=ENOSYS', 'io_submit:error=EAGAIN']) {
    using folder = temporaryFolder();
    const { calls, out } = traced(folder.path, 4, ['-e', `inject=${refused}`]);
    assert.equal(out, 'synced\n');
    assert.deepEqual(counted(calls), { together: 0, alone: 5 });
  }
});

test('a wait that a signal cuts short goes on', { skip: !hasStrace }, () => {
  using folder = temporaryFolder();
  const { calls, out } = traced(folder.path, 4, ['-e', 'inject=io_getevents:error=EINTR:when=1..2']);
  assert.equal(out, 'synced\n');
  assert.deepEqual(counted(calls), { together: 5, alone: 0 });
  assert.equal(calls.split('\n').filter((line) => line.includes('io_getevents(')).length, 3);
});

test('a descriptor that cannot be synced is an error', () => {
  using folder = temporaryFolder();
  const fine = openSync(folder.at('fine'), 'w+');
  const device = openSync('/dev/null', 'r');
  try {
    writeSync(fine, 'content');
    assert.doesNotThrow(() => syncTogether([fine, fine]));
    assert.throws(() => syncTogether([fine, device, fine]), { syscall: 'fsync' });
  } finally {
    closeSync(fine);
    closeSync(device);
  }
});

test('what the disk says of one of several is an error, whichever it is', () => {
  const results = [0n, -5n, 0n];
  const events = Buffer.alloc(results.length * 32);
  for (const [index, result] of results.entries()) events.writeBigInt64LE(result, index * 32 + 16);
  assert.equal(worstResult(events, 3), -5);
  assert.equal(worstResult(events, 1), 0);
});
