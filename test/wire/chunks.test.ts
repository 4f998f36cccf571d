import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { inChunks } from '../../src/wire/chunks.ts';
import { encodeFrame } from '../rig/frames.ts';

const aimBytes = 256 * 1024;

/** A row whose JSON has exactly so many characters. */
function rowOf(characters: number): string {
  return 'x'.repeat(characters - 2);
}

describe('inChunks', () => {
  it('gives one empty last part for no rows', () => {
    assert.deepEqual([...inChunks([])], [{ rows: [], last: true }]);
  });
  it('gives few rows in one last part', () => {
    assert.deepEqual([...inChunks([1, 2, 3])], [{ rows: [1, 2, 3], last: true }]);
  });

  const half = rowOf(aimBytes / 2);
  const large = rowOf(3 * aimBytes);
  const table: [string, string[], number[]][] = [
    ['rows that fill a part exactly stay together', [half, half], [2]],
    ['one character more begins another', [half, `${half}x`], [1, 1]],
    ['a row that is larger than a part goes alone', ['a', large, 'b'], [1, 1, 1]],
    ['a large row at the start leaves no empty part before it', [large, 'b'], [1, 1]],
    ['a large row alone is one part', [large], [1]],
    ['many rows fill part after part', Array.from({ length: 10 }, () => half), [2, 2, 2, 2, 2]],
  ];
  for (const [sentence, rows, lengths] of table) {
    it(sentence, () => {
      assert.deepEqual(
        [...inChunks(rows)].map((part) => part.rows.length),
        lengths,
      );
    });
  }

  it('takes rows only as parts are asked for', () => {
    let taken = 0;
    function* rows(): Generator<string> {
      for (; taken < 100; taken += 1) yield half;
    }
    inChunks(rows()).next();
    assert.ok(taken < 10, `${taken} rows taken for the first part`);
  });

  const rows = fc.array(
    fc.oneof(
      fc.jsonValue(),
      fc.tuple(fc.constantFrom('a', 'é', '€', '\n'), fc.nat(90_000)).map(([c, n]) => c.repeat(n)),
    ),
    { maxLength: 20 },
  );
  it('loses and reorders nothing, marks exactly the last part, and every part fits a frame', () => {
    fc.assert(
      fc.property(rows, (all) => {
        const parts = [...inChunks(all)];
        assert.deepEqual(
          parts.flatMap((part) => part.rows),
          all,
        );
        assert.deepEqual(
          parts.map((part) => part.last),
          parts.map((_, i) => i === parts.length - 1),
        );
        for (const part of parts) {
          assert.ok(part.rows.length > 0 || parts.length === 1);
          encodeFrame({ t: 'entries', id: 1, ...part });
        }
      }),
    );
  });
});
