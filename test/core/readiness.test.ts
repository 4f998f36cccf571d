import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { retryOf } from '../../src/core/failure.ts';
import {
  type LastStanding,
  type NotReadyCode,
  type ReadinessFacts,
  readiness,
} from '../../src/core/readiness.ts';

const second = 1000;
const minute = 60 * second;
const now = 1_700_000_000_000;
const standing: LastStanding = { pending: 0, conflicts: 0, halt: null, held: [], at: now - 5 * second };
const ready: ReadinessFacts = {
  role: 'passive',
  ha: { state: 'enabled' },
  now,
  daemonRunning: true,
  standing,
  connected: true,
  staleAfterMs: 10 * minute,
  conflicts: { count: 0, paths: [] },
  watchlistsAgree: true,
};
const disabled = { state: 'disabled', reason: 'upgrade', since: now - 3 * minute, by: 'root' } as const;

it('a passive that is in sync is ready, without a word', () => {
  assert.deepEqual(readiness(ready), { ready: true, reasons: [], notes: [] });
});

/** One fact, and the whole sentence that it alone brings about. */
const alone: [string, Partial<ReadinessFacts>, NotReadyCode, string][] = [
  [
    'the role is active',
    { role: 'active' },
    'is-active',
    'this node is active already: there is nothing to take over; ask the passive with `bm-confsync ready` there',
  ],
  [
    'the switch is disabled',
    { ha: disabled },
    'ha-disabled',
    'replication is disabled here since 3 min by root (upgrade): when that work is done, run `bm-confsync ha enable`',
  ],
  [
    'the switch is disabled for a while',
    { ha: { ...disabled, until: now + 90 * second } },
    'ha-disabled',
    'replication is disabled here since 3 min by root (upgrade), and for 90 s more: when that work is done, run `bm-confsync ha enable`',
  ],
  [
    'the daemon does not run',
    { daemonRunning: false },
    'no-daemon',
    'the daemon does not run on this node, so edits made here go unnoticed: run `systemctl start bm-confsync`, and see its log if it stops again',
  ],
  [
    'nothing was ever heard',
    { standing: undefined },
    'never-in-sync',
    'the active has never told this node that both are in sync: run `bm-confsync status` on the active, and mend what keeps it from connecting here',
  ],
  [
    'nothing was heard for long',
    { standing: { ...standing, at: now - 3 * 60 * minute } },
    'stale',
    'the active was last heard 3 h ago, more than 10 min; what it changed since is not here: run `bm-confsync status` on the active, or if it is gone for good, promote this node without those changes',
  ],
  [
    'the clock was set back by more than a standing may be old',
    { standing: { ...standing, at: now + 49 * 60 * minute } },
    'stale',
    "the last word of the active is dated 2 days ahead of this node's clock, so nobody knows its age: set the clock right, then run `bm-confsync verify` on the active",
  ],
  [
    'the active halted',
    { standing: { ...standing, halt: 'mass-deletion: 40 of 50 paths' } },
    'halted',
    'the active has halted replication (mass-deletion: 40 of 50 paths): look at what it would do with `bm-confsync status` there, then run `bm-confsync resume` there',
  ],
  [
    'the watchlists differ',
    { watchlistsAgree: false },
    'watchlists-differ',
    'the watchlists of the two nodes differ, so some paths are not replicated: compare `bm-confsync watchlist list` on both, make the files the same, and restart both daemons',
  ],
  [
    'one conflict is listed here',
    { conflicts: { count: 1, paths: ['/etc/hosts'] } },
    'conflicts',
    '1 conflict waits for a decision, so this node does not hold what the active holds: /etc/hosts. See `bm-confsync conflicts list`, and settle each with `bm-confsync conflicts resolve ID --take active` or `--take passive`',
  ],
  [
    'more conflicts are listed here than are named',
    { conflicts: { count: 3, paths: ['/etc/a', '/etc/b'] } },
    'conflicts',
    '3 conflicts wait for a decision, so this node does not hold what the active holds: /etc/a, /etc/b and others. See `bm-confsync conflicts list`, and settle each with `bm-confsync conflicts resolve ID --take active` or `--take passive`',
  ],
  [
    'only the active tells of conflicts',
    { standing: { ...standing, conflicts: 2 } },
    'conflicts',
    '2 conflicts wait for a decision, so this node does not hold what the active holds (the active knows the paths). See `bm-confsync conflicts list`, and settle each with `bm-confsync conflicts resolve ID --take active` or `--take passive`',
  ],
  [
    'a validator refused a file',
    { standing: { ...standing, held: [['/etc/ssl/a.pem', 'validator-failed']] } },
    'held',
    '/etc/ssl/a.pem could not be brought here (validator-failed): its validator refused it here: correct the file on the active; see `bm-confsync explain /etc/ssl/a.pem` on the active',
  ],
  [
    'a path is held for a reason that nothing is known to help against',
    { standing: { ...standing, held: [['/etc/a', 'io']] } },
    'held',
    '/etc/a could not be brought here (io): see `bm-confsync explain /etc/a` on the active',
  ],
  [
    'changes are on their way',
    { standing: { ...standing, pending: 3 } },
    'pending',
    '3 changes of the active had not arrived when it was last heard, 5 s ago: run `bm-confsync flush` on the active, and ask again',
  ],
  [
    'one change is on its way',
    { standing: { ...standing, pending: 1, at: now + 2 * second } },
    'pending',
    '1 change of the active had not arrived when it was last heard, 2 s ahead of this clock: run `bm-confsync flush` on the active, and ask again',
  ],
];

