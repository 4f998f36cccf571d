import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fit, paint } from '../../src/cli/render.ts';
import type { Status } from '../../src/cli/status.ts';
import { statusLines } from '../../src/cli/status-view.ts';
import { sparkline, watchLines } from '../../src/cli/watch-view.ts';
import { healthy, now, peer } from './statuses.ts';

const plain = { now, paint: (_colour: unknown, text: string) => text };

const conflict = { id: '1a2b3c4d5e', path: '/etc/a', kind: 'edited-on-passive', detectedAt: now - 60_000 };
const heard = { silentMs: null, cause: null, detail: null } as const;
const silent: NonNullable<Status['canary']> = {
  intervalMs: 60_000,
  failure: null,
  peers: [
    {
      peer: 'mail2',
      latencyMs: 7,
      lastAt: now - 240_000,
      silentMs: 240_000,
      cause: 'unnoticed',
      detail: null,
    },
  ],
};
const trouble = (n: number) => ({ path: `/etc/${n}`, reason: 'too-large', detail: '70 MiB' }) as const;
const not = (text: string): Status['failover'] => ({ safe: false, reasons: [{ code: 'x', text }] });

const table: [string, Status, string[]][] = [
  [
    'all is well',
    healthy,
    [
      'mail1: active, epoch 3, HA enabled',
      'safe to fail over: yes',
      'not in sync: nothing',
      'held: nothing',
      'peer mail2: live, 0 paths pending, last change durable 5.0 s ago (4 ms after it was made)',
      'watching: 5,012 paths in 310 directories (bluemind)',
    ],
  ],
  [
    'canaries arrive, at one peer longer ago',
    {
      ...healthy,
      canary: {
        intervalMs: 60_000,
        failure: null,
        peers: [
          { ...heard, peer: 'mail3', latencyMs: 9, lastAt: now - 1000 },
          { ...heard, peer: 'mail2', latencyMs: 7.2, lastAt: now - 40_000 },
        ],
      },
    },
    [
      'mail1: active, epoch 3, HA enabled',
      'safe to fail over: yes',
      'not in sync: nothing',
      'held: nothing',
      'peer mail2: live, 0 paths pending, last change durable 5.0 s ago (4 ms after it was made)',
      'watching: 5,012 paths in 310 directories (bluemind)',
      'canary: on mail2 7 ms after it was written, 40.0 s ago',
    ],
  ],
  [
    'no canary arrives',
    { ...healthy, canary: silent, failover: not('no canary reaches mail2') },
    [
      'mail1: active, epoch 3, HA enabled',
      'safe to fail over: NO: no canary reaches mail2',
      'not in sync: nothing',
      'held: nothing',
      'peer mail2: live, 0 paths pending, last change durable 5.0 s ago (4 ms after it was made)',
      'watching: 5,012 paths in 310 directories (bluemind)',
      'canary SILENT: none reached mail2 for 4 min 0 s; changes go unnoticed on this node: systemctl restart bm-confsync',
    ],
  ],
  [
    'changes are on their way',
    { ...healthy, peers: [{ ...peer, pending: 2, lagMs: 1500 }], failover: not('2 not yet on mail2') },
    [
      'mail1: active, epoch 3, HA enabled',
      'safe to fail over: NO: 2 not yet on mail2',
      'not in sync: 2 paths pending',
      'held: nothing',
      'peer mail2: live, 2 paths pending, last change durable 5.0 s ago, the oldest waits since 1.5 s',
      'watching: 5,012 paths in 310 directories (bluemind)',
    ],
  ],
  [
    'conflicts and paths that cannot be sent, more than are shown',
    {
      ...healthy,
      peers: [{ ...peer, troubles: [1, 2, 3, 4, 5].map(trouble) }],
      conflicts: 9,
      oldestConflicts: [conflict],
      failover: not('9 conflicts wait'),
    },
    [
      'mail1: active, epoch 3, HA enabled',
      'safe to fail over: NO: 9 conflicts wait',
      'not in sync: 5 problems',
      '  not sent: /etc/1: too-large, 70 MiB',
      '  not sent: /etc/2: too-large, 70 MiB',
      '  not sent: /etc/3: too-large, 70 MiB',
      '  … and 2 more: bm-confsync status --json',
      'held:',
      '  conflicts: 9, since 1 min 0 s',
      '    1a2b3c4d5e  edited-on-passive  /etc/a',
      '    … and 8 more: bm-confsync conflicts',
      '    to look at one: bm-confsync conflicts show ID',
      'peer mail2: live, 0 paths pending, last change durable 5.0 s ago (4 ms after it was made)',
      'watching: 5,012 paths in 310 directories (bluemind)',
    ],
  ],
  [
    'halted and disabled, on a passive without a daemon',
    {
      ...healthy,
      role: 'passive',
      daemon: false,
      peers: [],
      halt: 'it would delete 30 of 40',
      haltedAt: now - 1000,
      ha: { state: 'disabled', reason: 'upgrade', since: now - 7_200_000 },
      following: { active: 'mail2', connected: false, heardAt: now - 1000, pending: 0 },
      failover: not('HA is disabled'),
    },
    [
      'mail1: passive, epoch 3, HA disabled',
      'the daemon does not run: start it with `systemctl start bm-confsync`',
      'safe to fail over: NO: HA is disabled',
      'not in sync: nothing',
      'held:',
      '  HALTED: it would delete 30 of 40, since 1.0 s',
      '  HA disabled: upgrade, since 2 h 0 min',
      'follows mail2: not connected, 0 paths pending when it last told, 1.0 s ago',
    ],
  ],
];

