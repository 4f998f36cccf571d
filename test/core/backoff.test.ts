import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { pauseMs } from '../../src/core/backoff.ts';

const backoff = { firstMs: 500, maxMs: 30_000 };

describe('pauses between attempts', () => {
  it('double from the first up to the bound', () => {
    const longest = [0, 1, 2, 3, 4, 5, 6, 7].map((attempt) => pauseMs(backoff, attempt, 1));
    assert.deepEqual(longest, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  });
  it('are at least half of that', () => {
    assert.deepEqual(
      [pauseMs(backoff, 0, 0), pauseMs(backoff, 3, 0), pauseMs(backoff, 99, 0)],
      [250, 2000, 15_000],
    );
  });
  it('are spread evenly in between by chance', () => {
    assert.deepEqual(
      [0, 0.25, 0.5].map((random) => pauseMs(backoff, 1, random)),
      [500, 625, 750],
    );
  });
  it('are random for as much of them as is not certain', () => {
    const pauses = [0, 0.5, 1].map((random) => pauseMs({ ...backoff, certain: 0.8 }, 1, random));
    assert.deepEqual(pauses, [800, 900, 1000]);
  });
  it('are bounded from the first, when the bound is below it', () => {
    assert.equal(pauseMs({ firstMs: 500, maxMs: 100 }, 0, 1), 100);
  });

  it('are finite, above zero, within the bound and never shorter later on, for any attempt', () => {
    const options = fc.record({
      firstMs: fc.integer({ min: 1, max: 60_000 }),
      maxMs: fc.integer({ min: 1, max: 600_000 }),
    });
    const random = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(options, fc.nat(), random, (any, attempt, chance) => {
        const pause = pauseMs(any, attempt, chance);
        assert.ok(Number.isFinite(pause) && pause > 0 && pause <= any.maxMs);
        assert.ok(pauseMs(any, attempt + 1, chance) >= pause);
      }),
    );
  });
});
