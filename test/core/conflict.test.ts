import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type ConflictPolicy, clocksAgree, type Settlement, settle } from '../../src/core/conflict.ts';
import { absent, type Entry } from '../../src/core/entry.ts';
import { reconcile } from '../../src/core/plan.ts';
import {
  A,
  agreedNames,
  anyEntry,
  entries,
  entryOf,
  expectedVerdict,
  maybeAgreed,
  names,
} from './fixture.ts';

type Age = 'older' | 'equally old' | 'newer';

/** The mtime of the active's file, against 100 s on the passive. */
const mtimes: Readonly<Record<Age, string>> = {
  older: '99.999999999',
  'equally old': '100.000000000',
  newer: '100.000000001',
};
const ages = Object.keys(mtimes) as Age[];

function dated(entry: Entry, mtime: string): Entry {
  return entry.kind === 'file' ? { ...entry, mtime } : entry;
}

/** Only the newer of two files can win, and only by clocks that agree; all else waits for a person. */
function expectedNewest(about: { files: boolean; age: Age; clocks: boolean }): Settlement {
  if (!about.files || !about.clocks) return 'hold';
  return { older: 'take-passive', 'equally old': 'hold', newer: 'take-active' }[about.age] as Settlement;
}

describe('what a policy makes of each conflict', () => {
  for (const agreed of agreedNames) {
    for (const active of names) {
      for (const passive of names) {
        const expected = expectedVerdict(agreed, active, passive);
        if (expected === 'agree' || expected === 'push') continue;
        describe(`agreed ${agreed ?? 'on nothing'}, active has ${active}, passive has ${passive}`, () => {
          const files = [active, passive].every((name) => ['A', 'B', 'C'].includes(name));
          for (const age of files ? ages : (['newer'] as const)) {
            const there = dated(entries[passive], '100.000000000');
            const here = dated(entries[active], mtimes[age]);
            const is = files ? `, the active's ${age}` : '';
            it(`is ${expected}${is}`, () => {
              const conflict = reconcile(entryOf(agreed), here, there);
              assert.deepEqual(conflict, { kind: 'conflict', conflict: expected });
            });
            for (const clocks of [true, false]) {
              const by = clocks ? 'clocks that agree' : 'clocks apart';
              const table: [ConflictPolicy, Settlement][] = [
                ['hold', 'hold'],
                ['active-wins', 'take-active'],
                ['newest-wins', expectedNewest({ files, age, clocks })],
              ];
              for (const [policy, settlement] of table) {
                it(`by ${policy}${is}, ${by}: ${settlement}`, () =>
                  assert.equal(settle(policy, here, there, clocks), settlement));
              }
            }
          }
        });
      }
    }
  }
});

describe('the newest of two files', () => {
  const table: [string, string, Settlement][] = [
    ['9.000000000', '10.000000000', 'take-passive'],
    ['10.000000000', '9.000000000', 'take-active'],
    ['1700000000.000000001', '1700000000.000000000', 'take-active'],
    ['1700000000.100000000', '1700000000.099999999', 'take-active'],
    ['-1.000000000', '0.000000000', 'take-passive'],
    ['-2.000000000', '-1.000000000', 'take-passive'],
    // The seconds are negative and the rest counts up: half a second before 1970, and a quarter.
    ['-1.500000000', '-1.750000000', 'take-passive'],
    ['9007199254740993.000000000', '9007199254740992.000000000', 'take-active'],
    ['1.000000000', '1.000000000', 'hold'],
  ];
  for (const [active, passive, expected] of table) {
    it(`${active} on the active and ${passive} on the passive: ${expected}`, () => {
      const there = { ...entries.B, mtime: passive };
      assert.equal(settle('newest-wins', { ...A, mtime: active }, there, true), expected);
    });
  }
});

describe('clocks', () => {
  const table: [number | undefined, boolean][] = [
    [0, true],
    [1999, true],
    [-1999, true],
    [2000, true],
    [-2000, true],
    [2001, false],
    [-2001, false],
    [undefined, false],
    [Number.NaN, false],
    [Number.POSITIVE_INFINITY, false],
  ];
  for (const [skewMs, expected] of table) {
    it(`${skewMs ?? 'not measured, nobody knows how many'} ms apart ${expected ? 'agree' : 'do not agree'} within 2000`, () =>
      assert.equal(clocksAgree(skewMs, 2000), expected));
  }
});

describe('properties of settle', () => {
  const policies = fc.constantFrom<ConflictPolicy>('hold', 'active-wins', 'newest-wins');

  it('the passive wins only as the newer of two files, by clocks that agree', () => {
    fc.assert(
      fc.property(policies, anyEntry, anyEntry, fc.boolean(), (policy, active, passive, agree) => {
        if (settle(policy, active, passive, agree) !== 'take-passive') return;
        assert.ok(policy === 'newest-wins' && agree && active.kind === 'file' && passive.kind === 'file');
        assert.ok(Number(passive.mtime) > Number(active.mtime));
      }),
    );
  });

  it('with the nodes swapped, the newest stays the newest', () => {
    const swapped = { hold: 'hold', 'take-active': 'take-passive', 'take-passive': 'take-active' };
    fc.assert(
      fc.property(anyEntry, anyEntry, fc.boolean(), (one, other, agree) => {
        const there = settle('newest-wins', one, other, agree);
        assert.equal(settle('newest-wins', other, one, agree), swapped[there]);
      }),
    );
  });

  it('nothing is ever removed by its age: absent wins or loses by active-wins alone', () => {
    fc.assert(
      fc.property(anyEntry, fc.boolean(), (entry, agree) => {
        assert.equal(settle('newest-wins', absent, entry, agree), 'hold');
        assert.equal(settle('newest-wins', entry, absent, agree), 'hold');
      }),
    );
  });

  it('what is taken from the active is no conflict any more', () => {
    fc.assert(
      fc.property(maybeAgreed, anyEntry, anyEntry, fc.boolean(), (agreed, active, passive, agree) => {
        if (reconcile(agreed, active, passive).kind !== 'conflict') return;
        const taken = settle('newest-wins', active, passive, agree) === 'take-passive' ? passive : active;
        assert.deepEqual(reconcile(taken, taken, taken), { kind: 'agree' });
        assert.notEqual(reconcile(passive, active, passive).kind, 'conflict');
      }),
    );
  });
});
