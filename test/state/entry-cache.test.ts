import assert from 'node:assert/strict';
import { test } from 'node:test';
import { absent } from '../../src/core/entry.ts';
import { packEntry } from '../../src/core/packed.ts';
import type { ReplicaPath } from '../../src/core/path.ts';
import { Folder } from '../../src/files/folder.ts';
import { stateOfStamp } from '../../src/files/statx.ts';
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

function stamp(inode: number): string {
  return `66305:${inode}:5:1700000000000000001:1700000000000000002`;
}

/** As a walk puts it together; all but `others` remembered. */
function walked(path: string, names: readonly string[], others: readonly string[] = []): Folder {
  return new Folder({
    path: path as ReplicaPath,
    names,
    packed: names.map((name) => packEntry(file(name))),
    states: Uint32Array.from(names.flatMap((_, inode) => stateOfStamp(stamp(inode)) ?? [])),
    walked: {
      watchlists: {},
      included: true,
      listing: names,
      others,
      owners: [],
      largest: 5,
      self: undefined,
    },
  });
}

test('what is loaded stands in folders, and what came since counts before it', (t) => {
  const folder = temporaryFolder(t);
  const database = opened(t, folder);
  const before = new EntryCacheStore(database);
  for (const [inode, name] of ['a', 'b', 'c'].entries()) before.set(`/etc/${name}`, stamp(inode), file(name));
  before.commit();
  const cache = new EntryCacheStore(database);
  assert.equal(cache.size, 3, 'before it is loaded');
  const known = cache.folder('/etc' as ReplicaPath);
  assert.deepEqual(known?.names, ['a', 'b', 'c']);
  assert.equal(cache.size, 3, 'and afterwards');
  assert.equal(known.stampAt(1), stamp(1));
  assert.deepEqual(cache.get('/etc/b'), { stamp: stamp(1), entry: file('b') });
  assert.equal(cache.packed('/etc/b', { stamp: stamp(2) }), undefined);
  cache.set('/etc/b', stamp(9), file('d'));
  assert.equal(cache.packed('/etc/b', { stamp: stamp(1) }), undefined);
  assert.equal(cache.packed('/etc/b', { stamp: stamp(9) }), packEntry(file('d')));
  cache.delete('/etc/c');
  assert.equal(cache.get('/etc/c'), undefined);
  assert.equal(cache.size, 2);
});

test('a walk replaces what was known of a directory, and what is gone from it is gone from the disk', (t) => {
  const folder = temporaryFolder(t);
  const database = opened(t, folder);
  const cache = new EntryCacheStore(database);
  for (const [inode, name] of ['a', 'b', 'c', 'x'].entries())
    cache.set(`/etc/${name}`, stamp(inode), file('a'));
  cache.commit();
  const next = new EntryCacheStore(database);
  next.keep(walked('/etc', ['a', 'b'], ['x']));
  assert.deepEqual(next.get('/etc/a'), { stamp: stamp(0), entry: file('a') });
  assert.deepEqual(next.get('/etc/x'), { stamp: stamp(3), entry: file('a') }, 'it is looked at each time');
  assert.equal(next.get('/etc/c'), undefined);
  assert.equal(next.size, 3);
  next.commit();
  assert.equal(new EntryCacheStore(database).get('/etc/c'), undefined);
  assert.equal(new EntryCacheStore(database).size, 3);
});

test('memory and disk do not grow with paths that come and go', (t) => {
  const folder = temporaryFolder(t);
  const database = opened(t, folder);
  const cache = new EntryCacheStore(database);
  const exists = (path: string): boolean => path.startsWith('/etc/kept');
  for (let round = 0; round < 20; round += 1) {
    for (let at = 0; at < 100; at += 1) cache.set(`/etc/${round}/${at}`, stamp(at), file('a'));
    cache.keep(walked(`/etc/${round}`, ['1', '2']));
    cache.keep(walked('/etc/kept', ['1', '2']));
    cache.set('/etc/kept/3', stamp(3), file('a'));
    cache.retain(3, exists);
    assert.ok(cache.size <= 1106, String(cache.size));
  }
  cache.retain(-1000, exists);
  cache.commit();
  assert.equal(cache.size, 3);
  assert.equal(new EntryCacheStore(database).size, 1, 'a folder is on the disk where its files were set');
});

test('takes over what another process has read since, where it carries that stamp and others are asked', (t) => {
  const folder = temporaryFolder(t);
  const receiver = new EntryCacheStore(opened(t, folder));
  assert.equal(receiver.get('/etc/a'), undefined);
  const daemon = new EntryCacheStore(opened(t, folder));
  daemon.set('/etc/a', stamp(1), file('a'));
  assert.equal(receiver.learn('/etc/a', stamp(1)), undefined, 'nobody is asked');
  receiver.askOthers();
  assert.equal(receiver.learn('/etc/a', stamp(1)), undefined, 'it is not written yet');
  daemon.commit();
  assert.equal(receiver.learn('/etc/a', stamp(2)), undefined, 'it carries another stamp');
  assert.equal(receiver.learn('/etc/b', stamp(1)), undefined);
  assert.deepEqual(receiver.learn('/etc/a', stamp(1)), file('a'));
  assert.deepEqual(receiver.get('/etc/a'), { stamp: stamp(1), entry: file('a') });
  assert.equal(receiver.packed('/etc/a', { stamp: stamp(1) }), packEntry(file('a')));
});

test('takes over no damaged row', (t) => {
  const folder = temporaryFolder(t);
  const database = opened(t, folder);
  const cache = new EntryCacheStore(database);
  cache.askOthers();
  assert.equal(cache.get('/etc/a'), undefined);
  database.statement('INSERT INTO seen VALUES (?, ?, ?)').run('/etc/a', stamp(1), '{');
  assert.equal(cache.learn('/etc/a', stamp(1)), undefined);
});

test('what is known of files goes with the directory that they are in, and survives a restart there', (t) => {
  const folder = temporaryFolder(t);
  const stamp = '66305:10:5:1700000000000000001:1700000000000000002';
  const before = new EntryCacheStore(opened(t, folder));
  before.set('/etc/d/old', stamp, file('a'));
  before.set('/etc/d/deep/er', stamp, file('b'));
  before.set('/etc/d0', stamp, file('c'));
  before.commit();
  // Those that were there at the start are kept by directory, what came since by itself.
  const cache = new EntryCacheStore(opened(t, folder));
  cache.set('/etc/d/new', stamp, file('d'));
  cache.moved({ from: '/etc/d' as ReplicaPath, to: '/srv/e' as ReplicaPath });
  cache.commit();
  for (const known of [cache, new EntryCacheStore(opened(t, folder))]) {
    for (const [name, digit] of [
      ['old', 'a'],
      ['deep/er', 'b'],
      ['new', 'd'],
    ] as const)
      assert.equal(known.packed(`/srv/e/${name}`, { stamp }), packEntry(file(digit)), name);
    assert.equal(known.packed('/srv/e0', { stamp }), undefined);
    assert.equal(known.packed('/etc/d0', { stamp }), packEntry(file('c')));
  }
});
