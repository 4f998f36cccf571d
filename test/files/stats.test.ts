import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  deviceOfOpen,
  inodeOfStamp,
  stampOf,
  statsAt,
  statsOfChild,
  statsOfOpen,
} from '../../src/files/stats.ts';
import { temporaryFolder } from './fixture.ts';

/** A folder with one of each type. */
function ground() {
  const folder = temporaryFolder();
  writeFileSync(folder.at('file'), 'x'.repeat(70_000));
  chmodSync(folder.at('file'), 0o4751);
  chownSync(folder.at('file'), 12, 34);
  writeFileSync(folder.at('old'), '');
  // Before 1970, which one call of the kernel is not trusted to tell.
  execFileSync('touch', ['--date=@-5.25', folder.at('old')]);
  mkdirSync(folder.at('directory'));
  symlinkSync('nowhere', folder.at('link'));
  execFileSync('mkfifo', [folder.at('fifo')]);
  const fd = openSync(folder.path, 'r');
  return {
    place: { fd, child: (name: string) => `/proc/self/fd/${fd}/${name}` },
    at: folder.at,
    [Symbol.dispose]: () => {
      closeSync(fd);
      folder[Symbol.dispose]();
    },
  };
}

test('one call tells what lstat tells, of every type', () => {
  using here = ground();
  for (const [name, type] of [
    ['file', 'file'],
    ['old', 'file'],
    ['directory', 'directory'],
    ['link', 'link'],
    ['fifo', 'fifo'],
  ] as const) {
    const found = statsOfChild(here.place, name);
    const big = lstatSync(here.at(name), { bigint: true });
    assert.ok(found !== undefined);
    assert.deepEqual(found, statsAt(here.at(name)), name);
    assert.equal(found.type, type);
    assert.equal(found.stamp, stampOf(big));
    assert.equal(inodeOfStamp(found.stamp), `${big.dev}:${big.ino}`);
    assert.deepEqual(
      [found.mode, found.uid, found.gid, found.size],
      [big.mode & 0o7777n, big.uid, big.gid, big.size].map(Number),
    );
    const latest = big.ctimeNs > big.mtimeNs ? big.ctimeNs : big.mtimeNs;
    assert.equal(found.changedAtMs, Number(latest / 1_000_000n));
  }
  assert.equal(statsOfChild(here.place, 'old')?.mtime, '-6.750000000');
});

test('an open file is told of itself, whatever has its name', () => {
  using here = ground();
  const fd = openSync(here.at('file'), 'r');
  assert.deepEqual(statsOfOpen(fd), statsAt(here.at('file')));
  closeSync(fd);
});

test('what is not there is undefined, and what cannot be told is an error', () => {
  using here = ground();
  const { place } = here;
  assert.equal(statsOfChild(place, 'none'), undefined);
  assert.equal(statsAt(here.at('none')), undefined);
  assert.throws(() => statsAt(join(here.at('file'), 'below')), { code: 'ENOTDIR' });
  assert.throws(() => statsOfChild(place, 'x'.repeat(300)), { code: 'ENAMETOOLONG' });
  const file = openSync(here.at('file'), 'r');
  const below = { fd: file, child: (name: string) => `/proc/self/fd/${file}/${name}` };
  assert.throws(() => statsOfChild(below, 'a'), { code: 'ENOTDIR' });
  closeSync(file);
  assert.throws(() => statsOfOpen(1_000_000), { code: 'EBADF' });
});

test('the file system that holds what is open is told by its number, as stat does', () => {
  using here = ground();
  for (const path of [here.at('file'), here.at('old'), here.at('directory'), '/proc/self', '/dev/null']) {
    const fd = openSync(path, 'r');
    assert.equal(deviceOfOpen(fd), fstatSync(fd).dev, path);
    closeSync(fd);
  }
  assert.throws(() => deviceOfOpen(1_000_000), { code: 'EBADF' });
});
