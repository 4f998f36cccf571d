import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { absent, type Entry } from '../../src/core/entry.ts';
import type { ReplicaPath } from '../../src/core/path.ts';
import { Directories } from '../../src/files/confined.ts';
import { observe } from '../../src/files/observe.ts';
import { resembles } from '../../src/files/resembles.ts';

const file = '/d/file' as ReplicaPath;

test('first sight tells type, size, mtime, mode and owners, and reads nothing', (t) => {
  const root = mkdtempSync(join(tmpdir(), 'bm-confsync-resembles-'));
  t.after(() => rmSync(root, { recursive: true }));
  const at = (path: string): string => join(root, path);
  const entryOf = (path: ReplicaPath): Entry => {
    using directories = new Directories(root);
    const seen = observe({ directories, path, maxFileSizeBytes: 1000, checkWriters: false });
    if (seen.kind !== 'entry') throw new Error(seen.kind);
    return seen.entry;
  };
  const shows = (path: ReplicaPath, entry: Entry): boolean => {
    using directories = new Directories(root);
    return resembles(directories, path, entry);
  };
  const rewrite = (content: string, seconds = 1): void => {
    writeFileSync(at('d/file'), content);
    utimesSync(at('d/file'), seconds, seconds);
  };
  mkdirSync(at('d'), { mode: 0o755 });
  rewrite('one');
  const entry = entryOf(file);
  assert.equal(shows(file, entry), true);
  rewrite('two');
  assert.equal(shows(file, entry), true, 'the content is not read');
  rewrite('three');
  assert.equal(shows(file, entry), false, 'another size');
  rewrite('one', 2);
  assert.equal(shows(file, entry), false, 'another time');
  rewrite('one');
  chmodSync(at('d/file'), 0o600);
  assert.equal(shows(file, entry), false, 'another mode');
  chmodSync(at('d/file'), 0o644);
  if (entry.kind !== 'file') throw new Error(entry.kind);
  assert.equal(shows(file, { ...entry, owner: 'nobody' }), false, 'another owner');
  assert.equal(shows(file, { ...entry, group: 'nobody' }), false, 'another group');

  const directory = entryOf('/d' as ReplicaPath);
  assert.equal(shows('/d' as ReplicaPath, directory), true);
  assert.equal(shows(file, directory), false);
  symlinkSync('file', at('d/link'));
  const link = '/d/link' as ReplicaPath;
  for (const [path, other] of [
    [link, entryOf(link)],
    [link, entry],
    ['/d/nothing' as ReplicaPath, absent],
    ['/d/nothing' as ReplicaPath, entry],
    ['/nowhere/file' as ReplicaPath, entry],
  ] as const)
    assert.equal(shows(path, other), false, path);
});
