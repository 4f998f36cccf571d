import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Nap } from '../../src/cli/daemon/nap.ts';

test('a nap is taken once in a turn of the event loop', async () => {
  const slept: number[] = [];
  const nap = new Nap((ms) => void slept.push(ms));
  nap.take();
  nap.take();
  await Promise.resolve();
  nap.take();
  assert.deepEqual(slept, [5]);
  await nextTurn();
  nap.take();
  assert.deepEqual(slept, [5, 5]);
});

test('it holds the event loop up', async () => {
  const nap = new Nap();
  let turns = 0;
  setImmediate(() => {
    turns += 1;
  });
  const before = performance.now();
  nap.take();
  // Atomics.wait never ends before its time.
  assert.ok(performance.now() - before >= 4);
  assert.equal(turns, 0);
});
