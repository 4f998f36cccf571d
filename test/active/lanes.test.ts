import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Lanes } from '../../src/active/lanes.ts';
import type { ReplicaPath } from '../../src/core/path.ts';

const path = (text: string): ReplicaPath => text as ReplicaPath;

/** Work that ends when the test says so. */
function controlled(): {
  started: string[];
  work: (at: ReplicaPath) => Promise<void>;
  finish: (at: string) => void;
} {
  const started: string[] = [];
  const running = new Map<string, () => void>();
  return {
    started,
    work: (at) => {
      started.push(at);
      return new Promise((resolve) => running.set(at, resolve));
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
