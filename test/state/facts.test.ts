import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FactStore, type Standing } from '../../src/state/facts.ts';
import { another, exitOf, opened, temporaryFolder } from './fixture.ts';

const standing: Standing = {
  pending: 3,
  conflicts: 1,
  halt: 'mass-deletion: 40 of 50 paths',
  held: [
    ['/etc/ssl/a.pem', 'validator-failed'],
    ['/etc/b', 'low-disk'],
  ],
};

test('a fact is not known before it is set, and not after it is cleared', (t) => {
  const facts = new FactStore(opened(t, temporaryFolder(t)));
  assert.equal(facts.get('active'), undefined);
  facts.set('active', 'mail1', 1000);
  facts.set('standing', standing, 2000);
  assert.deepEqual(facts.get('active'), { value: 'mail1', at: 1000 });
  assert.deepEqual(facts.get('standing'), { value: standing, at: 2000 });
  facts.clear('active');
  facts.clear('active');
  assert.equal(facts.get('active'), undefined);
  assert.deepEqual(facts.get('standing'), { value: standing, at: 2000 });
});

test('a fact that is set again has the new value and the new time, be it an earlier one', (t) => {
  const facts = new FactStore(opened(t, temporaryFolder(t)));
  facts.set('standing', standing, 2000);
  const calm: Standing = { pending: 0, conflicts: 0, halt: null, held: [] };
  facts.set('standing', calm, 1500);
  assert.deepEqual(facts.get('standing'), { value: calm, at: 1500 });
});

test('facts survive a restart, and what another process set is seen at the next look', async (t) => {
  const folder = temporaryFolder(t);
  const facts = new FactStore(opened(t, folder));
  facts.set('active', 'mail1', 1000);
  const { child } = another(
    t,
    `const { openDatabase } = await load('database');
     const { FactStore } = await load('facts');
     const facts = new FactStore(openDatabase(${JSON.stringify(folder)}));
     facts.set('active', facts.get('active').value + ' again', 2000);
     process.exit(0);`,
  );
  assert.equal(await exitOf(child), 0);
  assert.deepEqual(facts.get('active'), { value: 'mail1 again', at: 2000 });
});

test('joins a transaction: what is rolled back was never set, nor cleared', (t) => {
  const database = opened(t, temporaryFolder(t));
  const facts = new FactStore(database);
  facts.set('active', 'mail1', 1000);
  const rollback = new Error('rollback');
  for (const work of [() => facts.set('active', 'mail3', 2000), () => facts.clear('active')]) {
    assert.throws(
      () =>
        database.write(() => {
          work();
          throw rollback;
        }),
      rollback,
    );
  }
  assert.deepEqual(facts.get('active'), { value: 'mail1', at: 1000 });
});

test('what is not ours is as if it were not there', (t) => {
  const database = opened(t, temporaryFolder(t));
  const facts = new FactStore(database);
  const update = database.statement('UPDATE fact SET value = ? WHERE name = ?');
  facts.set('active', 'mail1', 1000);
  facts.set('standing', standing, 1000);
  for (const value of ['no JSON', '', '3', 'null', '["mail1"]']) {
    update.run(value, 'active');
    assert.equal(facts.get('active'), undefined, value);
  }
  const damaged: Record<string, unknown>[] = [
    { ...standing, pending: -1 },
    { ...standing, pending: 0.5 },
    { ...standing, conflicts: '1' },
    { ...standing, halt: undefined },
    { ...standing, halt: false },
    { ...standing, held: [['/etc/a']] },
    { ...standing, held: {} },
  ];
  for (const value of damaged) {
    update.run(JSON.stringify(value), 'standing');
    assert.equal(facts.get('standing'), undefined, JSON.stringify(value));
  }
  facts.set('standing', standing, 3000);
  assert.deepEqual(facts.get('standing'), { value: standing, at: 3000 });
});

test('a time that is not one counts as long ago, so that the fact is taken for stale', (t) => {
  const database = opened(t, temporaryFolder(t));
  const facts = new FactStore(database);
  facts.set('active', 'mail1', 1000);
  database.statement("UPDATE fact SET at = 'yesterday'").run();
  assert.deepEqual(facts.get('active'), { value: 'mail1', at: 0 });
});
