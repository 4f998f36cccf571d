import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { canaryFault, canaryPath, isCanary, missedOne, silenceOf } from '../../src/core/canary.ts';
import { absent, type Entry } from '../../src/core/entry.ts';
import { parseReplicaPath } from '../../src/core/path.ts';
import { A, entries } from './fixture.ts';

it('is at a path like any other', () => {
  assert.ok(parseReplicaPath(canaryPath).ok);
  assert.ok(isCanary(canaryPath));
  for (const other of [`${canaryPath}x`, `${canaryPath}/x`, '/var/lib/bm-confsync-canary', '/etc/beat'])
    assert.ok(!isCanary(other), other);
});

describe('a push of the canary', () => {
  const small: Entry = { ...A, size: 40, mode: 0o600 };
  const large: Entry = { ...A, size: 257, mode: 0o600 };
  const { symlink: link, directory } = entries;
  const program: Entry = { ...A, size: 40, mode: 0o4755 };
  const table: [string, Entry, Entry, boolean][] = [
    ['comes where nothing is', small, absent, true],
    ['replaces an earlier one', small, { ...A, size: 41 }, true],
    ['is no way to place a large file', large, absent, false],
    ['is no way to place a program', program, absent, false],
    ['is no way to place a link', link, absent, false],
    ['is no way to remove anything', absent, small, false],
    ['replaces no large file', small, large, false],
    ['replaces no link', small, link, false],
    ['replaces no directory', small, directory, false],
  ];
  for (const [name, put, disk, fits] of table)
    it(name, () => assert.equal(canaryFault(put, disk) === undefined, fits));
});

it('three in a row without an ack are a silence, since the first of them', () => {
  let beats = missedOne(undefined, 1000);
  assert.equal(silenceOf(beats, 5000), undefined);
  beats = missedOne(missedOne(beats, 2000), 3000);
  assert.deepEqual(beats, { missed: 3, since: 1000 });
  assert.equal(silenceOf(beats, 4000), 3000);
  assert.equal(silenceOf(missedOne({ missed: 0, since: 0 }, 9000), 9_999_999), undefined);
});
