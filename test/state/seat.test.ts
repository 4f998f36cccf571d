import assert from 'node:assert/strict';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { SeatStore } from '../../src/state/seat.ts';
import { failure, opened, temporaryFolder } from './fixture.ts';

test('there is no seat before one was written', (t) => {
  const seats = new SeatStore(opened(t, temporaryFolder(t)));
  assert.equal(seats.read(), undefined);
  assert.equal(seats.highestEpoch(), 0);
});

test('survives a restart, and another connection sees it at once', (t) => {
  const folder = temporaryFolder(t);
  const one = new SeatStore(opened(t, folder));
  const two = new SeatStore(opened(t, folder));
  assert.equal(two.read(), undefined);
  one.write({ role: 'active', epoch: 3 });
  assert.deepEqual(one.read(), { role: 'active', epoch: 3 });
  assert.deepEqual(two.read(), { role: 'active', epoch: 3 });
  two.write({ role: 'passive', epoch: 3 });
  assert.deepEqual(one.read(), { role: 'passive', epoch: 3 });
});

test('the epoch never goes back', (t) => {
  const folder = temporaryFolder(t);
  const seats = new SeatStore(opened(t, folder));
  seats.write({ role: 'active', epoch: 5 });
  assert.throws(() => seats.write({ role: 'passive', epoch: 4 }), failure('epoch-goes-back'));
  assert.deepEqual(seats.read(), { role: 'active', epoch: 5 });
});

test('an epoch heard of is remembered, never lowered, and bars an older active', (t) => {
  const folder = temporaryFolder(t);
  const seats = new SeatStore(opened(t, folder));
  seats.write({ role: 'active', epoch: 5 });
  seats.learnEpoch(8);
  seats.learnEpoch(6);
  assert.equal(new SeatStore(opened(t, folder)).highestEpoch(), 8);
  assert.throws(() => seats.write({ role: 'active', epoch: 7 }), failure('epoch-goes-back'));
  seats.write({ role: 'passive', epoch: 5 });
  seats.write({ role: 'active', epoch: 9 });
  assert.equal(seats.highestEpoch(), 9);
});

test('a damaged seat is never guessed, and can be written anew', (t) => {
  const database = opened(t, temporaryFolder(t));
  database.statement("INSERT INTO seat VALUES (1, 'king', 3)").run();
  const seats = new SeatStore(database);
  assert.throws(() => seats.read(), failure('state-corrupt'));
  seats.write({ role: 'passive', epoch: 3 });
  assert.deepEqual(seats.read(), { role: 'passive', epoch: 3 });
});

test('a promotion that another process commits meanwhile is not undone by stepping down for the same epoch', async (t) => {
  const folder = temporaryFolder(t);
  const seats = new SeatStore(opened(t, folder));
  seats.write({ role: 'active', epoch: 7 });
  // It holds the write lock, as `promote` does while it syncs the seat that it takes.
  const promoting = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads');
     const { DatabaseSync } = require('node:sqlite');
     const sql = new DatabaseSync(workerData);
     sql.exec("BEGIN IMMEDIATE; UPDATE seat SET role = 'active', epoch = 8");
     parentPort.postMessage('locked');
     setTimeout(() => sql.exec('COMMIT'), 200);`,
    { eval: true, workerData: join(folder, 'state.db') },
  );
  await once(promoting, 'message');
  assert.equal(seats.yieldTo(8), undefined);
  await once(promoting, 'exit');
  assert.deepEqual(seats.read(), { role: 'active', epoch: 8 });
  assert.equal(seats.yieldTo(9), 'active');
  assert.deepEqual(seats.read(), { role: 'passive', epoch: 9 });
});

test('a request to give up the seat that was overtaken by a promotion is refused', (t) => {
  const seats = new SeatStore(opened(t, temporaryFolder(t)));
  assert.equal(seats.giveUp(3), undefined);
  seats.write({ role: 'active', epoch: 8 });
  assert.throws(() => seats.giveUp(8), failure('epoch-goes-back'));
  assert.deepEqual(seats.read(), { role: 'active', epoch: 8 });
  assert.equal(seats.giveUp(9), 'active');
  assert.equal(seats.giveUp(9), 'passive');
  assert.equal(seats.giveUp(undefined), 'passive');
  assert.deepEqual(seats.read(), { role: 'passive', epoch: 9 });
});
