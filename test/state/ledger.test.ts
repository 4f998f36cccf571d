import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { absent, type Entry } from '../../src/core/entry.ts';
import { isBelow } from '../../src/core/path.ts';
import { type Database, type OnDamaged, openDatabase } from '../../src/state/database.ts';
import { Ledger } from '../../src/state/ledger.ts';
import { temporaryFolder as disposableFolder } from '../files/fixture.ts';
import { another, exitOf, failure, file, opened, path, peer, temporaryFolder } from './fixture.ts';

type Mode = 'memory' | 'direct';
const modes: readonly Mode[] = ['memory', 'direct'];
const day = 24 * 3600 * 1000;

function ledger(
  database: Database,
  mode: Mode,
  about: { now?: () => number; onDamaged?: OnDamaged } = {},
): Ledger {
  return new Ledger(database, { peer, mode, now: () => 0, ...about });
}

for (const mode of modes) {
  test(`${mode}: knows at once what was recorded, and after a restart what was committed`, (t) => {
    const folder = temporaryFolder(t);
    const database = opened(t, folder);
    const first = ledger(database, mode);
    first.record(path('/etc/a'), file('a'));
    first.record(path('/etc/gone'), absent);
    assert.deepEqual(first.get(path('/etc/a')), file('a'));
    first.commit();
    first.record(path('/etc/late'), file('b'));
    assert.equal(first.uncommitted, 1);

    const again = ledger(opened(t, folder), mode);
    assert.deepEqual(again.get(path('/etc/a')), file('a'));
    assert.deepEqual(again.get(path('/etc/gone')), absent);
    assert.equal(again.get(path('/etc/late')), undefined);
    assert.equal(again.known(path('/etc/gone')), true);
    assert.equal(again.known(path('/etc/late')), false);
  });

  test(`${mode}: a forgotten path is as one never agreed on`, (t) => {
    const folder = temporaryFolder(t);
    const first = ledger(opened(t, folder), mode);
    first.record(path('/etc/a'), file('a'));
    first.commit();
    first.forget(path('/etc/a'));
    assert.equal(first.get(path('/etc/a')), undefined);
    assert.equal(first.size, 0);
    first.commit();
    assert.equal(ledger(opened(t, folder), mode).known(path('/etc/a')), false);
    assert.deepEqual(first.entries(), []);
  });

  test(`${mode}: peers have ledgers of their own`, (t) => {
    const database = opened(t, temporaryFolder(t));
    const one = ledger(database, mode);
    one.record(path('/etc/a'), file('a'));
    one.commit();
    assert.equal(new Ledger(database, { peer: 'mail3', mode, now: () => 0 }).known(path('/etc/a')), false);
  });

  test(`${mode}: a damaged row is reported and counts as unknown`, (t) => {
    const database = opened(t, temporaryFolder(t));
    const insert = (raw: string, entry: string) =>
      database.statement('INSERT INTO ledger VALUES (?, ?, ?, 1, 0, 1)').run(peer, raw, entry);
    insert('/etc/json', '{');
    insert('/etc/shape', '{"kind":"file","digest":"../../x"}');
    insert('/etc/../shadow', JSON.stringify(file('a')));
    insert('/etc/good', JSON.stringify(file('b')));
    const reported = new Set<string>();
    const found = ledger(database, mode, { onDamaged: ({ key }) => reported.add(key) });
    assert.equal(found.get(path('/etc/json')), undefined);
    assert.deepEqual(
      found.entries().map(([each]) => each),
      ['/etc/good'],
    );
    assert.deepEqual([...reported].sort(), ['/etc/../shadow', '/etc/json', '/etc/shape']);
  });

  test(`${mode}: get, below and size agree with a plain map, committed or not`, (t) => {
    const names = [
      '/',
      '/etc',
      '/etc/a',
      '/etc/a/b',
      '/etc/a.b',
      '/etc/a0',
      '/etc/ä',
      '/etcetera',
      '/var/😀',
    ];
    const paths = names.map(path);
    const step = fc.oneof(
      fc.record({
        at: fc.constantFrom(...paths),
        put: fc.constantFrom<Entry | null>(file('a'), absent, null),
      }),
      fc.constant('commit' as const),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        const database = opened(t, temporaryFolder(t));
        const found = ledger(database, mode);
        const model = new Map<string, Entry>();
        for (const each of steps) {
          if (each === 'commit') found.commit();
          else if (each.put === null) {
            found.forget(each.at);
            model.delete(each.at);
          } else {
            found.record(each.at, each.put);
            model.set(each.at, each.put);
          }
        }
        const present = paths.filter((each) => model.get(each)?.kind === 'file');
        assert.equal(found.size, present.length);
        for (const each of paths) {
          assert.deepEqual(found.get(each), model.get(each));
          const below = present.filter((one) => one === each || isBelow(one, each));
          assert.deepEqual(found.below(each).sort(), below.sort());
        }
        assert.deepEqual(new Map<string, Entry>(found.entries()), model);
        database.close();
      }),
      { numRuns: 40 },
    );
  });

  test(`${mode}: an agreed absence is kept for 30 days`, (t) => {
    const database = opened(t, temporaryFolder(t));
    let now = 0;
    const found = ledger(database, mode, { now: () => now });
    found.record(path('/etc/gone'), absent);
    found.record(path('/etc/here'), file('a'));
    found.commit();
    now = 30 * day;
    assert.equal(found.prune(), 0);
    now += 1;
    assert.equal(found.prune(), 1);
    const again = ledger(database, mode);
    assert.equal(again.known(path('/etc/gone')), false);
    assert.equal(again.known(path('/etc/here')), true);
  });
}