describe('one fact alone is enough', () => {
  for (const [sentence, fact, code, detail] of alone) {
    it(`not ready (${code}): ${sentence}`, () => {
      assert.deepEqual(readiness({ ...ready, ...fact }), {
        ready: false,
        reasons: [{ code, detail }],
        notes: [],
      });
    });
  }

  it('and each code is brought about by one of them', () => {
    const codes: Record<NotReadyCode, true> = {
      'is-active': true,
      'ha-disabled': true,
      'no-daemon': true,
      'never-in-sync': true,
      stale: true,
      halted: true,
      'watchlists-differ': true,
      conflicts: true,
      held: true,
      pending: true,
    };
    assert.deepEqual([...new Set(alone.map(([, , code]) => code))].sort(), Object.keys(codes).sort());
  });
});

describe('what does not stand in the way', () => {
  const table: [string, Partial<ReadinessFacts>][] = [
    ['a switch that was disabled until now', { ha: { ...disabled, until: now } }],
    ['a standing as old as it may be', { standing: { ...standing, at: now - 10 * minute } }],
    ['a standing from a moment ahead of the clock', { standing: { ...standing, at: now + minute } }],
    ['watchlists of which nothing is known', { watchlistsAgree: undefined }],
  ];
  for (const [sentence, fact] of table) {
    it(sentence, () =>
      assert.deepEqual(readiness({ ...ready, ...fact }), { ready: true, reasons: [], notes: [] }),
    );
  }

  it('no session right now, which is noted with what was heard last', () => {
    const { ready: isReady, reasons, notes } = readiness({ ...ready, connected: false });
    assert.deepEqual([isReady, reasons], [true, []]);
    assert.deepEqual(notes, ['not connected right now; in sync when the active was last heard, 5 s ago']);
  });

  it('is noted as not in sync if it was not', () => {
    for (const lack of [{ pending: 1 }, { conflicts: 1 }, { halt: '' }, { held: [['/a', 'io']] as const }]) {
      const { ready: isReady, notes } = readiness({
        ...ready,
        connected: false,
        standing: { ...standing, ...lack },
      });
      assert.equal(isReady, false);
      assert.deepEqual(notes, [
        'not connected right now; not in sync when the active was last heard, 5 s ago',
      ]);
    }
  });

  it('nothing is noted of a standing that never came', () => {
    assert.deepEqual(readiness({ ...ready, connected: false, standing: undefined }).notes, []);
  });
});

