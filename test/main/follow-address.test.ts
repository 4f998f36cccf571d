import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { eventually } from '../world/eventually.ts';
import { seatOf } from '../world/kept.ts';
import { TwoNetworks } from '../world/namespaces.ts';
import { Pair, type Running } from '../world/pair.ts';

const floating = '192.0.2.100';
const holdMs = 700;

describe('a seat that follows a floating address', () => {
  let networks: TwoNetworks;
  let pair: Pair;
  let first: Running;
  let second: Running;
  before(async () => {
    networks = new TwoNetworks();
    const role = { source: 'vip', address: floating, hold: `${holdMs}ms` };
    pair = await Pair.open({
      mutual: true,
      places: { active: networks.place(0), passive: networks.place(1) },
      active: { role },
      passive: { role },
    });
    networks.setAddress(0, floating, true);
    second = pair.spawnDaemon('passive');
    first = await pair.startActive();
  });
  after(async () => {
    await pair[Symbol.asyncDispose]();
    networks[Symbol.dispose]();
  });

  const roles = (): [string, string] => [seatOf(pair, 'active').role, seatOf(pair, 'passive').role];
  const become = (a: string, b: string): Promise<void> =>
    eventually(`the seats are ${a} and ${b}`, () => roles().join() === `${a},${b}`, {
      detail: () => `${roles().join()}\n${first.log()}\n---\n${second.log()}`,
    });
  const carries = (from: 'active' | 'passive', to: 'active' | 'passive', text: string): Promise<void> => {
    writeFileSync(pair.at(from, 'etc/x'), text);
    return eventually(
      `${text} is carried over`,
      () => {
        try {
          return readFileSync(pair.at(to, 'etc/x'), 'utf8') === text;
        } catch {
          return false;
        }
      },
      { detail: () => `${first.log()}\n---\n${second.log()}` },
    );
  };

  it('is where the address is from the beginning, and nothing is promoted for it', async () => {
    await carries('active', 'passive', '1\n');
    assert.deepEqual(roles(), ['active', 'passive']);
    assert.equal(seatOf(pair, 'active').epoch, 1);
  });

  it('moves with it, and the direction with the seat', async () => {
    networks.setAddress(0, floating, false);
    networks.setAddress(1, floating, true);
    await become('passive', 'active');
    await carries('passive', 'active', '2\n');
  });

  it('moves back, under a higher epoch', async () => {
    const { epoch } = seatOf(pair, 'passive');
    networks.setAddress(1, floating, false);
    networks.setAddress(0, floating, true);
    await become('active', 'passive');
    assert.ok(seatOf(pair, 'active').epoch > epoch);
    await carries('active', 'passive', '3\n');
  });

  it('stays where it is when the address is gone for less than the hold', async () => {
    const seats = [seatOf(pair, 'active'), seatOf(pair, 'passive')];
    for (let flaps = 0; flaps < 3; flaps += 1) {
      networks.setAddress(0, floating, false);
      networks.setAddress(1, floating, true);
      await pause(holdMs / 3);
      networks.setAddress(1, floating, false);
      networks.setAddress(0, floating, true);
      await pause(holdMs);
    }
    assert.deepEqual([seatOf(pair, 'active'), seatOf(pair, 'passive')], seats);
  });

  it('is not moved by hand: promote and demote are refused, and say why', async () => {
    for (const [node, command] of [
      ['passive', 'promote'],
      ['active', 'demote'],
    ] as const) {
      const ran = await pair.run(node, [command]);
      assert.equal(ran.code, 4, ran.stdout);
      assert.match(ran.stderr, /its seat follows the address 192\.0\.2\.100/);
    }
    assert.deepEqual(roles(), ['active', 'passive']);
  });

  it('is nobody’s while the address is nowhere; what changes then is carried when it is back', async () => {
    networks.setAddress(0, floating, false);
    await become('passive', 'passive');
    writeFileSync(pair.at('active', 'etc/x'), '4\n');
    networks.setAddress(0, floating, true);
    await become('active', 'passive');
    await eventually(
      'the change is carried',
      () => readFileSync(pair.at('passive', 'etc/x'), 'utf8') === '4\n',
      {
        detail: () => `${first.log()}\n---\n${second.log()}`,
      },
    );
  });

  it('is never on both nodes that reach each other, also when the address is', async () => {
    networks.setAddress(1, floating, true);
    await eventually('the second node takes the seat', () => seatOf(pair, 'passive').role === 'active', {
      detail: second.log,
    });
    assert.notDeepEqual(roles(), ['active', 'active']);
    networks.setAddress(1, floating, false);
    await become('active', 'passive');
  });

  it('is not taken from a node that does not answer, unless the configuration says that it is fenced', async () => {
    networks.setCable(false);
    networks.setAddress(1, floating, true);
    await eventually('the second node is refused the seat', () => /seat-refused/.test(second.log()), {
      deadlineMs: 40_000,
      detail: second.log,
    });
    assert.deepEqual(roles(), ['active', 'passive']);
    networks.setAddress(1, floating, false);
    networks.setCable(true);
    await carries('active', 'passive', '5\n');
  });
});
