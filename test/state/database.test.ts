import assert from 'node:assert/strict';
import { chmodSync, chownSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { openDatabase } from '../../src/state/database.ts';
import { another, exitOf, failure, opened, temporaryFolder } from './fixture.ts';

test('creates a missing folder 0700 and its files 0600, whatever the umask', (t) => {
  const before = process.umask(0);
  t.after(() => process.umask(before));
  const folder = join(temporaryFolder(t), 'a', 'state');
  const database = opened(t, folder);
  database.write(() => database.statement("UPDATE counter SET value = 1 WHERE name = 'settled'").run());
  assert.equal(statSync(folder).mode & 0o777, 0o700);
  for (const name of ['state.db', 'state.db-wal', 'state.db-shm']) {
    assert.equal(statSync(join(folder, name)).mode & 0o777, 0o600, name);
  }
});

for (const mode of [0o750, 0o701, 0o777]) {
  test(`refuses a state folder of mode ${mode.toString(8)}`, (t) => {
    const folder = temporaryFolder(t);
    chmodSync(folder, mode);
    assert.throws(() => openDatabase(folder), failure('state-unsafe'));
    assert.equal(existsSync(join(folder, 'state.db')), false);
  });
}

test('refuses a state folder of somebody else', { skip: process.getuid?.() !== 0 }, (t) => {
  const folder = temporaryFolder(t);
  chownSync(folder, 12345, 0);
  assert.throws(() => openDatabase(folder), failure('state-unsafe'));
});

test('refuses a state folder that is a file', (t) => {
  const file = join(temporaryFolder(t), 'file');
  writeFileSync(file, '');
  assert.throws(() => openDatabase(file), failure('state-unsafe'));
});

test('refuses a schema that is newer than it knows, and leaves it alone', (t) => {
  const folder = temporaryFolder(t);
  openDatabase(folder).close();
  const raw = new DatabaseSync(join(folder, 'state.db'));
  raw.exec('PRAGMA user_version=999');
  raw.close();
  assert.throws(() => openDatabase(folder), failure('state-newer'));
  const again = new DatabaseSync(join(folder, 'state.db'));
  assert.equal(again.prepare('PRAGMA user_version').get()?.['user_version'], 999);
  again.close();
});

test('says what to do about a file that is no database', (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, 'state.db'), 'this is not a database, but long enough to look at. '.repeat(100));
  assert.throws(
    () => openDatabase(folder),
    (error) => failure('state-corrupt')(error) && /resync/.test(String(Object(error).hint)),
  );
});

test('a page that is damaged later is a Failure of the statement that meets it', (t) => {
  const folder = temporaryFolder(t);
  const first = openDatabase(folder);
  first.write(() => {
    for (let i = 0; i < 5000; i += 1) {
      first.statement('INSERT INTO seen VALUES (?, ?, ?)').run(`/etc/${i}`, 'stamp', '{"kind":"absent"}');
    }
  });
  first.close();
  const file = join(folder, 'state.db');
  const bytes = readFileSync(file);
  bytes.fill(0x5a, 16 * 4096);
  writeFileSync(file, bytes);
  const second = opened(t, folder);
  assert.throws(
    () => second.read(() => second.statement('SELECT * FROM seen').all()),
    failure('state-corrupt'),
  );
  assert.notDeepEqual(second.check(), []);
});

test('a sound file has nothing wrong with it', (t) => {
  assert.deepEqual(opened(t, temporaryFolder(t)).check(), []);
});

test('work that throws leaves nothing written, and the next transaction works', (t) => {
  const database = opened(t, temporaryFolder(t));
  const count = () => database.statement("SELECT value FROM counter WHERE name = 'settled'").get()?.['value'];
  const raise = () => database.statement("UPDATE counter SET value = value + 1 WHERE name = 'settled'").run();
  const failing = () => {
    raise();
    throw new Error('stop');
  };
  assert.throws(() => database.write(failing), /stop/);
  assert.throws(() => database.durably(failing), /stop/);
  assert.equal(count(), 0);
  database.write(raise);
  assert.equal(count(), 1);
});

test('durable writes commit under synchronous=FULL, others under NORMAL', (t) => {
  const database = opened(t, temporaryFolder(t));
  const level = () => database.statement('PRAGMA synchronous').get()?.['synchronous'];
  assert.equal(database.write(level), 1);
  assert.equal(database.durably(level), 2);
  assert.throws(() => database.durably(() => assert.fail('stop')), /stop/);
  assert.equal(database.write(level), 1);
});

test('what was committed is in the log, for whoever syncs it', (t) => {
  const folder = temporaryFolder(t);
  const database = opened(t, folder);
  const before = statSync(database.log ?? '').size;
  database.write(() => database.statement("INSERT INTO counter VALUES ('test', 1)").run());
  assert.equal(database.log, join(folder, 'state.db-wal'));
  assert.ok(statSync(database.log).size > before);
});

test('version() changes by own commits and by those of other connections', (t) => {
  const folder = temporaryFolder(t);
  const one = opened(t, folder);
  const two = opened(t, folder);
  const start = one.version();
  assert.equal(one.version(), start);
  one.settle();
  const mine = one.version();
  assert.notEqual(mine, start);
  two.settle();
  assert.notEqual(one.version(), mine);
});

test('several processes open, migrate and write a new state at the same moment', async (t) => {
  const folder = join(temporaryFolder(t), 'state');
  const children = [1, 2, 3].map((number) =>
    another(
      t,
      `const { openDatabase } = await load('database');
       say('ready');
       await new Promise((resolve) => process.stdin.once('data', resolve));
       const database = openDatabase(${JSON.stringify(folder)});
       for (let i = 0; i < 200; i += 1) {
         database.write(() => {
           const { value } = database.statement("SELECT value FROM counter WHERE name = 'batch'").get();
           database.statement("UPDATE counter SET value = ? WHERE name = 'batch'").run(value + 1);
         });
       }
       database.close();
       process.exit(0); // ${number}`,
    ),
  );
  for (const { lines } of children) assert.equal((await lines.next()).value, 'ready');
  for (const { child } of children) child.stdin?.write('go\n');
  assert.deepEqual(await Promise.all(children.map(({ child }) => exitOf(child))), [0, 0, 0]);
  const database = opened(t, folder);
  assert.equal(database.statement("SELECT value FROM counter WHERE name = 'batch'").get()?.['value'], 600);
});

test('a checkpoint moves the log into the main file once that is worth it', (t) => {
  const folder = temporaryFolder(t);
  const database = opened(t, folder);
  const main = (): Buffer => readFileSync(join(folder, 'state.db'));
  const count = database.statement("UPDATE counter SET value = value + 1 WHERE name = 'settled'");
  const before = main();
  for (let n = 0; n < 60; n += 1) database.write(() => count.run());
  assert.deepEqual(main(), before);
  database.checkpoint();

  // The main file by itself, as it is without its log.
  const alone = join(temporaryFolder(t), 'alone.db');
  writeFileSync(alone, main());
  using copy = new DatabaseSync(alone);
  const row = copy.prepare("SELECT value FROM counter WHERE name = 'settled'").get();
  assert.equal(row?.['value'], 60);

  const moved = main();
  database.write(() => count.run());
  database.checkpoint();
  assert.deepEqual(main(), moved);
});
