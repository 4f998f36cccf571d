import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { admitSender, type Role, type Seat, type Switch, switchAt } from '../../src/core/seat.ts';

const enabled: Switch = { state: 'enabled' };
const disabled: Switch = { state: 'disabled', reason: 'upgrade', since: 1000, by: 'root' };
const passive: Seat = { role: 'passive', epoch: 7 };
const active: Seat = { role: 'active', epoch: 7 };

/** Rules 1 to 3 in their order, written out. */
const senders: Readonly<Record<Role, Readonly<Record<string, readonly string[]>>>> = {
  //            switch: enabled,       disabled,      expired
  passive: {
    lower: ['stale-epoch', 'ha-disabled', 'stale-epoch'],
    same: ['admitted', 'ha-disabled', 'admitted'],
    higher: ['admitted', 'ha-disabled', 'admitted'],
  },
  active: {
    lower: ['stale-epoch', 'ha-disabled', 'stale-epoch'],
    same: ['split-brain', 'ha-disabled', 'split-brain'],
    higher: ['peer-is-active', 'ha-disabled', 'peer-is-active'],
  },
};

describe('a sender, by the seat of the receiver, its epoch and the switch', () => {
  const switches: Readonly<Record<string, Switch>> = {
    enabled,
    disabled,
    expired: { ...disabled, until: 5000 },
  };
  const epochs: Readonly<Record<string, number>> = { lower: 6, same: 7, higher: 8 };
  for (const [role, byEpoch] of Object.entries(senders)) {
    for (const [epoch, expected] of Object.entries(byEpoch)) {
      for (const [at, [name, setting]] of Object.entries(switches).entries()) {
        it(`a node that is ${role}, with its switch ${name}, and a ${epoch} epoch: ${expected[at]}`, () => {
          const seat: Seat = { role: role === 'active' ? 'active' : 'passive', epoch: 7 };
          const refusal = admitSender(seat, switchAt(setting, 5000), epochs[epoch] ?? Number.NaN);
          assert.equal(refusal ?? 'admitted', expected[at]);
        });
      }
    }
  }
});

describe('admitSender', () => {
  const table: [string, ReturnType<typeof admitSender>, string | undefined][] = [
    ['a passive takes the same epoch', admitSender(passive, enabled, 7), undefined],
    ['a passive takes a newer epoch', admitSender(passive, enabled, 8), undefined],
    ['a passive refuses an older epoch', admitSender(passive, enabled, 6), 'stale-epoch'],
    [
      'a passive that was never told takes the first',
      admitSender({ role: 'passive', epoch: 0 }, enabled, 0),
      undefined,
    ],
    ['an active refuses an older epoch', admitSender(active, enabled, 6), 'stale-epoch'],
    ['an active refuses a newer epoch: somebody promoted', admitSender(active, enabled, 8), 'peer-is-active'],
    ['two actives of one epoch are a split brain', admitSender(active, enabled, 7), 'split-brain'],
    ['the switch comes before a stale epoch', admitSender(passive, disabled, 6), 'ha-disabled'],
    ['the switch comes before a split brain', admitSender(active, disabled, 7), 'ha-disabled'],
    ['the switch refuses who would be welcome', admitSender(passive, disabled, 7), 'ha-disabled'],
  ];
  for (const [sentence, found, expected] of table) {
    it(`${sentence}: ${expected ?? 'admitted'}`, () => assert.equal(found, expected));
  }

  const seats = fc.record({ role: fc.constantFrom<Role>('active', 'passive'), epoch: fc.nat(4) });
  const switches = fc.constantFrom(enabled, disabled);

  it('an older epoch is never admitted, nor is anybody by an active node or while disabled', () => {
    fc.assert(
      fc.property(seats, switches, fc.nat(4), (seat, setting, epoch) => {
        if (admitSender(seat, setting, epoch) !== undefined) return;
        assert.ok(epoch >= seat.epoch);
        assert.equal(seat.role, 'passive');
        assert.equal(setting.state, 'enabled');
      }),
    );
  });

  it('of two active nodes at most one is told that it is stale, and a split brain is seen by both', () => {
    fc.assert(
      fc.property(fc.nat(4), fc.nat(4), (one, other) => {
        const here = admitSender({ role: 'active', epoch: one }, enabled, other);
        const there = admitSender({ role: 'active', epoch: other }, enabled, one);
        assert.equal(here === 'split-brain', there === 'split-brain');
        assert.equal(
          [here, there].filter((refusal) => refusal === 'stale-epoch').length,
          one === other ? 0 : 1,
        );
      }),
    );
  });
});

describe('switchAt', () => {
  const expiring: Switch = { ...disabled, until: 5000 };
  const table: [string, Switch, number, 'enabled' | 'disabled'][] = [
    ['enabled stays enabled', enabled, 0, 'enabled'],
    ['disabled without an end stays so', disabled, Number.MAX_SAFE_INTEGER, 'disabled'],
    ['disabled holds until the moment before its end', expiring, 4999, 'disabled'],
    ['disabled ends at its end', expiring, 5000, 'enabled'],
    ['disabled is over after its end', expiring, 9000, 'enabled'],
    ['a clock that was set back does not end it', expiring, 0, 'disabled'],
    ['an end at the beginning of time is an end', { ...disabled, until: 0 }, 0, 'enabled'],
  ];
  for (const [sentence, setting, now, expected] of table) {
    it(sentence, () => assert.equal(switchAt(setting, now).state, expected));
  }
  it('keeps reason, since, by and until while it holds', () => {
    assert.deepEqual(switchAt(expiring, 4999), expiring);
  });
  it('an expired switch admits again', () => {
    assert.equal(admitSender(passive, switchAt(expiring, 4999), 7), 'ha-disabled');
    assert.equal(admitSender(passive, switchAt(expiring, 5000), 7), undefined);
  });
});