describe('a canary that does not arrive', () => {
  const [peerOf] = silent.peers;
  const shown = (canary: Status['canary'], more: Partial<Status> = {}): string | undefined =>
    statusLines({ ...healthy, canary: canary ?? null, ...more }, { now, paint: (_, text) => text })
      .filter((line) => line.startsWith('canary'))
      .join('\n');
  const because = (cause: 'unanswered' | 'refused', detail: string | null): Status['canary'] => ({
    ...silent,
    peers: peerOf === undefined ? [] : [{ ...peerOf, cause, detail }],
  });
  it('says where to look', () => {
    const none = 'canary SILENT: none reached mail2 for 4 min 0 s;';
    assert.equal(
      shown(because('unanswered', null)),
      `${none} it is connected and does not answer: look at bm-confsync and the disk there`,
    );
    assert.equal(
      shown(because('refused', 'no\u001b[31m space')),
      `${none} it refuses them: no\\x1b[31m space`,
    );
    assert.equal(
      shown({ ...silent, failure: 'EROFS: /var', peers: [] }),
      'canary: none: it cannot be written on this node: EROFS: /var',
    );
  });
  it('is no news while nothing is sent at all', () => {
    assert.equal(shown(silent, { ha: { state: 'disabled', reason: null, since: null } }), '');
    assert.equal(shown(silent, { halt: 'mass-deletion' }), '');
    assert.equal(shown(null), '');
  });
});