test('memory: refresh takes over what another process committed, and keeps own records', async (t) => {
  const folder = temporaryFolder(t);
  const found = ledger(opened(t, folder), 'memory');
  found.record(path('/etc/a'), file('a'));
  found.record(path('/etc/b'), file('a'));
  found.commit();
  found.record(path('/etc/a'), file('c'));
  const { child } = another(
    t,
    `const { openDatabase } = await load('database');
     const { Ledger } = await load('ledger');
     const database = openDatabase(${JSON.stringify(folder)});
     const ledger = new Ledger(database, { peer: 'mail2', mode: 'direct', now: () => 0 });
     ledger.record('/etc/a', { kind: 'absent' });
     ledger.forget('/etc/b');
     ledger.record('/etc/new', ${JSON.stringify(file('d'))});
     ledger.commit();
     database.close();`,
  );
  assert.equal(await exitOf(child), 0);
  assert.equal(found.get(path('/etc/new')), undefined);
  assert.equal(found.refresh(), 3);
  assert.equal(found.refresh(), 0);
  assert.deepEqual(found.get(path('/etc/new')), file('d'));
  assert.equal(found.get(path('/etc/b')), undefined);
  assert.deepEqual(found.get(path('/etc/a')), file('c'));
  assert.equal(found.size, 2);
});

test('a process that is killed while it writes leaves whole batches', async (t) => {
  const folder = temporaryFolder(t);
  const { child, lines } = another(
    t,
    `const { openDatabase } = await load('database');
     const { Ledger } = await load('ledger');
     const ledger = new Ledger(openDatabase(${JSON.stringify(folder)}), { peer: 'mail2', mode: 'memory', now: () => 0 });
     for (let batch = 0; ; batch += 1) {
       for (let i = 0; i < 100; i += 1) ledger.record('/etc/' + batch + '/' + i, ${JSON.stringify(file('a'))});
       ledger.commit();
       say(String(batch));
     }`,
  );
  let said = -1;
  while (said < 5) said = Number((await lines.next()).value);
  child.kill('SIGKILL');
  await exitOf(child);

  const database = opened(t, folder);
  const found = ledger(database, 'direct');
  assert.deepEqual(database.check(), []);
  assert.equal(found.size % 100, 0);
  assert.ok(found.size >= (said + 1) * 100, 'what was said to be committed is there');
  found.record(path('/etc/after'), file('b'));
  found.commit();
  assert.deepEqual(ledger(database, 'memory').get(path('/etc/after')), file('b'));
});

test('a commit that fails keeps its records for the next one', (t) => {
  const folder = temporaryFolder(t);
  const database = opened(t, folder);
  const found = ledger(database, 'memory');
  found.record(path('/etc/a'), file('a'));
  database.statement('PRAGMA query_only=1').get();
  assert.throws(() => found.commit(), failure('state-io'));
  database.statement('PRAGMA query_only=0').get();
  found.commit();
  assert.deepEqual(ledger(opened(t, folder), 'direct').get(path('/etc/a')), file('a'));
});

const anyName = fc.constantFrom('a', 'b', 'a0', 'é', '0', 'z');
const anyTree = fc.uniqueArray(fc.array(anyName, { minLength: 1, maxLength: 3 }), { maxLength: 12 });

for (const mode of modes) {
  test(`${mode}: a directory that moves is as all below it forgotten there and recorded here`, () => {
    fc.assert(
      fc.property(anyTree, fc.boolean(), (tree, committed) => {
        using folder = disposableFolder();
        using database = openDatabase(folder.path);
        const own = ledger(database, mode);
        own.record(path('/etc/from'), file('f'));
        for (const names of tree) own.record(path(`/etc/from/${names.join('/')}`), file('a'));
        own.record(path('/etc/from0'), file('b'));
        own.record(path('/etc/from-not'), file('c'));
        own.record(path('/etc/to/x'), absent);
        if (committed) own.commit();
        const before = own.packedBelow(path('/etc/from'));
        own.move({ from: path('/etc/from'), to: path('/etc/to') });

        const again = ledger(database, mode);
        for (const known of [own, again]) {
          assert.deepEqual(known.below(path('/etc/from')), []);
          assert.deepEqual(known.get(path('/etc/from')), absent);
          const after = known.packedBelow(path('/etc/to'));
          const expected = before.map(([one, packed]) => [one.replace('/etc/from', '/etc/to'), packed]);
          assert.deepEqual(after.sort(), expected.sort());
          assert.deepEqual(known.get(path('/etc/from0')), file('b'));
          assert.deepEqual(known.get(path('/etc/from-not')), file('c'));
          assert.equal(known.size, before.length + 2);
        }
      }),
      { numRuns: 30 },
    );
  });

  test(`${mode}: a move of one peer is none of another, and other processes learn of it`, (t) => {
    const folder = temporaryFolder(t);
    const [one, other] = [opened(t, folder), opened(t, folder)];
    const mine = ledger(one, mode);
    const theirs = new Ledger(one, { peer: 'mail3', mode, now: () => 0 });
    for (const each of [mine, theirs]) {
      each.record(path('/etc/d/x'), file('a'));
      each.commit();
    }
    const watching = ledger(other, 'memory');
    mine.move({ from: path('/etc/d'), to: path('/etc/e') });
    assert.deepEqual(theirs.get(path('/etc/d/x')), file('a'));
    assert.equal(theirs.get(path('/etc/e/x')), undefined);
    assert.ok(watching.refresh() > 0);
    assert.deepEqual(watching.get(path('/etc/e/x')), file('a'));
    assert.deepEqual(watching.below(path('/etc/d')), []);
  });
}
