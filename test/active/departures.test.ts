import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Departures } from '../../src/active/departures.ts';
import type { ReplicaPath } from '../../src/core/path.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A link that the test fills and empties. */
class Link {
  congested = false;
  #relief: (() => void)[] = [];

  async writable(): Promise<void> {
    while (this.congested) await new Promise<void>((resolve) => this.#relief.push(resolve));
  }

  relieve(): void {
    this.congested = false;
    for (const tell of this.#relief.splice(0)) tell();
  }
}

/** What left, and what is told of each as it leaves. */
function leaving(link: () => Link | undefined, onSend: (lane: string) => void = () => undefined) {
  const sent: string[] = [];
  const departures = new Departures({
    session: link,
    send: ({ lane }) => {
      sent.push(lane);
      onSend(lane);
    },
  });
  const add = (...lanes: string[]): void => {
    for (const lane of lanes) departures.add({ lane: lane as ReplicaPath, done: () => undefined });
  };
  return { sent, add };
}

describe('what begins in one turn', () => {
  it('leaves when all of it is known, in its order', async () => {
    const { sent, add } = leaving(() => new Link());
    add('/a', '/b');
    add('/c');
    assert.deepEqual(sent, []);
    await turn();
    assert.deepEqual(sent, ['/a', '/b', '/c']);
    add('/d');
    await turn();
    assert.deepEqual(sent, ['/a', '/b', '/c', '/d']);
  });

  it('stays while the link takes no more, and all that comes meanwhile comes after it', async () => {
    const link = new Link();
    const { sent, add } = leaving(
      () => link,
      (lane) => {
        link.congested = lane === '/a' || lane === '/c';
        if (lane === '/b') add('/after');
      },
    );
    add('/a', '/b');
    await turn();
    assert.deepEqual(sent, ['/a']);
    add('/c', '/d');
    await turn();
    assert.deepEqual(sent, ['/a']);
    link.relieve();
    await turn();
    assert.deepEqual(sent, ['/a', '/b', '/c']);
    link.relieve();
    await turn();
    assert.deepEqual(sent, ['/a', '/b', '/c', '/d', '/after']);
  });

  it('waits for no link where there is none: whoever sends sees that', async () => {
    const links: (Link | undefined)[] = [undefined, new Link()];
    const { sent, add } = leaving(() => links.shift());
    add('/a', '/b');
    await turn();
    assert.deepEqual(sent, ['/a', '/b']);
  });
});
