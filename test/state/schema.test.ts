import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { migrations } from '../../src/state/schema.ts';
import { VersionStore } from '../../src/state/versions.ts';
import { file, opened, path, peer, temporaryFolder } from './fixture.ts';

/** How many steps there were before versions were stored in their order. */
const stepsBefore = 3;

/** The versions that an older program left: two of one path, one of another. */
const left = [
  { id: 'ff00000001', path: '/etc/hosts', digit: 'a', at: 1000, number: 1 },
  { id: '0000000002', path: '/etc/hosts', digit: 'b', at: 2000, number: 2 },
  { id: '8000000003', path: '/etc/fstab', digit: 'a', at: 1500, number: 1 },
] as const;

test('versions that an older program kept are all there, in their order', (t) => {
  const folder = temporaryFolder(t);
  const raw = new DatabaseSync(join(folder, 'state.db'));
  for (const step of migrations.slice(0, stepsBefore)) raw.exec(step);
  raw.exec(`PRAGMA user_version=${stepsBefore}`);
  const insert = raw.prepare('INSERT INTO version VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)');
  for (const { id, path, digit, at, number } of left) {
    const entry = file(digit);
    const row = [JSON.stringify(entry), entry.digest, entry.size, 7, 'removed', peer, at, number];
    insert.run(id, path, ...row);
  }
  raw.close();

  const store = new VersionStore(opened(t, folder));
  const [first, second, third] = left.map(({ id, path: raw, digit, at }) => ({
    id,
    path: path(raw),
    entry: file(digit),
    epoch: 7,
    reason: 'removed',
    peer,
    at,
  }));
  assert.deepEqual(store.list(path('/etc/hosts')), [second, first]);
  assert.deepEqual(store.get('8000000003'), third);
  // Their contents were never here, so that each of them is missed, and nothing else.
  assert.equal(store.misses(file('a').digest), true);
  assert.equal(store.misses(file('b').digest), true);
  assert.equal(store.misses(`${'a'.repeat(8)}${'0'.repeat(56)}`), false);

  // The next one goes on from there.
  const from = join(folder, 'displaced');
  writeFileSync(from, 'hello');
  chmodSync(from, 0o644);
  const about = { path: path('/etc/hosts'), epoch: 8, reason: 'overwritten', peer, now: 3000 } as const;
  const id = store.adopt({ ...about, from, entry: file('c') });
  assert.deepEqual(
    store.list(path('/etc/hosts')).map((version) => version.id),
    [id, '0000000002', 'ff00000001'],
  );
});
