import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Admission, admitPush } from '../../src/core/admit.ts';
import { absent, type Entry, sameEntry } from '../../src/core/entry.ts';
import { planPush, reconcile } from '../../src/core/plan.ts';
import {
  A,
  agreedNames,
  anyEntry,
  entries,
  entryOf,
  maybeAgreed,
  type Name,
  names,
  path,
} from './fixture.ts';

/** Rules 5 to 7 over names: what is put is there, or what may be replaced is there, or it is a conflict. */
function expectedAdmission(push: { expect: Name; put: Name }, disk: Name, agreed: Name | undefined): string {
  const mayBeReplaced = new Set([push.expect, agreed]);
  if (disk === push.put) return 'already-there';
  if (mayBeReplaced.has(disk)) return 'apply';
  // The sender changed nothing since it agreed: only the passive did.
  if (push.put === push.expect) return 'edited-on-passive';
  const neverMet = push.expect === 'absent' && agreed === undefined;
  return neverMet ? 'first-sync' : 'edited-on-both';
}

function spoken(admission: Admission): string {
  return admission.kind === 'conflict' ? admission.conflict : admission.kind;
}

function assertAdmission(push: { expect: Name; put: Name }, disk: Name, agreed: Name | undefined): void {
  const sent = { path, expect: entries[push.expect], put: entries[push.put] };
  const admission = admitPush(sent, entries[disk], entryOf(agreed));
  const sentence = `expects ${push.expect}, puts ${push.put}, disk ${disk}, agreed ${agreed}`;
  assert.equal(spoken(admission), expectedAdmission(push, disk, agreed), sentence);
  if (admission.kind === 'apply') assert.equal(admission.replaces, entries[disk], sentence);
  if (admission.kind === 'conflict') assert.equal(admission.found, entries[disk], sentence);
}

/** Also of what is agreed already, which the active offers where the passive tells of an edit. */
describe('a push from an active with the same ledger', () => {
  for (const agreed of agreedNames) {
    for (const put of names) {
      for (const disk of names) {
        const push = { expect: agreed ?? 'absent', put };
        const expected = expectedAdmission(push, disk, agreed);
        it(`agreed ${agreed ?? 'on nothing'}, active puts ${put}, passive has ${disk}: ${expected}`, () =>
          assertAdmission(push, disk, agreed));
      }
    }
  }
});

it('a push from an active with any other ledger, or of what it took for agreed: all combinations follow the rules', () => {
  for (const agreed of agreedNames) {
    for (const expect of names) {
      for (const put of names) {
        for (const disk of names) assertAdmission({ expect, put }, disk, agreed);
      }
    }
  }
});

describe('admitPush', () => {
  const later = { ...A, mtime: '2.000000000' };
  const sentences: [string, Admission, string][] = [
    ['only the mtime differs from what is put', admitPush({ path, expect: A, put: later }, A, A), 'touch'],
    ['the same, never agreed', admitPush({ path, expect: absent, put: later }, A, undefined), 'touch'],
    [
      'the disk was touched, content pushed',
      admitPush({ path, expect: A, put: entries.B }, later, A),
      'apply',
    ],
    [
      'a lost ack: disk is put',
      admitPush({ path, expect: A, put: entries.B }, entries.B, A),
      'already-there',
    ],
    [
      'the sender missed an ack: disk is ours',
      admitPush({ path, expect: absent, put: entries.B }, A, A),
      'apply',
    ],
    [
      'our ledger is behind: disk is expected',
      admitPush({ path, expect: A, put: entries.B }, A, absent),
      'apply',
    ],
    ['a delete of what is gone', admitPush({ path, expect: A, put: absent }, absent, A), 'already-there'],
    [
      'a delete of what was edited',
      admitPush({ path, expect: A, put: absent }, entries.B, A),
      'edited-on-both',
    ],
    ['a delete of what is known', admitPush({ path, expect: A, put: absent }, A, A), 'apply'],
    [
      'an edit of what was deleted here',
      admitPush({ path, expect: A, put: entries.B }, absent, A),
      'edited-on-both',
    ],
    [
      'a first push over a stranger',
      admitPush({ path, expect: absent, put: A }, entries.B, undefined),
      'first-sync',
    ],
    [
      'offers its absence, agreed there, to a passive that agreed to nothing and has a file',
      admitPush({ path, expect: absent, put: absent }, entries.B, undefined),
      'edited-on-passive',
    ],
    [
      'offers what the sender holds for agreed to a passive that edited it',
      admitPush({ path, expect: A, put: A }, entries.B, A),
      'edited-on-passive',
    ],
    [
      'offers what the sender holds for agreed to a passive that deleted it',
      admitPush({ path, expect: A, put: A }, absent, A),
      'edited-on-passive',
    ],
    ['a first push to nothing', admitPush({ path, expect: absent, put: A }, absent, undefined), 'apply'],
  ];
  for (const [sentence, admission, expected] of sentences) {
    it(`${sentence}: ${expected}`, () => assert.equal(spoken(admission), expected));
  }

  it('a touch of what was edited here is edited-on-passive, as reconcile says of the same', () => {
    const plan = planPush(A, later);
    assert.equal(plan.kind, 'push');
    if (plan.kind !== 'push') return;
    assert.deepEqual(reconcile(A, later, entries.B), { kind: 'conflict', conflict: 'edited-on-passive' });
    assert.equal(spoken(admitPush({ path, ...plan }, entries.B, A)), 'edited-on-passive');
  });
});

