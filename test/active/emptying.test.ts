import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Emptying } from '../../src/active/emptying.ts';
import type { ReplicaPath } from '../../src/core/path.ts';

const path = (text: string): ReplicaPath => text as ReplicaPath;

function rig(...expected: string[]): { emptying: Emptying; ready: string[] } {
  const ready: string[] = [];
  const emptying = new Emptying((directory) => ready.push(directory));
  for (const one of expected) emptying.expect(path(one));
  return { emptying, ready };
}

describe('a directory that is gone', () => {
  it('leaves at once when all below it was taken before it', () => {
    const { emptying, ready } = rig('/etc/d/a', '/etc/d/b', '/etc/d');
    for (const one of ['/etc/d/a', '/etc/d/b', '/etc/d']) emptying.taken(path(one));
    assert.equal(emptying.holdBack(path('/etc/d')), false);
    assert.deepEqual(ready, []);
  });

  it('waits for what is still to be sent, however deep, and is ready with the last of it', () => {
    const { emptying, ready } = rig('/etc/d/a', '/etc/d/deep/b', '/etc/d');
    emptying.taken(path('/etc/d'));
    assert.equal(emptying.holdBack(path('/etc/d')), true);
    assert.ok(emptying.has(path('/etc/d')));
    emptying.taken(path('/etc/d/a'));
    assert.deepEqual(ready, []);
    emptying.taken(path('/etc/d/deep/b'));
    assert.deepEqual(ready, ['/etc/d']);
    assert.equal(emptying.size, 0);
  });

  it('waits for the directories in it that wait', () => {
    const { emptying, ready } = rig('/etc/d', '/etc/d/e', '/etc/d/e/a');
    for (const one of ['/etc/d', '/etc/d/e']) {
      emptying.taken(path(one));
      assert.equal(emptying.holdBack(path(one)), true, one);
    }
    emptying.taken(path('/etc/d/e/a'));
    assert.deepEqual(ready, ['/etc/d/e'], 'the outer one waits for the inner one');
    emptying.taken(path('/etc/d/e'));
    assert.deepEqual(ready, ['/etc/d/e', '/etc/d']);
  });

  it('does not wait for a file beside it whose name begins alike', () => {
    const { emptying } = rig('/etc/d-1/a', '/etc/d');
    emptying.taken(path('/etc/d'));
    assert.equal(emptying.holdBack(path('/etc/d')), false);
  });

  it('that is looked at again meanwhile waits no more', () => {
    const { emptying, ready } = rig('/etc/d/a');
    emptying.holdBack(path('/etc/d'));
    emptying.taken(path('/etc/d'));
    emptying.taken(path('/etc/d/a'));
    assert.deepEqual(ready, []);
  });

  it('waits no more once all that waits is released, and holds nothing above it back', () => {
    const { emptying, ready } = rig('/etc/d/e/a');
    emptying.holdBack(path('/etc/d/e'));
    emptying.release();
    emptying.taken(path('/etc/d/e/a'));
    assert.deepEqual(ready, []);
    assert.equal(emptying.holdBack(path('/etc/d')), false);
  });

  it('waits for nothing once nothing is sent any more', () => {
    const { emptying } = rig('/etc/d/a', '/etc/d/b');
    emptying.holdBack(path('/etc/d'));
    emptying.clear();
    assert.equal(emptying.size, 0);
    assert.equal(emptying.holdBack(path('/etc/d')), false);
  });
});
