import assert from 'node:assert/strict';
import { test } from 'node:test';
import { maxBodyBytes } from '../../src/wire/frame.ts';
import { inBodies, sumsIn } from '../../src/wire/sums.ts';

for (const count of [0, 1, maxBodyBytes / 8, maxBodyBytes / 8 + 1, maxBodyBytes / 4]) {
  test(`${count} sums arrive as they left, in bodies that fit a frame`, () => {
    const sums = Array.from({ length: count }, (_, index) => 2n ** 64n - 1n - BigInt(index));
    const bodies = [...inBodies(sums)];
    assert.ok(bodies.every(({ body }) => body.byteLength <= maxBodyBytes));
    assert.deepEqual(
      bodies.map(({ last }) => last),
      bodies.map((_, index) => index === bodies.length - 1),
    );
    assert.equal(bodies.length, Math.max(1, Math.ceil(count / (maxBodyBytes / 8))));
    assert.deepEqual(
      bodies.flatMap(({ body }) => [...sumsIn(body)]),
      sums,
    );
  });
}

test('bytes beyond the last whole sum are no sum', () => {
  assert.deepEqual([...sumsIn(Buffer.from([1, 0, 0, 0, 0, 0, 0, 0, 2]))], [1n]);
});
