import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import type { Peer } from '../../src/active/peer.ts';
import type { Tree } from '../../src/active/tree.ts';
import { Walking } from '../../src/active/walking.ts';
import type { ReplicaPath } from '../../src/core/path.ts';

/** Walks over an empty tree, which are only counted, while `pending` paths are on their way. */
class Walks {
  pending = 0;
  readonly walked: (ReplicaPath | undefined)[] = [];
  readonly walking = new Walking({
    tree: { walk: ({ from }: { from?: ReplicaPath }) => this.#walk(from) } as unknown as Tree,
    peers: () => [{ replicator: { pending: this.pending, ledger: { below: () => [] } } } as unknown as Peer],
    onNews: () => undefined,
    onMissing: () => undefined,
    onUnstable: () => undefined,
    onTrouble: () => undefined,
    onDone: () => undefined,
  });

  async *#walk(from: ReplicaPath | undefined): AsyncGenerator<never> {
    this.walked.push(from);
    yield* [];
  }

  async after(ms: number): Promise<void> {
    for (let gone = 0; gone <= ms; gone += 25) {
      for (let turns = 0; turns < 20; turns += 1) await Promise.resolve();
      if (gone < ms) mock.timers.tick(25);
    }
  }
}

const first = '/etc/a' as ReplicaPath;
const second = '/etc/b' as ReplicaPath;

describe('a walk that is asked for', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
  afterEach(() => mock.timers.reset());

  it('begins at once where little is on its way', async () => {
    const walks = new Walks();
    walks.walking.walk(first);
    await walks.after(0);
    assert.deepEqual(walks.walked, [first]);
  });

  it('waits for a bulk with those that are asked for meanwhile, and for a moment at most', async () => {
    const walks = new Walks();
    walks.pending = 1000;
    walks.walking.walk(first);
    await walks.after(400);
    walks.walking.walk(second);
    await walks.after(400);
    assert.deepEqual(walks.walked, []);
    await walks.after(400);
    assert.deepEqual(walks.walked, [first, second]);
  });

  it('waits no longer than the bulk lasts', async () => {
    const walks = new Walks();
    walks.pending = 1000;
    walks.walking.walk(first);
    await walks.after(50);
    walks.pending = 0;
    await walks.after(50);
    assert.deepEqual(walks.walked, [first]);
    assert.equal(walks.walking.underWay, false);
  });
});
