import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Lanes } from '../../src/active/lanes.ts';
import type { ReplicaPath } from '../../src/core/path.ts';

const path = (text: string): ReplicaPath => text as ReplicaPath;

/** Work that ends when the test says so. */
function controlled(): {
  started: string[];
  work: (at: ReplicaPath, done: () => void) => void;
  finish: (at: string) => void;
} {
  const started: string[] = [];
  const running = new Map<string, () => void>();
  return {
    started,
    work: (at, done) => {
      started.push(at);
      running.set(at, done);
    },
    finish: (at) => running.get(at)?.(),
  };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('lanes', () => {
  it('start in the order of adding, as many at once as allowed', async () => {
    const { started, work, finish } = controlled();
    const lanes = new Lanes({ concurrency: 2, work });
    for (const at of ['/a', '/b', '/c']) lanes.add(path(at));
    await turn();
    assert.deepEqual(started, ['/a', '/b']);
    finish('/a');
    await turn();
    assert.deepEqual(started, ['/a', '/b', '/c']);
  });

  it('begin at once where there is room', () => {
    const { started, work } = controlled();
    const lanes = new Lanes({ concurrency: 3, work });
    for (const at of ['/a', '/b', '/c', '/d']) lanes.add(path(at));
    assert.deepEqual(started, ['/a', '/b', '/c']);
    assert.deepEqual(
      [path('/c'), path('/d')].map((at) => lanes.isToBegin(at)),
      [false, true],
    );
  });

  it('are never more at once than allowed, and never fewer while one waits', async () => {
    const { started, work, finish } = controlled();
    const lanes = new Lanes({ concurrency: 3, work });
    const all = Array.from({ length: 40 }, (_, index) => `/${index}`);
    for (const at of all) lanes.add(path(at));
    const order = [...all.keys()].map((index) => (index * 7) % all.length);
    const running = (): string[] => started.filter((at) => lanes.has(path(at)));
    for (let ended = 0; ended < all.length; ended += 1) {
      const left = running();
      assert.equal(left.length, Math.min(3, all.length - ended));
      finish(left[(order[ended] ?? 0) % left.length] ?? '');
      await turn();
    }
    await lanes.idle();
    assert.deepEqual(started, all);
  });

  it('never work twice at once on a path; what is added meanwhile is worked on once more afterwards', async () => {
    const { started, work, finish } = controlled();
    const lanes = new Lanes({ concurrency: 10, work });
    lanes.add(path('/a'));
    await turn();
    for (let again = 0; again < 5; again += 1) lanes.add(path('/a'));
    await turn();
    assert.deepEqual(started, ['/a']);
    finish('/a');
    await turn();
    assert.deepEqual(started, ['/a', '/a']);
    finish('/a');
    await lanes.idle();
    assert.equal(lanes.size, 0);
    assert.deepEqual(started, ['/a', '/a']);
  });

  it('keep a path that waits once, however often it is added', async () => {
    const { started, work, finish } = controlled();
    const lanes = new Lanes({ concurrency: 1, work });
    lanes.add(path('/a'));
    await turn();
    for (let again = 0; again < 5; again += 1) lanes.add(path('/b'));
    assert.equal(lanes.size, 2);
    finish('/a');
    await turn();
    finish('/b');
    await lanes.idle();
    assert.deepEqual(started, ['/a', '/b']);
  });
});
