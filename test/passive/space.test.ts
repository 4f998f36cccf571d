import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmdirSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Space } from '../../src/passive/space.ts';

const megabyte = 1024 * 1024;

/** A file system of its own, so that nobody else takes from it or gives back. */
function smallDisk(t: TestContext): { folder: string; fd: number; free: number } {
  const folder = mkdtempSync(join(tmpdir(), 'bmcs-space-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', folder]);
  const fd = openSync(folder, 'r');
  t.after(() => {
    closeSync(fd);
    execFileSync('umount', [folder]);
    rmdirSync(folder);
  });
  const { bavail, bsize } = statfsSync(folder);
  return { folder, fd, free: bavail * bsize };
}

test('what the files of a batch take is not free for the next one', (t) => {
  const { fd, free } = smallDisk(t);
  const space = new Space();
  const toStayFree = free - 3 * megabyte;
  assert.equal(space.lack(fd, megabyte, toStayFree), undefined);
  assert.equal(space.lack(fd, megabyte, toStayFree), undefined);
  assert.equal(space.lack(fd, 4 * megabyte, toStayFree)?.reason, 'low-disk');
});

test('before a file is refused the file system is asked again, and so it is in the next batch', (t) => {
  const { folder, fd, free } = smallDisk(t);
  const space = new Space();
  const toStayFree = free - 3 * megabyte;
  for (let file = 0; file < 10; file += 1)
    assert.equal(space.lack(fd, megabyte, toStayFree), undefined, 'none of them was written');
  writeFileSync(join(folder, 'other'), Buffer.alloc(3 * megabyte));
  assert.equal(space.lack(fd, megabyte, toStayFree)?.reason, 'low-disk');
  space.forget();
  assert.equal(space.lack(fd, 1, toStayFree)?.reason, 'low-disk');
});
