import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { pluginLine } from '../../src/cli/plugin-line.ts';
import type { Status } from '../../src/cli/status.ts';
import { silentPlugin, statusPlugin } from '../../src/cli/status-plugin.ts';
import { readPerfdata } from '../rig/perfdata.ts';
import { following, healthy, now, peer } from './statuses.ts';

const lineOf = (found: Status): string => pluginLine(statusPlugin(found, now)).trimEnd();
const peers = (...changes: Partial<Status['peers'][number]>[]): Status => ({
  ...healthy,
  peers: changes.map((change) => ({ ...peer, ...change })),
});
const trouble = { path: '/etc/big', reason: 'too-large', detail: '70 MiB' } as const;
const reasons = (...codes: string[]): Status['failover'] => ({
  safe: false,
  reasons: codes.map((code) => ({ code, text: `because ${code}` })),
});
const off = { state: 'disabled', reason: 'upgrade to 5.2', since: now - 7_200_000 } as const;

const oneLineOneBar =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
  /^BM-CONFSYNC CRITICAL - [^|\u0000-\u001f\u007f-\u009f\u2028\u2029]+ \| [ -{}~]+$/;

/** What is found, and the line up to its bar. */
const table: [string, Status, string][] = [
  ['all is well', healthy, 'OK - mail1 is active, epoch 3; mail2 has all'],
  [
    'changes are on their way',
    peers({ pending: 2, lagMs: 900 }),
    'OK - mail1 is active, epoch 3; 2 changes on the way to mail2',
  ],
  [
    'a peer is being compared',
    peers({ state: 'reconciling' }),
    'OK - mail1 is active, epoch 3; mail2 is being compared',
  ],
  [
    'a change waits too long',
    peers({ pending: 3, lagMs: 61_000 }),
    'WARNING - mail1 (active): 3 changes not yet on mail2, the oldest since 1 min 1 s',
  ],
  [
    'conflicts wait',
    { ...healthy, conflicts: 2 },
    'WARNING - mail1 (active): 2 conflicts wait, see bm-confsync conflicts',
  ],
  [
    'a path cannot be sent, and a hook failed',
    peers({ troubles: [trouble], hookFailures: [{ path: '/etc/a', detail: 'x' }] }),
    'WARNING - mail1 (active): 1 path cannot be brought to mail2, see bm-confsync status; 1 hook failed on mail2, see bm-confsync status',
  ],
  [
    'a path cannot be read; a pipe is nothing to tell',
    { ...healthy, troubles: [trouble, { ...trouble, reason: 'unsupported-type' }] },
    'WARNING - mail1 (active): 1 path cannot be read or sent, see bm-confsync status',
  ],
  [
    'the watchlists differ',
    peers({ watchlistsAgree: false }),
    'WARNING - mail1 (active): the watchlists of mail2 differ from ours',
  ],
  [
    'the only peer does not answer',
    peers({ connected: false, state: 'offline', detail: 'connection refused' }),
    'CRITICAL - mail1 (active): mail2 is not connected (connection refused)',
  ],
  [
    'one of two peers does not answer',
    peers({}, { name: 'mail3', connected: false, state: 'offline' }),
    'WARNING - mail1 (active): mail3 is not connected',
  ],
  [
    'the peer refuses for a while',
    peers({ connected: false, state: 'suspended', detail: 'mail2: dpkg is running' }),
    'WARNING - mail1 (active): mail2 is not connected (mail2: dpkg is running)',
  ],
  [
    'there is no peer',
    { ...healthy, peers: [] },
    'CRITICAL - mail1 (active): there is no peer, so nothing is replicated',
  ],
  [
    'changes may go unnoticed',
    { ...healthy, failover: reasons('held', 'canary-silent') },
    'CRITICAL - mail1 (active): because canary-silent',
  ],
  [
    'HA is disabled: that the peer is not connected is no more to tell',
    { ...peers({ connected: false, state: 'suspended' }), ha: off },
    'WARNING - mail1 (active): HA disabled since 2 h 0 min: upgrade to 5.2',
  ],
  [
    'the daemon does not run',
    { ...peers({ connected: false, state: 'offline' }), daemon: false, conflicts: 1 },
    'CRITICAL - mail1 (active): the daemon does not run, start it with systemctl start bm-confsync; 1 conflict waits, see bm-confsync conflicts',
  ],
  [
    'replication is halted: the worst comes first',
    { ...healthy, ha: off, conflicts: 1, halt: '300 of 400 paths would be deleted' },
    'CRITICAL - mail1 (active): halted: 300 of 400 paths would be deleted; HA disabled since 2 h 0 min: upgrade to 5.2; 1 conflict waits, see bm-confsync conflicts',
  ],
  [
    'the passive is well',
    following,
    'OK - mail2 is passive and can take over; it follows mail1, heard 3.0 s ago',
  ],
  [
    'the passive has not all yet',
    { ...following, failover: reasons('pending') },
    'OK - mail2 is passive and can take over; it follows mail1, heard 3.0 s ago',
  ],
  [
    'the passive lacks a path',
    { ...following, failover: reasons('held') },
    'WARNING - mail2 (passive): because held',
  ],
  [
    'the passive hears nothing',
    { ...following, failover: reasons('stale', 'held') },
    'CRITICAL - mail2 (passive): because stale; because held',
  ],
  [
    'the passive hears nothing while HA is disabled',
    { ...following, ha: off, failover: reasons('ha-disabled', 'stale') },
    'WARNING - mail2 (passive): HA disabled since 2 h 0 min: upgrade to 5.2; because stale',
  ],
  [
    'the passive is edited',
    { ...following, conflicts: 1, failover: reasons('conflicts') },
    'WARNING - mail2 (passive): 1 conflict waits, see bm-confsync conflicts',
  ],
  [
    'the passive’s daemon does not run',
    { ...following, daemon: false, failover: reasons('no-daemon') },
    'CRITICAL - mail2 (passive): the daemon does not run, start it with systemctl start bm-confsync',
  ],
];

