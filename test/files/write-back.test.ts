import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { describe, it } from 'node:test';
import { WriteBack } from '../../src/files/write-back.ts';
import { temporaryFolder } from './fixture.ts';

const mebibyte = 1024 * 1024;

describe('the write-back of a file that grows', () => {
  it('begins with each 8 MiB, without a gap and not for less', () => {
    const started: number[][] = [];
    const writeBack = new WriteBack(7, (...range) => started.push(range));
    for (const reached of [1, 8 * mebibyte - 1, 8 * mebibyte, 9 * mebibyte, 30 * mebibyte, 31 * mebibyte])
      writeBack.reached(reached);
    assert.deepEqual(started, [
      [7, 0, 8 * mebibyte],
      [7, 8 * mebibyte, 22 * mebibyte],
    ]);
  });

  it('is asked of the kernel, changes nothing of the file, and may fail', () => {
    using folder = temporaryFolder();
    const fd = openSync(folder.at('a'), 'w');
    const bytes = Buffer.alloc(9 * mebibyte, 'x');
    writeSync(fd, bytes);
    const writeBack = new WriteBack(fd);
    writeBack.reached(bytes.byteLength);
    assert.ok(readFileSync(folder.at('a')).equals(bytes));
    closeSync(fd);
    writeBack.reached(3 * bytes.byteLength);
  });
});
