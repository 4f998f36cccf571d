import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { absent, type Entry, identicalEntry, sameEntry } from '../../src/core/entry.ts';
import { planPush, reconcile, type Verdict } from '../../src/core/plan.ts';
import {
  A,
  agreedNames,
  anyEntry,
  entries,
  entryOf,
  expectedVerdict,
  maybeAgreed,
  mtime,
  names,
} from './fixture.ts';

function spoken(verdict: Verdict): string {
  return verdict.kind === 'conflict' ? verdict.conflict : verdict.kind;
}

describe('reconcile', () => {
  for (const agreed of agreedNames) {
    for (const active of names) {
      for (const passive of names) {
        const expected = expectedVerdict(agreed, active, passive);
        it(`agreed ${agreed ?? 'on nothing'}, active has ${active}, passive has ${passive}: ${expected}`, () => {
          const verdict = reconcile(entryOf(agreed), entries[active], entries[passive]);
          assert.equal(spoken(verdict), expected);
          if (verdict.kind !== 'push') return;
          assert.deepEqual(verdict, { kind: 'push', expect: entries[passive], put: entries[active] });
        });
      }
    }
  }

  const sentences: [string, Verdict, string][] = [
    ['deleted on the active', reconcile(A, absent, A), 'push'],
    ['deleted on the passive', reconcile(A, A, absent), 'edited-on-passive'],
    ['deleted on both', reconcile(A, absent, absent), 'agree'],
    ['deleted on the active, edited on the passive', reconcile(A, absent, entries.B), 'edited-on-both'],
    ['edited on the active, deleted on the passive', reconcile(A, entries.B, absent), 'edited-on-both'],
    ['edited alike on both', reconcile(A, entries.B, { ...entries.B }), 'agree'],
    ['only the mode changed on the active', reconcile(A, entries.C, A), 'push'],
    ['only the mode changed on the passive', reconcile(A, A, entries.C), 'edited-on-passive'],
    ['a file became a directory on the active', reconcile(A, entries.directory, A), 'push'],
    [
      'touched on the passive, edited on the active',
      reconcile(A, entries.B, { ...A, mtime: '9.000000000' }),
      'push',
    ],
    [
      'touched on the active, edited on the passive',
      reconcile(A, { ...A, mtime: '9.000000000' }, entries.B),
      'edited-on-passive',
    ],
    [
      'touched on the passive only: the mtime of the active wins',
      reconcile(A, A, { ...A, mtime: '9.000000000' }),
      'push',
    ],
  ];
  for (const [sentence, verdict, expected] of sentences) {
    it(`${sentence}: ${expected}`, () => assert.equal(spoken(verdict), expected));
  }
});

describe('planPush', () => {
  for (const agreed of names) {
    for (const observed of names) {
      it(`agreed ${agreed}, found ${observed}: ${agreed === observed ? 'nothing' : 'push'}`, () => {
        const plan = planPush(entries[agreed], { ...entries[observed] });
        const push = { kind: 'push', expect: entries[agreed], put: entries[observed] };
        assert.deepEqual(plan, agreed === observed ? { kind: 'nothing' } : push);
      });
    }
  }

  it('a touched file is pushed, since the mtime is carried over', () => {
    const touched = { ...A, mtime: '2.000000000' };
    assert.deepEqual(planPush(A, touched), { kind: 'push', expect: A, put: touched });
  });
});

describe('properties of reconcile', () => {
  it('what differs in the mtime only is never a conflict, whatever was agreed', () => {
    fc.assert(
      fc.property(maybeAgreed, anyEntry, mtime, (agreed, entry, time) => {
        const touched = entry.kind === 'file' ? { ...entry, mtime: time } : entry;
        assert.notEqual(reconcile(agreed, entry, touched).kind, 'conflict');
      }),
    );
  });

  it('mtimes never turn a conflict into anything else, nor the reverse', () => {
    const still = (entry: Entry): Entry =>
      entry.kind === 'file' ? { ...entry, mtime: '0.000000000' } : entry;
    fc.assert(
      fc.property(maybeAgreed, anyEntry, anyEntry, (agreed, active, passive) => {
        const timed = reconcile(agreed, active, passive);
        const timeless = reconcile(agreed && still(agreed), still(active), still(passive));
        assert.equal(timed.kind === 'conflict', timeless.kind === 'conflict');
        if (timed.kind === 'conflict') assert.deepEqual(timed, timeless);
      }),
    );
  });

  it('with the nodes swapped, agreement stays, a push and an edit on the passive change places', () => {
    const swapped: Record<string, string> = {
      agree: 'agree',
      push: 'edited-on-passive',
      'edited-on-passive': 'push',
      'edited-on-both': 'edited-on-both',
      'first-sync': 'first-sync',
    };
    fc.assert(
      fc.property(maybeAgreed, anyEntry, anyEntry, (agreed, one, other) => {
        const [there, back] = [reconcile(agreed, one, other), reconcile(agreed, other, one)].map(spoken);
        // Only the mtime differs: each node, being the active, would carry over its own.
        const expected = sameEntry(one, other) ? there : swapped[there ?? ''];
        assert.equal(back, expected);
      }),
      { numRuns: 500 },
    );
  });

  it('a push expects what the passive has and puts what the active has; agreement means identical', () => {
    fc.assert(
      fc.property(maybeAgreed, anyEntry, anyEntry, (agreed, active, passive) => {
        const verdict = reconcile(agreed, active, passive);
        assert.equal(verdict.kind === 'agree', identicalEntry(active, passive));
        if (verdict.kind === 'push') assert.deepEqual([verdict.expect, verdict.put], [passive, active]);
      }),
    );
  });

  it('an edit that the ledger does not know on the passive is never pushed over', () => {
    fc.assert(
      fc.property(maybeAgreed, anyEntry, anyEntry, (agreed, active, passive) => {
        if (reconcile(agreed, active, passive).kind !== 'push') return;
        const known = [agreed ?? absent, active];
        assert.ok(known.some((entry) => sameEntry(entry, passive)));
      }),
    );
  });

  it('after a push both agree, and there is nothing more to plan', () => {
    fc.assert(
      fc.property(maybeAgreed, anyEntry, anyEntry, (agreed, active, passive) => {
        const verdict = reconcile(agreed, active, passive);
        if (verdict.kind !== 'push') return;
        assert.deepEqual(reconcile(verdict.put, active, verdict.put), { kind: 'agree' });
        assert.deepEqual(planPush(verdict.put, active), { kind: 'nothing' });
      }),
    );
  });
});