const anyPush = fc.record({ path: fc.constant(path), expect: anyEntry, put: anyEntry });

describe('properties of admitPush', () => {
  it('the promise: if it says apply, the disk was what the sender expected or what was agreed here', () => {
    fc.assert(
      fc.property(anyPush, anyEntry, maybeAgreed, (push, disk, agreed) => {
        const admission = admitPush(push, disk, agreed);
        if (admission.kind !== 'apply') return;
        const known = agreed === undefined ? [push.expect] : [push.expect, agreed];
        assert.ok(known.some((entry) => sameEntry(entry, disk)));
        assert.equal(admission.replaces, disk);
      }),
      { numRuns: 1000 },
    );
  });

  it('and the other way: what was expected, or agreed here, is never called a conflict', () => {
    fc.assert(
      fc.property(anyPush, anyEntry, maybeAgreed, (push, disk, agreed) => {
        const known = [push.put, push.expect, ...(agreed === undefined ? [] : [agreed])];
        const conflict = admitPush(push, disk, agreed).kind === 'conflict';
        assert.equal(conflict, !known.some((entry) => sameEntry(entry, disk)));
      }),
      { numRuns: 1000 },
    );
  });

  it('a push that comes again after it was placed is already there, whether it was remembered or not', () => {
    fc.assert(
      fc.property(anyPush, anyEntry, maybeAgreed, (push, disk, agreed) => {
        const first = admitPush(push, disk, agreed);
        if (first.kind === 'conflict') return;
        assert.deepEqual(admitPush(push, push.put, push.put), { kind: 'already-there' });
        assert.deepEqual(admitPush(push, push.put, agreed), { kind: 'already-there' });
      }),
    );
  });

  it('mtimes never make or hide a conflict', () => {
    const still = (entry: Entry): Entry =>
      entry.kind === 'file' ? { ...entry, mtime: '0.000000000' } : entry;
    fc.assert(
      fc.property(anyPush, anyEntry, maybeAgreed, (push, disk, agreed) => {
        const timeless = { path, expect: still(push.expect), put: still(push.put) };
        assert.equal(
          admitPush(push, disk, agreed).kind === 'conflict',
          admitPush(timeless, still(disk), agreed && still(agreed)).kind === 'conflict',
        );
      }),
    );
  });

  it('what reconcile pushes is placed while the disk is still the one that it saw', () => {
    fc.assert(
      fc.property(maybeAgreed, maybeAgreed, anyEntry, anyEntry, (theirs, ours, active, passive) => {
        const verdict = reconcile(theirs, active, passive);
        if (verdict.kind !== 'push') return;
        const { expect, put } = verdict;
        assert.ok(['apply', 'touch'].includes(admitPush({ path, expect, put }, passive, ours).kind));
      }),
    );
  });

  it('what reconcile calls a conflict is not placed either, when both ledgers are the same', () => {
    fc.assert(
      fc.property(maybeAgreed, anyEntry, anyEntry, (agreed, active, passive) => {
        if (reconcile(agreed, active, passive).kind !== 'conflict') return;
        const plan = planPush(agreed ?? absent, active);
        if (plan.kind !== 'push') return;
        assert.equal(admitPush({ path, ...plan }, passive, agreed).kind, 'conflict');
      }),
    );
  });
});
