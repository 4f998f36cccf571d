import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { followAddress } from '../../src/ha/follow-address.ts';

const pollMs = 100;
const holdMs = 1000;

/** Follows an address on a clock that only `pass` moves; `told`: everything it has told. */
function follow(t: TestContext, address: string, addresses: string[]) {
  t.mock.timers.enable({ apis: ['setInterval'] });
  let now = 0;
  const here = new Set(addresses);
  const told: boolean[] = [];
  const following = followAddress({
    address,
    holdMs,
    pollMs,
    now: () => now,
    addresses: () => [...here],
    onSettled: (present) => void told.push(present),
  });
  t.after(() => following[Symbol.dispose]());
  const pass = (ms: number): void => {
    for (let passed = 0; passed < ms; passed += pollMs) {
      now += pollMs;
      t.mock.timers.tick(pollMs);
    }
  };
  return { here, told, pass, following };
}

describe('the floating address', () => {
  it('is told of once when it has been here, or not, for the time to hold', (t) => {
    const { told, pass } = follow(t, '10.99.0.1', ['127.0.0.1', '10.99.0.1']);
    pass(holdMs - pollMs);
    assert.deepEqual(told, []);
    pass(pollMs);
    assert.deepEqual(told, [true]);
    pass(10 * holdMs);
    assert.deepEqual(told, [true]);
  });

  it('is told of when it goes and when it comes back', (t) => {
    const { here, told, pass } = follow(t, '10.99.0.1', []);
    pass(holdMs);
    here.add('10.99.0.1');
    pass(holdMs + pollMs);
    here.delete('10.99.0.1');
    pass(holdMs + pollMs);
    assert.deepEqual(told, [false, true, false]);
  });

  it('is not told of while it flaps faster than that', (t) => {
    const { here, told, pass } = follow(t, '10.99.0.1', ['10.99.0.1']);
    pass(holdMs);
    for (let n = 0; n < 20; n += 1) {
      here.delete('10.99.0.1');
      pass(holdMs - pollMs);
      here.add('10.99.0.1');
      pass(2 * pollMs);
    }
    assert.deepEqual(told, [true]);
  });

  it('is not told of any more after the end', (t) => {
    const { told, pass, following } = follow(t, '10.99.0.1', ['10.99.0.1']);
    following[Symbol.dispose]();
    pass(2 * holdMs);
    assert.deepEqual(told, []);
  });

  const spellings: [string, string, boolean][] = [
    ['2001:db8::1', '2001:0DB8:0:0:0:0:0:1', true],
    ['2001:0db8:0000:0000:0000:0000:0000:0001', '2001:db8::1', true],
    ['2001:db8::1', '2001:db8::2', false],
    ['fe80::1', 'fe80::1%eth0', true],
    ['fe80::1%eth0', 'fe80::1', true],
    ['10.99.0.1', '10.99.0.10', false],
    ['::1', '127.0.0.1', false],
  ];
  for (const [wanted, found, present] of spellings) {
    it(`${wanted} is ${present ? '' : 'not '}here where ${found} is`, (t) => {
      const { told, pass } = follow(t, wanted, [found]);
      pass(holdMs);
      assert.deepEqual(told, [present]);
    });
  }

  it('is looked for on the interfaces of this node', (t) => {
    t.mock.timers.enable({ apis: ['setInterval'] });
    for (const [address, present] of [
      ['127.0.0.1', true],
      ['192.0.2.254', false],
    ] as const) {
      const told: boolean[] = [];
      const options = { address, holdMs: 0, onSettled: (found: boolean) => void told.push(found) };
      followAddress(options)[Symbol.dispose]();
      assert.deepEqual(told, [present], address);
    }
  });
});
