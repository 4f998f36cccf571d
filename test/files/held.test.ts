import assert from 'node:assert/strict';
import {
  chmodSync,
  closeSync,
  constants,
  lstatSync,
  openSync,
  renameSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { describe, it } from 'node:test';
import type { FileEntry } from '../../src/core/entry.ts';
import { HeldFile } from '../../src/files/held.ts';
import { observeAt } from '../../src/files/observe.ts';
import { replica, temporaryFolder } from './fixture.ts';

function seen(path: string): { entry: FileEntry; stamp: string } {
  const look = observeAt(path, replica('/a'), { maxFileSizeBytes: 1e9, checkWriters: true });
  if (look.kind !== 'entry' || look.entry.kind !== 'file') throw new Error(`found ${look.kind}`);
  return { entry: look.entry, stamp: look.stamp };
}

/** Opens as a writer would that does not wait for a lease to end. */
function tryToWrite(path: string): string {
  try {
    closeSync(openSync(path, constants.O_WRONLY | constants.O_NONBLOCK));
    return 'opened';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? '';
  }
}

describe('a file that is held while it gets another name', () => {
  it('is known without being read, with the stamp that it has under its new name', () => {
    using folder = temporaryFolder();
    const [from, to] = [folder.at('a'), folder.at('b')];
    writeFileSync(from, 'A');
    const before = seen(from);
    using held = HeldFile.hold(from, before.stamp);
    renameSync(from, to);
    const moved = held?.movedTo(to, before.entry);
    assert.deepEqual(moved, { kind: 'entry', ...seen(to) });
    assert.equal(tryToWrite(to), 'opened');
  });

  it('lets nobody write until then, and is to be read when somebody wanted to', () => {
    using folder = temporaryFolder();
    const [from, to] = [folder.at('a'), folder.at('b')];
    writeFileSync(from, 'A');
    const before = seen(from);
    using held = HeldFile.hold(from, before.stamp);
    assert.equal(tryToWrite(from), 'EAGAIN');
    renameSync(from, to);
    assert.equal(held?.movedTo(to, before.entry), undefined);
    assert.equal(tryToWrite(to), 'opened');
  });

  it('has the attributes that it was given meanwhile', () => {
    using folder = temporaryFolder();
    const path = folder.at('a');
    writeFileSync(path, 'A');
    const before = seen(path);
    using held = HeldFile.hold(path, before.stamp);
    chmodSync(path, 0o600);
    const { entry } = held?.movedTo(path, before.entry) ?? {};
    assert.deepEqual(entry, { ...before.entry, mode: 0o600 });
  });

  it('is another one when another has the name', () => {
    using folder = temporaryFolder();
    const path = folder.at('a');
    writeFileSync(path, 'A');
    const before = seen(path);
    using held = HeldFile.hold(path, before.stamp);
    writeFileSync(folder.at('new'), 'B');
    const { atime, mtime } = lstatSync(path);
    utimesSync(folder.at('new'), atime, mtime);
    renameSync(folder.at('new'), path);
    assert.equal(held?.movedTo(path, before.entry), undefined);
  });

  it('is not held when it was written to since it was seen, whatever its time says', async () => {
    using folder = temporaryFolder();
    const path = folder.at('a');
    writeFileSync(path, 'A');
    const { atime, mtime } = lstatSync(path);
    utimesSync(path, atime, mtime);
    const { stamp } = seen(path);
    const ctime = (): bigint => lstatSync(path, { bigint: true }).ctimeNs;
    const begun = ctime();
    // The clock of file systems moves in ticks.
    while (ctime() === begun) {
      writeFileSync(path, 'B');
      utimesSync(path, atime, mtime);
    }
    assert.equal(HeldFile.hold(path, stamp), undefined);
  });

  it('is not held while somebody has it open for writing', () => {
    using folder = temporaryFolder();
    const path = folder.at('a');
    writeFileSync(path, 'A');
    const { stamp } = seen(path);
    const writer = openSync(path, constants.O_WRONLY);
    assert.equal(HeldFile.hold(path, stamp), undefined);
    writeSync(writer, 'B');
    closeSync(writer);
    assert.equal(tryToWrite(path), 'opened');
  });

  it('is not held when it is gone', () => {
    using folder = temporaryFolder();
    assert.equal(HeldFile.hold(folder.at('none'), ''), undefined);
  });
});
