import assert from 'node:assert/strict';
import { test } from 'node:test';
import { absent } from '../../src/core/entry.ts';
import { EntryCacheStore } from '../../src/state/entry-cache.ts';
import { file, opened, temporaryFolder } from './fixture.ts';

test('remembers over a restart what was committed, and only that', (t) => {
  const folder = temporaryFolder(t);
  const cache = new EntryCacheStore(opened(t, folder));
  cache.set('/etc/a', '1', file('a'));
  cache.set('/etc/b', '1', file('b'));
  cache.commit();
  cache.set('/etc/a', '2', file('c'));
  cache.delete('/etc/b');
  assert.deepEqual(cache.get('/etc/a'), { stamp: '2', entry: file('c') });
  assert.equal(cache.get('/etc/b'), undefined);

  const before = new EntryCacheStore(opened(t, folder));
  assert.deepEqual(before.get('/etc/a'), { stamp: '1', entry: file('a') });
  assert.deepEqual(before.get('/etc/b'), { stamp: '1', entry: file('b') });

  cache.commit();
  const after = new EntryCacheStore(opened(t, folder));
  assert.deepEqual(after.get('/etc/a'), { stamp: '2', entry: file('c') });
  assert.equal(after.get('/etc/b'), undefined);
  assert.equal(after.size, 1);
});

test('a damaged row is a miss, and is written anew', (t) => {
  const folder = temporaryFolder(t);
  const database = opened(t, folder);
  for (const [path, text] of [
    ['/etc/a', '{'],
    ['/etc/b', '{"kind":"file"}'],
  ] as const) {
    database.statement('INSERT INTO seen VALUES (?, ?, ?)').run(path, '1', text);
  }
  const cache = new EntryCacheStore(database);
  assert.equal(cache.get('/etc/a'), undefined);
  assert.equal(cache.get('/etc/b'), undefined);
  cache.set('/etc/a', '2', absent);
  cache.commit();
  assert.deepEqual(new EntryCacheStore(database).get('/etc/a'), { stamp: '2', entry: absent });
});

test('deletes a row that another process wrote after this one loaded', (t) => {
  const folder = temporaryFolder(t);
  const one = new EntryCacheStore(opened(t, folder));
  const two = new EntryCacheStore(opened(t, folder));
  two.set('/etc/a', '1', file('a'));
  two.commit();
  one.delete('/etc/a');
  one.commit();
  assert.equal(new EntryCacheStore(opened(t, folder)).size, 0);
});
