import assert from 'node:assert/strict';
import { test } from 'node:test';
import { onceATurn } from '../../src/active/once-a-turn.ts';

test('all who ask in one turn of the event loop hear the same, and in the next one it is asked anew', async () => {
  let asked = 0;
  const ask = onceATurn(() => {
    asked += 1;
    return asked;
  });
  assert.deepEqual([ask(), ask()], [1, 1]);
  await Promise.resolve();
  assert.equal(ask(), 1);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([ask(), ask()], [2, 2]);
});