describe('status', () => {
  for (const [name, status, lines] of table)
    it(`when ${name}`, () => assert.deepEqual(statusLines(status, plain), lines));

  it('says the same without colour', () => {
    const io = { out: () => undefined, err: () => undefined, colour: true, interactive: true };
    for (const [, status] of table) {
      const coloured = statusLines(status, { now, paint: (colour, text) => paint(io, colour, text) }).join(
        '\n',
      );
      assert.ok(coloured.includes('\u001b['));
      // biome-ignore lint/suspicious/noControlCharactersInRegex: our own colours are what this looks for
      assert.equal(coloured.replaceAll(/\u001b\[[0-9]+m/g, ''), statusLines(status, plain).join('\n'));
    }
  });

  const text = fc.string({ unit: 'binary', maxLength: 400 });
  const many = fc.array(fc.record({ path: text, reason: fc.constant('io' as const), detail: text }), {
    maxLength: 9,
  });
  const anyPeer = fc.record({
    ...Object.fromEntries(Object.entries(peer).map(([key, value]) => [key, fc.constant(value)])),
    name: text,
    detail: fc.option(text),
    skewMs: fc.constantFrom(0, 60_000),
    troubles: many,
    hookFailures: many,
  }) as unknown as fc.Arbitrary<Status['peers'][number]>;
  const anyStatus: fc.Arbitrary<Status> = fc
    .record({
      node: text,
      halt: fc.option(text),
      conflicts: fc.nat(9),
      reason: text,
      active: text,
      passive: fc.boolean(),
      peers: fc.array(anyPeer, { maxLength: 4 }),
      degraded: fc.option(text),
      path: text,
      troubles: many,
      reasons: fc.array(fc.record({ code: text, text }), { maxLength: 9 }),
    })
    .map(({ node, halt, conflicts, reason, active, passive, peers, degraded, path, troubles, reasons }) => ({
      ...healthy,
      node,
      halt,
      haltedAt: now,
      role: passive ? 'passive' : 'active',
      peers: passive ? [] : peers,
      following: passive ? { active, connected: true, heardAt: now, pending: 1 } : null,
      ha: { state: 'disabled', reason, since: now },
      conflicts,
      oldestConflicts: Array.from({ length: Math.min(3, conflicts) }, () => ({ ...conflict, path })),
      watching: { ...healthy.watching, degraded },
      watchlists: [path],
      canary: silent,
      troubles,
      failover: { safe: reasons.length === 0, reasons },
    }));

  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
  const unsafe = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

  it('fits a screen of 24 lines with a prompt, and no foreign text is raw, whatever there is', () => {
    fc.assert(
      fc.property(anyStatus, (status) => {
        const lines = statusLines(status, plain);
        assert.ok(lines.length <= 23, lines.join('\n'));
        for (const line of lines) assert.doesNotMatch(line, unsafe);
      }),
    );
  });

  it('--watch fits any terminal', () => {
    const events = Array.from({ length: 20 }, () => ({
      at: now,
      level: 'warn' as const,
      kind: 'x',
      text: 'a\nb',
    }));
    const seconds = Array.from({ length: 60 }, (_, n) => ({ pushed: n, lagMs: n }));
    fc.assert(
      fc.property(
        anyStatus,
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 1, max: 60 }),
        (status, columns, rows) => {
          const view = { ...plain, columns, rows, unicode: true, keys: true };
          const lines = watchLines({ told: { status, events, seconds }, silentSince: now }, view);
          assert.ok(lines.length <= rows, `${lines.length} lines in ${rows}`);
          for (const line of lines) assert.doesNotMatch(line, unsafe);
          for (const line of lines) assert.ok([...line.replace(/\p{M}/gu, '')].length <= columns, line);
        },
      ),
    );
  });

  it('--watch says since when the daemon is silent, and that the rest is old', () => {
    const view = { ...plain, columns: 80, rows: 24, unicode: true, keys: false };
    const [, line = ''] = watchLines({ told: { status: healthy }, silentSince: now - 12_000 }, view);
    assert.match(line, /^daemon not answering since \d\d:\d\d:\d\d \(12\.0 s\); what follows was true then$/);
  });
});

describe('a line that is cut', () => {
  const cuts: [string, number, string][] = [
    ['short', 5, 'short'],
    ['longer', 5, 'long…'],
    ['日本語', 6, '日本語'],
    ['日本語', 5, '日本…'],
    ['e\u0301e\u0301e\u0301', 2, 'e\u0301…'],
    ['\u001b[31mred\u001b[0m', 3, '\u001b[31mred\u001b[0m'],
    ['\u001b[31mredder\u001b[0m', 4, '\u001b[31mred…\u001b[0m'],
  ];
  for (const [line, columns, kept] of cuts)
    it(`${JSON.stringify(line)} to ${columns}`, () => assert.equal(fit(line, columns), kept));
});

it('a sparkline has its highest letter for the largest value', () => {
  assert.equal(sparkline([0, 1, 4, 8], true), '·▁▄█');
  assert.equal(sparkline([0, 1, 4, 8], false), ' _=#');
  assert.equal(sparkline([], true), '');
});
