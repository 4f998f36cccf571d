import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isEmptiedRoot, isMassDeletion } from '../../src/core/safety.ts';

const limit = { paths: 20, percent: 10 };

describe('mass deletion, more than 20 paths and more than 10 percent', () => {
  const table: [number, number, boolean][] = [
    [0, 0, false],
    [0, 5000, false],
    [20, 20, false],
    [20, 100, false],
    [21, 210, false],
    [21, 211, false],
    [21, 209, true],
    [21, 21, true],
    [22, 210, true],
    [500, 5000, false],
    [501, 5000, true],
    [5000, 5000, true],
  ];
  for (const [deletions, known, expected] of table) {
    it(`${deletions} of ${known} paths ${expected ? 'halts' : 'goes on'}`, () => {
      assert.equal(isMassDeletion(deletions, known, limit), expected);
    });
  }

  it('a limit of nothing halts at the first deletion', () => {
    assert.equal(isMassDeletion(1, 5000, { paths: 0, percent: 0 }), true);
    assert.equal(isMassDeletion(0, 5000, { paths: 0, percent: 0 }), false);
  });
  it('a limit of 100 percent never halts', () => {
    assert.equal(isMassDeletion(5000, 5000, { paths: 0, percent: 100 }), false);
  });
  it('a percentage with a fraction counts', () => {
    assert.equal(isMassDeletion(25, 1000, { paths: 20, percent: 2.5 }), false);
    assert.equal(isMassDeletion(26, 1000, { paths: 20, percent: 2.5 }), true);
  });

  const limits = fc.record({ paths: fc.nat(50), percent: fc.nat(100) });
  it('more deletions never make it harmless, more known paths never make it worse', () => {
    fc.assert(
      fc.property(fc.nat(200), fc.nat(200), fc.nat(20), limits, (deletions, known, more, any) => {
        const halts = isMassDeletion(deletions, known, any);
        if (halts) assert.equal(isMassDeletion(deletions + more, known, any), true);
        else assert.equal(isMassDeletion(deletions, known + more, any), false);
      }),
    );
  });
});

describe('an emptied root', () => {
  const table: [number, number, boolean][] = [
    [0, 0, false],
    [1, 0, false],
    [2, 0, true],
    [5000, 0, true],
    [2, 1, false],
    [5000, 1, false],
    [0, 5, false],
  ];
  for (const [known, present, expected] of table) {
    it(`${known} known and ${present} present ${expected ? 'is one' : 'is none'}`, () => {
      assert.equal(isEmptiedRoot(known, present), expected);
    });
  }
});
