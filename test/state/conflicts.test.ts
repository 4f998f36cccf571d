import assert from 'node:assert/strict';
import { test } from 'node:test';
import { absent } from '../../src/core/entry.ts';
import { ConflictStore } from '../../src/state/conflicts.ts';
import { file, opened, path, peer, temporaryFolder } from './fixture.ts';

const hosts = {
  peer,
  path: path('/etc/hosts'),
  kind: 'edited-on-both',
  detectedAt: 1000,
  epoch: 3,
  active: file('a'),
  passive: file('b'),
  agreed: absent,
} as const;

test('keeps one conflict for a peer and a path, over restarts, sorted by path', (t) => {
  const folder = temporaryFolder(t);
  const conflicts = new ConflictStore(opened(t, folder));
  const put = conflicts.put(hosts);
  const { agreed: _, ...neverAgreed } = hosts;
  const other = conflicts.put({ ...neverAgreed, path: path('/etc/aliases'), kind: 'first-sync' });
  conflicts.put(hosts);
  const again = new ConflictStore(opened(t, folder));
  assert.deepEqual(again.list(), [other, put]);
  assert.equal('agreed' in (again.get(other.id) ?? {}), false);
  assert.deepEqual(again.get(put.id), put);
  assert.deepEqual(again.at(peer, hosts.path), put);
  assert.equal(again.count(), 2);
});

test('the id stays while both entries stay, and changes with either; the first detection stays', (t) => {
  const conflicts = new ConflictStore(opened(t, temporaryFolder(t)));
  const first = conflicts.put(hosts);
  assert.match(first.id, /^[0-9a-f]{10}$/);
  const same = conflicts.put({ ...hosts, detectedAt: 2000 });
  assert.deepEqual(same, first);
  const changed = conflicts.put({ ...hosts, passive: file('c'), detectedAt: 3000 });
  assert.notEqual(changed.id, first.id);
  assert.equal(changed.detectedAt, 1000);
  assert.equal(conflicts.get(first.id), undefined);
  assert.equal(conflicts.count(), 1);
});

test('clear takes away the one of that peer and path', (t) => {
  const conflicts = new ConflictStore(opened(t, temporaryFolder(t)));
  conflicts.put(hosts);
  conflicts.put({ ...hosts, peer: 'mail3' });
  assert.equal(conflicts.clear(peer, hosts.path), true);
  assert.equal(conflicts.clear(peer, hosts.path), false);
  assert.deepEqual(
    conflicts.list().map((conflict) => conflict.peer),
    ['mail3'],
  );
});

test('clearAll takes away those that are there, in one transaction, and none without one', (t) => {
  const database = opened(t, temporaryFolder(t));
  const conflicts = new ConflictStore(database);
  conflicts.put(hosts);
  conflicts.put({ ...hosts, path: '/etc/other' as typeof hosts.path });
  conflicts.put({ ...hosts, peer: 'mail3' });
  const writes = (): number => Number(database.version().split('.')[1]);
  const before = writes();
  const paths = ['/etc/other', '/etc/none', hosts.path] as (typeof hosts.path)[];
  assert.equal(conflicts.clearAll(peer, paths), 2);
  assert.equal(writes(), before + 1);
  assert.equal(conflicts.clearAll(peer, paths), 0);
  assert.equal(writes(), before + 1);
  assert.deepEqual(
    conflicts.list().map((conflict) => conflict.peer),
    ['mail3'],
  );
});

test('a damaged row is reported and left out', (t) => {
  const database = opened(t, temporaryFolder(t));
  const reported: string[] = [];
  const conflicts = new ConflictStore(database, ({ key }) => reported.push(key));
  conflicts.put(hosts);
  database.statement("UPDATE conflict SET active = '{}'").run();
  assert.deepEqual(conflicts.list(), []);
  assert.deepEqual(reported, ['/etc/hosts']);
});