it('every reason is told, those first that explain others', () => {
  const worst = readiness({
    ...ready,
    ha: disabled,
    daemonRunning: false,
    connected: false,
    conflicts: { count: 1, paths: ['/etc/hosts'] },
    watchlistsAgree: false,
    standing: {
      pending: 3,
      conflicts: 1,
      halt: 'mass-deletion',
      held: [
        ['/etc/a', 'validator-failed'],
        ['/etc/b', 'low-disk'],
      ],
      at: 0,
    },
  });
  assert.deepEqual(
    worst.reasons.map(({ code }) => code),
    [
      'ha-disabled',
      'no-daemon',
      'stale',
      'halted',
      'watchlists-differ',
      'conflicts',
      'held',
      'held',
      'pending',
    ],
  );
});

it('an active has nothing to take over, whatever else is wrong with it', () => {
  const { reasons, notes } = readiness({
    ...ready,
    role: 'active',
    daemonRunning: false,
    standing: undefined,
  });
  assert.deepEqual([reasons.map(({ code }) => code), notes], [['is-active'], []]);
});

it('a path that is held is told with its reason, whatever that is', () => {
  for (const reason of [...Object.keys(retryOf), 'toString', 'of another version']) {
    const { reasons } = readiness({ ...ready, standing: { ...standing, held: [['/etc/a', reason]] } });
    assert.equal(reasons.length, 1);
    assert.ok(reasons[0]?.detail.startsWith(`/etc/a could not be brought here (${reason}): `));
    assert.ok(reasons[0]?.detail.endsWith('see `bm-confsync explain /etc/a` on the active'));
  }
});

describe('properties of readiness', () => {
  const text = fc.string({ unit: 'binary', maxLength: 400 });
  const time = fc.integer({ min: now - 30 * 24 * 60 * minute, max: now + 30 * 24 * 60 * minute });
  const count = fc.nat(3);
  const anyFacts: fc.Arbitrary<ReadinessFacts> = fc.record({
    role: fc.constantFrom('active', 'passive', 'passive', 'passive'),
    ha: fc.oneof(
      fc.constant({ state: 'enabled' } as const),
      fc.record({
        state: fc.constant('disabled' as const),
        reason: text,
        since: time,
        by: text,
        until: time,
      }),
    ),
    now: fc.constant(now),
    daemonRunning: fc.boolean(),
    standing: fc.option(
      fc.record({
        pending: count,
        conflicts: count,
        halt: fc.option(text),
        held: fc.array(fc.tuple(text, text), { maxLength: 2 }),
        at: time,
      }),
      { nil: undefined },
    ),
    connected: fc.boolean(),
    staleAfterMs: fc.nat(24 * 60 * minute),
    conflicts: fc.record({ count, paths: fc.array(text, { maxLength: 2 }) }),
    watchlistsAgree: fc.constantFrom(true, false, undefined),
  });

  it('ready means that there is no reason against it, and each sentence is safe to show and tells what to do', () => {
    fc.assert(
      fc.property(anyFacts, (facts) => {
        const told = readiness(facts);
        assert.equal(told.ready, told.reasons.length === 0);
        for (const { detail } of told.reasons) {
          assert.match(detail, /`bm-confsync [a-z]+|`systemctl start bm-confsync`/);
          // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this looks for
          assert.doesNotMatch(detail, /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('a node that is ready heard of an active in sync with it, not too long ago', () => {
    fc.assert(
      fc.property(anyFacts, (facts) => {
        if (!readiness(facts).ready) return;
        const { role, daemonRunning, conflicts, watchlistsAgree, standing: heard } = facts;
        assert.ok(heard);
        assert.deepEqual([role, daemonRunning, conflicts.count], ['passive', true, 0]);
        assert.notEqual(watchlistsAgree, false);
        assert.deepEqual([heard.pending, heard.conflicts, heard.halt, heard.held], [0, 0, null, []]);
        assert.ok(Math.abs(now - heard.at) <= facts.staleAfterMs);
      }),
      { numRuns: 5000 },
    );
  });

  it('being connected is never what decides', () => {
    fc.assert(
      fc.property(anyFacts, (facts) => {
        const [there, gone] = [true, false].map((connected) => readiness({ ...facts, connected }));
        assert.deepEqual(there?.reasons, gone?.reasons);
      }),
    );
  });
});