describe('status --nagios', () => {
  for (const [name, found, expected] of table)
    it(name, () => assert.equal(lineOf(found).split(' | ')[0], `BM-CONFSYNC ${expected}`));

  it('a daemon that hangs', () =>
    assert.equal(
      pluginLine(silentPlugin('nothing within 8 s')),
      'BM-CONFSYNC CRITICAL - the daemon does not answer: nothing within 8 s\n',
    ));

  it('has numbers that a library of the Monitoring Plugins reads', () => {
    const busy = {
      ...peers({ pending: 3, lagMs: 1234, troubles: [trouble] }, { connected: false }),
      conflicts: 2,
    };
    const none = { unit: '', warning: '', critical: '' };
    const [active, passive, dead] = readPerfdata(
      [busy, following, { ...healthy, daemon: false }].map(lineOf),
    );
    assert.deepEqual(active, [
      { ...none, label: 'conflicts', value: 2, warning: '0' },
      { ...none, label: 'pending', value: 3 },
      { ...none, label: 'held', value: 1, warning: '0' },
      { ...none, label: 'lag', value: 1.234, unit: 's', warning: '60' },
      { ...none, label: 'connected', value: 1, warning: '2:', critical: '1:' },
    ]);
    assert.deepEqual(passive, [
      { ...none, label: 'conflicts', value: 0, warning: '0' },
      { ...none, label: 'pending', value: 0 },
      { ...none, label: 'heard', value: 3, unit: 's' },
    ]);
    // What nobody knows without a daemon is no 0.
    assert.deepEqual(dead, [{ ...none, label: 'conflicts', value: 0, warning: '0' }]);
  });

  it('is one line with one bar and the same numbers, whatever a name or a reason holds', () => {
    const hostile = fc.string({ unit: 'binary', maxLength: 30 }).map((text) => `|\n${text}\u0000| x=9`);
    const lines: string[] = [];
    fc.assert(
      fc.property(hostile, hostile, (name, reason) => {
        const found = {
          ...peers({ name, watchlistsAgree: false }),
          node: name,
          halt: reason,
          ha: { ...off, reason },
        };
        const line = lineOf(found);
        assert.match(line, oneLineOneBar);
        lines.push(line);
      }),
    );
    const read = readPerfdata(lines).map((measures) => JSON.stringify(measures));
    assert.equal(new Set(read).size, 1, read.join('\n'));
  });

  it('keeps the line short, whatever waits', () => {
    const texts = Array.from({ length: 50 }, (_, n) => `reason ${n} ${'x'.repeat(10_000)}`);
    const line = pluginLine({ state: 'warning', texts, measures: [] });
    assert.ok(line.length < 3000, String(line.length));
    assert.match(line, /; and 44 more\n$/);
  });
});
