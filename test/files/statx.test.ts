import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { test } from 'node:test';
import { stampOf } from '../../src/files/stats.ts';
import { type InodeType, Statx, stampOfState, stateOfStamp } from '../../src/files/statx.ts';
import { run, temporaryFolder } from './fixture.ts';

test('the stamp and the ids are those that lstat tells', () => {
  using folder = temporaryFolder();
  const fd = openSync(folder.path, 'r');
  for (const [name, content, seconds] of [
    ['a', '', 1],
    ['b', 'x'.repeat(70_000), 1_714_000_000.000001],
    ['ü\n" name', 'x', 4_000_000_000],
  ] as const) {
    const file = folder.at(name);
    writeFileSync(file, content);
    chmodSync(file, 0o4751);
    chownSync(file, 12, 34);
    utimesSync(file, seconds, seconds);
    const expected = lstatSync(file, { bigint: true });
    const { size, uid, gid, ctimeMs, mtimeMs } = lstatSync(file);
    const seen = new Statx();
    assert.equal(seen.look(fd, name), 'file');
    const told = { stamp: seen.stamp, size: seen.size, uid: seen.uid, gid: seen.gid, at: seen.changedAtMs };
    const at = Math.floor(Math.max(ctimeMs, mtimeMs));
    assert.deepEqual(told, { stamp: stampOf(expected), size, uid, gid, at }, name);
  }
  closeSync(fd);
});

test('the stamp is that of stat on every file system that is mounted here', () => {
  for (const folder of ['/etc', '/proc/self', '/sys/kernel', '/dev/shm', '/run']) {
    const fd = openSync(folder, 'r');
    const name = { '/etc': 'passwd', '/proc/self': 'status', '/sys/kernel': 'uevent_seqnum' }[folder];
    if (name !== undefined && statSync(`${folder}/${name}`, { throwIfNoEntry: false }) !== undefined) {
      const seen = new Statx();
      assert.equal(seen.look(fd, name), 'file');
      const stamp = seen.stamp.split(':').slice(0, 2);
      assert.deepEqual(
        stamp,
        stampOf(lstatSync(`${folder}/${name}`, { bigint: true }))
          .split(':')
          .slice(0, 2),
      );
    }
    closeSync(fd);
  }
});

test('whatever has no state that can be told needs a closer look', () => {
  using folder = temporaryFolder();
  mkdirSync(folder.at('directory'));
  writeFileSync(folder.at('file'), '');
  symlinkSync('file', folder.at('link'));
  run('mkfifo', folder.at('fifo'));
  writeFileSync(folder.at('old'), '');
  run('touch', '-d', '@-5', folder.at('old'));
  const fd = openSync(folder.path, 'r');
  const seen = new Statx();
  for (const name of ['fifo', 'old', 'none', '', '..', 'directory/..', 'file\0x'])
    assert.equal(seen.look(fd, name), undefined, name);
  const types: readonly [string, InodeType][] = [
    ['file', 'file'],
    ['link', 'link'],
    ['directory', 'directory'],
    ['.', 'directory'],
  ];
  for (const [name, type] of types) assert.equal(seen.look(fd, name), type, name);
  closeSync(fd);
});

test('a state is that of one inode in one state, and nothing else', () => {
  using folder = temporaryFolder();
  for (const name of ['a', 'b']) writeFileSync(folder.at(name), 'same');
  const fd = openSync(folder.path, 'r');
  const seen = new Statx();
  seen.look(fd, 'a');
  const state = Uint32Array.from([...seen.state, ...seen.state]);
  for (const from of [0, state.length / 2]) assert.ok(seen.isAs(state, from) && seen.hasStampOf(state, from));
  seen.look(fd, 'b');
  assert.ok(!seen.hasStampOf(state, 0) && !seen.isAs(state, 0));
  chownSync(folder.at('a'), 12, 34);
  seen.look(fd, 'a');
  assert.ok(!seen.isAs(state, 0));
  // Each number of it counts.
  const now = seen.state;
  for (const place of now.keys()) {
    const other = Uint32Array.from(now, (part, at) => (at === place ? part ^ 1 : part));
    assert.ok(!seen.isAs(other, 0), String(place));
    assert.equal(seen.hasStampOf(other, 0), place >= 10, String(place));
  }
  closeSync(fd);
});

test('a stamp is read back to the state it was made of, without the ids', () => {
  const devices = [0, 1, 0xfd01, 0xffff_ffff];
  const numbers = [0, 1, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1];
  for (const device of devices)
    for (const number of numbers) {
      const stamp = `${device}:${number}:${number}:1700000000000000001:4294967295999999999`;
      const state = stateOfStamp(stamp);
      assert.equal(state?.length, 12);
      assert.equal(stampOfState(state ?? [], 0), stamp);
    }
  for (const stamp of [
    '',
    '1',
    '1:2:3:4:5',
    '1:2:3:1700000000000000001:',
    '01:2:3:1700000000000000001:1700000000000000001',
  ])
    assert.equal(stateOfStamp(stamp), undefined, stamp);
});
