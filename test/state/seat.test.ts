import assert from 'node:assert/strict';
import { test } from 'node:test';
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
