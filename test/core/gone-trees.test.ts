import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DirtyPaths } from '../../src/core/dirty.ts';
import { GoneTrees } from '../../src/core/gone-trees.ts';
import { parentOf, type ReplicaPath } from '../../src/core/path.ts';

const holdMs = 500;
const quietMs = 50;
const gone = (): GoneTrees => new GoneTrees({ holdMs, quietMs });
const path = (text: string): ReplicaPath => text as ReplicaPath;

test('a file that is gone while its directory is there is no tree, nor is a directory in which nothing was', () => {
  const trees = gone();
  trees.add(path('/etc/t/a'), 0);
  trees.add(path('/etc/empty'), 0);
  assert.equal(trees.believedAt(), undefined);
  assert.deepEqual(trees.believe(10_000), []);
});

test('a directory that is gone is believed with all that was in it, in whatever order that was found', () => {
  for (const order of [
    ['/etc/t/a', '/etc/t/d/b', '/etc/t/d', '/etc/t'],
    ['/etc/t', '/etc/t/d', '/etc/t/a', '/etc/t/d/b'],
  ]) {
    const trees = gone();
    for (const [at, one] of order.entries()) trees.add(path(one), at);
    trees.add(path('/etc/other'), 4);
    assert.equal(trees.believedAt(), 54);
    assert.deepEqual(trees.believe(53), []);
    assert.deepEqual(trees.believe(54).sort(), order.map(path).sort());
    assert.deepEqual(trees.believe(10_000), []);
  }
});

test('each further name prolongs the quiet, wherever it is', () => {
  const trees = gone();
  trees.add(path('/etc/t/a'), 0);
  trees.add(path('/etc/t'), 1);
  trees.add(path('/etc/other'), 40);
  assert.equal(trees.believedAt(), 90);
});

test('what comes back is no part of the tree any more', () => {
  const trees = gone();
  trees.add(path('/etc/t/a'), 0);
  trees.add(path('/etc/t'), 0);
  trees.delete(path('/etc/t'));
  assert.equal(trees.believedAt(), undefined);
  trees.add(path('/etc/t'), 5);
  assert.equal(trees.believedAt(), 55);
  trees.delete(path('/etc/t/a'));
  assert.equal(trees.believedAt(), undefined);
});

test('what goes on disappearing after a pause is held in full, until nothing did for as long as a hold', () => {
  const trees = gone();
  const remove = (tree: string, at: number): void => {
    trees.add(path(`${tree}/a`), at);
    trees.add(path(tree), at);
  };
  remove('/etc/t/a', 0);
  assert.equal(trees.believe(50).length, 2);
  for (const at of [100, 500, 900]) remove(`/etc/t/${at}`, at);
  assert.equal(trees.believedAt(), undefined);
  remove('/etc/u', 1400);
  assert.equal(trees.believedAt(), 1450);
});

test('dirty paths: a tree that is gone is looked at once more after the quiet, and then acted on', () => {
  const paths = new DirtyPaths({ deleteHoldMs: holdMs, maxWaitMs: 3000, goneTreeQuietMs: quietMs });
  const tree = ['/etc/t', '/etc/t/a', '/etc/t/b'].map(path);
  for (const one of tree) paths.hint(one, 'rename', 0);
  for (const one of paths.takeDue(30)) assert.equal(paths.gone(one, 30), false);
  assert.equal(paths.nextAt(), 50, 'it counts from the hint, not from a look that had to wait');
  assert.deepEqual(paths.takeDue(50), tree);
  paths.hint(path('/etc/t/a'), 'rename', 50);
  const acted = tree.filter((one) => paths.gone(one, 50));
  assert.deepEqual(acted, ['/etc/t', '/etc/t/b'], 'what was hinted at meanwhile is looked at again');
});

test('dirty paths: a tree that is back at the look that ends the hold is none', () => {
  const paths = new DirtyPaths({ deleteHoldMs: holdMs, maxWaitMs: 3000, goneTreeQuietMs: quietMs });
  const tree = ['/etc/t', '/etc/t/a'].map(path);
  for (const one of tree) paths.hint(one, 'rename', 0);
  for (const one of paths.takeDue(0)) paths.gone(one, 0);
  paths.hint(path('/etc/t'), 'rename', 49);
  assert.deepEqual(paths.takeDue(60), ['/etc/t'], 'what was hinted at is looked at first');
  paths.settled(path('/etc/t'));
  assert.equal(paths.nextAt(), 500);
});

test('property: only whole trees are believed, after the quiet, and once in a removal', () => {
  const names = ['/a', '/a/b', '/a/b/c', '/a/d', '/e', '/e/f'].map(path);
  const step = fc.record({ name: fc.nat(names.length - 1), back: fc.boolean(), ms: fc.nat(120) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const trees = gone();
      const held = new Set<ReplicaPath>();
      let now = 0;
      let lastGone = Number.NEGATIVE_INFINITY;
      let burst = 0;
      let toldIn = -1;
      for (const { name, back, ms } of steps) {
        now += ms;
        for (const believed of [trees.believe(now)]) {
          if (believed.length === 0) continue;
          assert.notEqual(toldIn, burst, 'once in a removal');
          toldIn = burst;
          assert.ok(now - lastGone >= quietMs);
          const whole = [...held].filter(
            (one) => held.has(parentOf(one)) || [...held].some((other) => parentOf(other) === one),
          );
          assert.deepEqual(believed.sort(), whole.sort());
          for (const one of believed) held.delete(one);
        }
        const one = names[name] ?? path('/a');
        if (back) {
          trees.delete(one);
          held.delete(one);
        } else {
          if (now - lastGone >= holdMs) burst += 1;
          trees.add(one, now);
          held.add(one);
          lastGone = now;
        }
      }
    }),
    { numRuns: 1000 },
  );
});
