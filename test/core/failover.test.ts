import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type ActiveFacts, failoverFromActive, failoverFromPassive } from '../../src/core/failover.ts';

const live = { name: 'mail2', state: 'live', pending: 0, held: 0, watchlistsAgree: true } as const;
const well: ActiveFacts = { daemon: true, haEnabled: true, halted: false, conflicts: 0, peers: [live] };

describe('a failover from the active', () => {
  const table: [string, Partial<ActiveFacts>, string[]][] = [
    ['is safe when all is there', {}, []],
    ['is not without the daemon, whatever was true before', { daemon: false }, ['no-daemon']],
    ['is not while HA is disabled', { haEnabled: false }, ['ha-disabled']],
    ['is not while halted', { halted: true }, ['halted']],
    ['is not with a conflict', { conflicts: 1 }, ['conflicts']],
    ['is not without a peer', { peers: [] }, ['no-peers']],
    ['is not while the peer is away', { peers: [{ ...live, state: 'offline' }] }, ['not-connected']],
    ['is not while the trees are compared', { peers: [{ ...live, state: 'reconciling' }] }, ['reconciling']],
    ['is not with changes on their way', { peers: [{ ...live, pending: 1 }] }, ['pending']],
    ['is not with a path that cannot be sent', { peers: [{ ...live, held: 1 }] }, ['held']],
    [
      'is not when watchlists differ',
      { peers: [{ ...live, watchlistsAgree: false }] },
      ['watchlists-differ'],
    ],
    ['is not when no canary arrives', { peers: [{ ...live, canarySilent: true }] }, ['canary-silent']],
    ['is when it is not known whether they differ', { peers: [{ ...live, watchlistsAgree: null }] }, []],
    ['needs one good peer', { peers: [{ ...live, state: 'offline', pending: 3 }, live] }, []],
    ['tells all reasons', { conflicts: 2, halted: true }, ['halted', 'conflicts']],
  ];
  for (const [name, facts, codes] of table)
    it(name, () => {
      const { safe, reasons } = failoverFromActive({ ...well, ...facts });
      assert.deepEqual(
        reasons.map(({ code }) => code),
        codes,
      );
      assert.equal(safe, codes.length === 0);
    });
});

it('a failover to this passive is as safe as it is ready, each reason once', () => {
  assert.deepEqual(failoverFromPassive({ ready: true, reasons: [], notes: [] }), { safe: true, reasons: [] });
  const held = { code: 'held', detail: 'a long sentence' } as const;
  assert.deepEqual(failoverFromPassive({ ready: false, reasons: [held, held], notes: [] }), {
    safe: false,
    reasons: [{ code: 'held', text: 'paths could not be brought here' }],
  });
});
