import assert from 'node:assert/strict';
import { test } from 'node:test';
import { absent } from '../../src/core/entry.ts';
import { IntentStore } from '../../src/state/intents.ts';
import { Ledger } from '../../src/state/ledger.ts';
import { another, exitOf, file, opened, path, peer, temporaryFolder } from './fixture.ts';

const hosts = path('/etc/hosts');
const aliases = path('/etc/aliases');

test('what is about to be placed is known until it is cleared', (t) => {
  const intents = new IntentStore(opened(t, temporaryFolder(t)), peer);
  assert.deepEqual([intents.get(hosts), intents.list()], [undefined, []]);
  const puts = [
    { path: aliases, put: absent },
    { path: hosts, put: file('a') },
  ];
  intents.put(puts);
  assert.deepEqual(intents.get(hosts), file('a'));
  assert.deepEqual(intents.get(aliases), absent);
  assert.equal(intents.get(path('/etc')), undefined);
  assert.deepEqual(intents.list(), puts);
  intents.clear();
  assert.deepEqual([intents.get(hosts), intents.list()], [undefined, []]);
});

test('every kind of entry comes back as it was put', (t) => {
  const intents = new IntentStore(opened(t, temporaryFolder(t)), peer);
  const owned = { owner: 'root', group: 'mail' };
  for (const put of [
    absent,
    file('b', { mode: 0o4755, xattrs: { 'user.note': 'AA==' } }),
    { kind: 'directory', mode: 0o750, xattrs: {}, ...owned },
    { kind: 'symlink', target: '../a\n"b"', ...owned },
  ] as const) {
    intents.put([{ path: hosts, put }]);
    assert.deepEqual(intents.get(hosts), put);
  }
});

test('the last intent of a path counts, and putting none changes none', (t) => {
  const intents = new IntentStore(opened(t, temporaryFolder(t)), peer);
  intents.put([
    { path: hosts, put: file('a') },
    { path: hosts, put: file('b') },
  ]);
  intents.put([]);
  assert.deepEqual(intents.list(), [{ path: hosts, put: file('b') }]);
  intents.put([{ path: hosts, put: absent }]);
  assert.deepEqual(intents.list(), [{ path: hosts, put: absent }]);
});

test('each peer has its own', (t) => {
  const database = opened(t, temporaryFolder(t));
  const [one, other] = [new IntentStore(database, peer), new IntentStore(database, 'mail3')];
  one.put([{ path: hosts, put: file('a') }]);
  other.put([{ path: hosts, put: file('b') }]);
  one.clear();
  assert.equal(one.get(hosts), undefined);
  assert.deepEqual(other.get(hosts), file('b'));
});

test('survives a process that is killed', async (t) => {
  const folder = temporaryFolder(t);
  const { child, lines } = another(
    t,
    `const { openDatabase } = await load('database');
     const { IntentStore } = await load('intents');
     const put = ${JSON.stringify(file('a'))};
     new IntentStore(openDatabase(${JSON.stringify(folder)}), 'mail2').put([{ path: '/etc/hosts', put }]);
     say('put');
     setInterval(() => {}, 1000);`,
  );
  assert.equal((await lines.next()).value, 'put');
  child.kill('SIGKILL');
  await exitOf(child);
  const intents = new IntentStore(opened(t, folder), peer);
  assert.deepEqual(intents.list(), [{ path: hosts, put: file('a') }]);
});

test('joins a transaction: what is rolled back was never put, nor cleared', (t) => {
  const database = opened(t, temporaryFolder(t));
  const intents = new IntentStore(database, peer);
  intents.put([{ path: hosts, put: file('a') }]);
  const rollback = new Error('rollback');
  assert.throws(
    () =>
      database.write(() => {
        intents.put([{ path: aliases, put: absent }]);
        throw rollback;
      }),
    rollback,
  );
  assert.throws(
    () =>
      database.write(() => {
        intents.clear();
        throw rollback;
      }),
    rollback,
  );
  assert.deepEqual(intents.list(), [{ path: hosts, put: file('a') }]);
});

test('a row that is not ours is as if it were not there', (t) => {
  const database = opened(t, temporaryFolder(t));
  const intents = new IntentStore(database, peer);
  intents.put([{ path: hosts, put: file('a') }]);
  const insert = database.statement('INSERT INTO intent VALUES (?, ?, ?)');
  insert.run(peer, '/etc/../root', JSON.stringify(absent));
  insert.run(peer, '/etc/a', '{"kind":"file"}');
  insert.run(peer, '/etc/b', 'no JSON');
  assert.deepEqual(intents.list(), [{ path: hosts, put: file('a') }]);
  assert.equal(intents.get(path('/etc/a')), undefined);
  assert.equal(intents.get(path('/etc/b')), undefined);
  intents.clear();
  assert.deepEqual(database.statement('SELECT * FROM intent').all(), []);
});

test('a directory that is about to move is there under its new name, and nothing under the old one', (t) => {
  const database = opened(t, temporaryFolder(t));
  const ledger = new Ledger(database, { peer, mode: 'direct', now: () => 0 });
  const [top, below, beside] = [path('/etc/d'), path('/etc/d/x'), path('/etc/d0')];
  const directory = { kind: 'directory', mode: 0o755, owner: 'root', group: 'root', xattrs: {} } as const;
  ledger.record(top, directory);
  ledger.record(below, file('a'));
  ledger.record(path('/etc/d/gone'), absent);
  ledger.record(beside, file('b'));
  ledger.commit();
  const intents = new IntentStore(database, peer);
  intents.put([{ path: below, put: file('c') }]);
  intents.putMove({ from: top, to: path('/srv/e') });
  const byPath = (a: { path: string }, b: { path: string }): number => (a.path < b.path ? -1 : 1);
  assert.deepEqual(intents.list().sort(byPath), [
    { path: top, put: absent },
    { path: below, put: absent },
    { path: '/srv/e', put: directory },
    { path: '/srv/e/x', put: file('a') },
  ]);
});
