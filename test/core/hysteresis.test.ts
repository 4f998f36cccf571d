import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Hysteresis } from '../../src/core/hysteresis.ts';

type Sample = readonly [value: boolean, at: number];

function answers(holdMs: number, samples: readonly Sample[]): (boolean | undefined)[] {
  const hysteresis = new Hysteresis(holdMs);
  return samples.map(([value, at]) => hysteresis.sample(value, at));
}

describe('a value that has to hold', () => {
  const cases: [string, number, Sample[], (boolean | undefined)[]][] = [
    [
      'is believed when the time is over, not before',
      100,
      [
        [true, 0],
        [true, 99],
        [true, 100],
      ],
      [undefined, undefined, true],
    ],
    [
      'is believed at once without a time to hold',
      0,
      [
        [false, 5],
        [true, 5],
      ],
      [false, true],
    ],
    [
      'stays believed until the other one has held as long',
      100,
      [
        [true, 0],
        [true, 100],
        [false, 150],
        [false, 249],
        [false, 250],
      ],
      [undefined, true, true, true, false],
    ],
    [
      'that flaps faster than that changes nothing',
      100,
      [
        [true, 0],
        [true, 100],
        [false, 110],
        [true, 200],
        [false, 290],
        [false, 389],
      ],
      [undefined, true, true, true, true, true],
    ],
    [
      'begins anew when the clock was set back',
      100,
      [
        [true, 1000],
        [true, 950],
        [true, 1049],
        [true, 1050],
      ],
      [undefined, undefined, undefined, true],
    ],
  ];
  for (const [what, holdMs, samples, expected] of cases) {
    it(what, () => assert.deepEqual(answers(holdMs, samples), expected));
  }

  const history = fc.array(fc.tuple(fc.boolean(), fc.nat({ max: 50 })), { minLength: 1, maxLength: 60 });
  const timed = (steps: [boolean, number][]): Sample[] => {
    let now = 0;
    return steps.map(([value, pause]): Sample => {
      now += pause;
      return [value, now];
    });
  };

  it('is never believed unless all samples within the time before said so', () => {
    fc.assert(
      fc.property(history, fc.nat({ max: 200 }), (steps, holdMs) => {
        const samples = timed(steps);
        const told = answers(holdMs, samples);
        for (const [index, answer] of told.entries()) {
          const before = index === 0 ? undefined : told[index - 1];
          if (answer === undefined || answer === before) continue;
          const [value, now] = samples[index] ?? [];
          assert.equal(answer, value);
          const opposite = samples.slice(0, index).findLastIndex(([other]) => other !== value);
          const since = samples[opposite + 1]?.[1] ?? 0;
          assert.ok((now ?? 0) - since >= holdMs, `believed after ${(now ?? 0) - since} of ${holdMs} ms`);
        }
      }),
    );
  });

  it('is believed, whatever came before, once it has held for the time', () => {
    fc.assert(
      fc.property(history, fc.boolean(), fc.nat({ max: 200 }), (steps, value, holdMs) => {
        const samples = timed(steps);
        const now = samples.at(-1)?.[1] ?? 0;
        const told = answers(holdMs, [...samples, [value, now], [value, now + holdMs]]);
        assert.equal(told.at(-1), value);
      }),
    );
  });
});
