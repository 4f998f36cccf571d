import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Pressure } from '../../src/active/pressure.ts';

/** A session that takes no more until the test says so. */
class Peer {
  congested = true;
  #relieve: (() => void)[] = [];

  get session(): Peer {
    return this;
  }

  writable(): Promise<void> {
    return new Promise((resolve) => this.#relieve.push(resolve));
  }

  relieve(): void {
    this.congested = false;
    for (const tell of this.#relieve.splice(0)) tell();
  }
}

function rig(peers: readonly { readonly session: Peer | undefined }[]): {
  pressure: Pressure;
  told: () => number;
} {
  let told = 0;
  const pressure = new Pressure({
    peers: () => peers,
    onRelief: () => {
      told += 1;
    },
  });
  return { pressure, told: () => told };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the pressure is', () => {
  it('high while the peer takes no more, and its relief is told once', async () => {
    const peer = new Peer();
    const { pressure, told } = rig([peer]);
    for (let asked = 0; asked < 3; asked += 1) assert.equal(pressure.isHigh(), true);
    await turn();
    assert.equal(told(), 0);
    peer.relieve();
    await turn();
    assert.equal(told(), 1);
    assert.equal(pressure.isHigh(), false);
    peer.congested = true;
    assert.equal(pressure.isHigh(), true);
    peer.relieve();
    await turn();
    assert.equal(told(), 2);
  });

  it('not high where one of the peers takes more: nobody waits for a slow one', () => {
    const fast = new Peer();
    fast.relieve();
    assert.equal(rig([new Peer(), fast]).pressure.isHigh(), false);
  });

  it('not high where nobody is connected', () => {
    assert.equal(rig([{ session: undefined }]).pressure.isHigh(), false);
    assert.equal(rig([{ session: undefined }, new Peer()]).pressure.isHigh(), true);
  });
});
