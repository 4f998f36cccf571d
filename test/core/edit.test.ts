import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type EditVerdict, judgeEdit, type KnownConflict } from '../../src/core/conflict.ts';
import { absent, sameEntry } from '../../src/core/entry.ts';
import {
  A,
  agreedNames,
  anyEntry,
  entries,
  entryOf,
  expectedVerdict,
  maybeAgreed,
  type Name,
  names,
} from './fixture.ts';

type Known = { readonly kind: KnownConflict['kind']; readonly active: Name; readonly passive: Name };

/** Each conflict that can be known where this was agreed, and that none is. */
function knownFor(agreed: Name | undefined): (Known | undefined)[] {
  const pairs = names.flatMap((active) => names.map((passive) => ({ active, passive })));
  const known = pairs.flatMap(({ active, passive }): Known[] => {
    const kind = expectedVerdict(agreed, active, passive);
    return kind === 'agree' || kind === 'push' ? [] : [{ kind, active, passive }];
  });
  return [undefined, ...known];
}

/**
 * The table of reconcile again, with the active as the passive knows it: what is agreed, unless a conflict told of
 * something else. Where that is no conflict, there is nothing to know; where it is the known one, nothing new.
 */
function expectedEdit(agreed: Name | undefined, disk: Name, known: Known | undefined): string {
  const active = known?.active ?? agreed ?? 'absent';
  const verdict = expectedVerdict(agreed, active, disk);
  if (verdict === 'agree' || verdict === 'push') return known === undefined ? 'nothing' : 'clear';
  return known?.passive === disk ? 'nothing' : `record ${verdict}`;
}

function spoken(verdict: EditVerdict): string {
  return verdict.kind === 'record' ? `record ${verdict.conflict.kind}` : verdict.kind;
}

describe('a look of the passive at its own disk', () => {
  for (const agreed of agreedNames) {
    for (const known of knownFor(agreed)) {
      for (const disk of names) {
        const expected = expectedEdit(agreed, disk, known);
        const told =
          known === undefined
            ? 'no conflict known'
            : `known ${known.kind} of ${known.active} on the active and ${known.passive} here`;
        it(`agreed ${agreed ?? 'on nothing'}, disk ${disk}, ${told}: ${expected}`, () => {
          const knownConflict = known && {
            kind: known.kind,
            active: entries[known.active],
            passive: entries[known.passive],
          };
          const verdict = judgeEdit(entryOf(agreed), entries[disk], knownConflict);
          assert.equal(spoken(verdict), expected);
          if (verdict.kind !== 'record') return;
          assert.equal(verdict.conflict.passive, entries[disk]);
          assert.equal(verdict.conflict.active, knownConflict?.active ?? entryOf(agreed) ?? absent);
        });
      }
    }
  }
});

describe('judgeEdit', () => {
  const touched = { ...A, mtime: '9.000000000' };
  const edit = { kind: 'edited-on-passive', active: A, passive: entries.B } as const;
  const both = { kind: 'edited-on-both', active: entries.directory, passive: entries.B } as const;
  const sentences: [string, EditVerdict, string][] = [
    ['a file that was only touched', judgeEdit(A, touched, undefined), 'nothing'],
    ['an edit that was touched since', judgeEdit(A, { ...entries.B, mtime: '9.000000000' }, edit), 'nothing'],
    ['an edit taken back, but for the mtime', judgeEdit(A, touched, edit), 'clear'],
    ['a deletion', judgeEdit(A, absent, undefined), 'record edited-on-passive'],
    ['a deletion taken back', judgeEdit(A, A, { ...edit, passive: absent }), 'clear'],
    ['a new file', judgeEdit(undefined, A, undefined), 'record edited-on-passive'],
    [
      'a new file in place of one that is agreed to be gone',
      judgeEdit(absent, A, undefined),
      'record edited-on-passive',
    ],
    ['another edit of an edited file', judgeEdit(A, entries.C, edit), 'record edited-on-passive'],
    ['another edit of what the active changed too', judgeEdit(A, entries.C, both), 'record edited-on-both'],
    ['the same as the active did', judgeEdit(A, entries.directory, both), 'clear'],
    ['an edit that became agreed', judgeEdit(entries.B, entries.B, edit), 'clear'],
  ];
  for (const [sentence, verdict, expected] of sentences) {
    it(`${sentence}: ${expected}`, () => assert.equal(spoken(verdict), expected));
  }

  const known = fc.option(
    fc.record({
      kind: fc.constantFrom<KnownConflict['kind']>('edited-on-passive', 'edited-on-both', 'first-sync'),
      active: anyEntry,
      passive: anyEntry,
    }),
    { nil: undefined },
  );

  it('whatever is known: an edit that nobody was told of is told, and no conflict is made of agreement', () => {
    fc.assert(
      fc.property(maybeAgreed, anyEntry, known, (agreed, disk, conflict) => {
        const verdict = judgeEdit(agreed, disk, conflict);
        const isAgreed = sameEntry(disk, agreed ?? absent);
        if (verdict.kind === 'nothing')
          assert.ok(isAgreed || (conflict !== undefined && sameEntry(disk, conflict.passive)));
        if (verdict.kind === 'clear') assert.notEqual(conflict, undefined);
        if (verdict.kind === 'record') assert.ok(!isAgreed || conflict !== undefined);
      }),
      { numRuns: 500 },
    );
  });

  it('looking again at the same disk says nothing new', () => {
    fc.assert(
      fc.property(maybeAgreed, anyEntry, known, (agreed, disk, conflict) => {
        const first = judgeEdit(agreed, disk, conflict);
        const then = first.kind === 'record' ? first.conflict : first.kind === 'clear' ? undefined : conflict;
        // It became what the active was known to hold: forgotten before both agree on it, it looks like an edit.
        if (first.kind === 'clear' && !sameEntry(disk, agreed ?? absent)) return;
        assert.deepEqual(judgeEdit(agreed, disk, then), { kind: 'nothing' });
      }),
      { numRuns: 500 },
    );
  });
});
