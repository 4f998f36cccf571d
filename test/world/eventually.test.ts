import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, succeeds } from './eventually.ts';

test('eventually returns when the condition holds, and says what was expected when it never does', async () => {
  let asked = 0;
  await eventually('asked three times', () => {
    asked += 1;
    return asked === 3;
  });
  assert.equal(asked, 3);
  await assert.rejects(
    eventually('the door opens', () => false, { deadlineMs: 20, detail: () => 'it is shut' }),
    { message: 'expected within 20 ms: the door opens\nit is shut' },
  );
});

test('succeeds returns what the check returned, and says what it last saw', async () => {
  let asked = 0;
  const answer = await succeeds(() => {
    asked += 1;
    assert.equal(asked, 3, `asked ${asked}`);
    return 'done';
  });
  assert.equal(answer, 'done');
  await assert.rejects(
    succeeds(() => assert.fail('the door is shut'), { deadlineMs: 20 }),
    /not within 20 ms; last seen: the door is shut/,
  );
});
