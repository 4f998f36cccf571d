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
import { stampOf } from '../../src/files/observe.ts';
import { fileStatus } from '../../src/files/statx.ts';
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
    const { size, uid, gid } = lstatSync(file);
    assert.deepEqual(fileStatus(fd, name), { stamp: stampOf(expected), size, uid, gid }, name);
  }
  closeSync(fd);
});

test('the stamp is that of stat on every file system that is mounted here', () => {
  for (const folder of ['/etc', '/proc/self', '/sys/kernel', '/dev/shm', '/run']) {
    const fd = openSync(folder, 'r');
    const name = { '/etc': 'passwd', '/proc/self': 'status', '/sys/kernel': 'uevent_seqnum' }[folder];
    if (name !== undefined && statSync(`${folder}/${name}`, { throwIfNoEntry: false }) !== undefined) {
      const stamp = fileStatus(fd, name)?.stamp.split(':').slice(0, 2);
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

test('whatever is no regular file, or has no plain times, needs a closer look', () => {
  using folder = temporaryFolder();
  mkdirSync(folder.at('directory'));
  writeFileSync(folder.at('file'), '');
  symlinkSync('file', folder.at('link'));
  run('mkfifo', folder.at('fifo'));
  writeFileSync(folder.at('old'), '');
  run('touch', '-d', '@-5', folder.at('old'));
  const fd = openSync(folder.path, 'r');
  for (const name of ['directory', 'link', 'fifo', 'old', 'none', '', '.', '..', 'directory/..', 'file\0x'])
    assert.equal(fileStatus(fd, name), undefined, name);
  assert.ok(fileStatus(fd, 'file'));
  closeSync(fd);
});
