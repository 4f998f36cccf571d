import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DirtyPaths } from '../../src/core/dirty.ts';
import { ancestorsOf, type ReplicaPath } from '../../src/core/path.ts';

const a = '/etc/a' as ReplicaPath;
const b = '/etc/b' as ReplicaPath;

function dirtyPaths(): DirtyPaths {
  return new DirtyPaths({ deleteHoldMs: 1000, maxWaitMs: 3000 });
}

/** Takes at each time at which something is due, until the given time; returns the times. */
function lookTimes(paths: DirtyPaths, until: number, answer: (now: number) => void): number[] {
  const times: number[] = [];
  for (let at = paths.nextAt(); at !== undefined && at <= until; at = paths.nextAt()) {
    times.push(at);
    assert.deepEqual(paths.takeDue(at), [a]);
    answer(at);
  }
  return times;
}

test('a hint is due at once, is taken once, and is forgotten when settled', () => {
  const paths = dirtyPaths();
  paths.hint(a, 'write', 10);
  paths.hint(a, 'write', 11);
  assert.equal(paths.nextAt(), 10);
  assert.equal(paths.oldestSince(), 10);
  assert.deepEqual(paths.takeDue(11), [a]);
  assert.deepEqual(paths.takeDue(11), []);
  assert.equal(paths.nextAt(), undefined);
  assert.equal(paths.has(a), true);
  paths.settled(a);
  assert.equal(paths.has(a), false);
  assert.equal(paths.size, 0);
  assert.equal(paths.oldestSince(), undefined);
});

const answers: [string, (paths: DirtyPaths) => unknown][] = [
  ['settled', (paths) => paths.settled(a)],
  ['gone', (paths) => paths.gone(a, 30)],
  ['retry', (paths) => paths.retry(a, 30, 5000)],
  ['unstable', (paths) => paths.unstable(a, 30)],
];
for (const [what, answer] of answers) {
  test(`a hint during the look is due when the look ends: ${what}`, () => {
    const paths = dirtyPaths();
    paths.hint(a, 'write', 10);
    paths.takeDue(10);
    paths.hint(a, 'write', 20);
    paths.hint(a, 'rename', 21);
    assert.deepEqual(paths.takeDue(25), []);
    answer(paths);
    assert.deepEqual(paths.takeDue(30), [a]);
    assert.equal(paths.sinceOf(a), what === 'settled' ? 20 : 10);
    paths.settled(a);
    assert.equal(paths.size, 0);
  });
}

test('settling a look does not settle a hint that was not taken', () => {
  const paths = dirtyPaths();
  paths.hint(a, 'write', 10);
  paths.settled(a);
  assert.deepEqual(paths.takeDue(10), [a]);
});

test('an unstable path is looked at after 5, 10, 20 ... 200 ms, last at the longest wait, then every second', () => {
  const paths = dirtyPaths();
  paths.hint(a, 'write', 0);
  const answered: string[] = [];
  const times = lookTimes(paths, 6000, (now) => answered.push(paths.unstable(a, now)));
  assert.deepEqual(times.slice(0, 8), [0, 5, 15, 35, 75, 155, 315, 515]);
  assert.deepEqual(times.slice(-4), [3000, 4000, 5000, 6000]);
  assert.equal(
    answered.every((answer, i) => answer === ((times[i] ?? 0) >= 3000 ? 'overdue' : 'soon')),
    true,
  );
});

test('writes to an unstable path do not hasten its look, a rename does', () => {
  const paths = dirtyPaths();
  paths.hint(a, 'write', 0);
  paths.takeDue(0);
  paths.unstable(a, 0);
  paths.hint(a, 'write', 1);
  assert.deepEqual(paths.takeDue(1), []);
  paths.hint(a, 'rename', 2);
  assert.deepEqual(paths.takeDue(2), [a]);
  paths.hint(a, 'write', 3);
  paths.unstable(a, 3);
  assert.equal(paths.nextAt(), 13);
});

test('a settled path forgets how long it was unstable', () => {
  const paths = dirtyPaths();
  for (const start of [0, 10_000]) {
    paths.hint(a, 'write', start);
    paths.takeDue(start);
    assert.equal(paths.unstable(a, start), 'soon');
    assert.equal(paths.nextAt(), start + 5);
    paths.takeDue(start + 5);
    paths.settled(a);
  }
});

test('a deletion is held, then acted on', () => {
  const paths = dirtyPaths();
  paths.hint(a, 'rename', 0);
  paths.takeDue(0);
  assert.equal(paths.gone(a, 1), false);
  assert.equal(paths.nextAt(), 1001);
  assert.deepEqual(paths.takeDue(1000), []);
  assert.deepEqual(paths.takeDue(1001), [a]);
  assert.equal(paths.gone(a, 1001), true);

  // The push failed: acted on again without a new hold.
  paths.retry(a, 1001, 50);
  assert.deepEqual(paths.takeDue(1051), [a]);
  assert.equal(paths.gone(a, 1051), true);
  paths.settled(a);
  assert.equal(paths.size, 0);
});

test('a path that was back in between begins a new hold', () => {
  const paths = dirtyPaths();
  paths.hint(a, 'rename', 0);
  paths.takeDue(0);
  paths.gone(a, 0);
  paths.hint(a, 'rename', 500);
  assert.deepEqual(paths.takeDue(500), [a]);
  paths.settled(a);
  paths.hint(a, 'rename', 900);
  paths.takeDue(900);
  assert.equal(paths.gone(a, 900), false);
  assert.equal(paths.nextAt(), 1900);
});

test('a hint during the last look holds the deletion until the next', () => {
  const paths = dirtyPaths();
  paths.hint(a, 'rename', 0);
  paths.takeDue(0);
  paths.gone(a, 0);
  paths.takeDue(1000);
  paths.hint(a, 'rename', 1000);
  assert.equal(paths.gone(a, 1000), false);
  assert.deepEqual(paths.takeDue(1000), [a]);
  assert.equal(paths.gone(a, 1001), true);
});

test('a retry waits, and a hint hastens it', () => {
  const paths = dirtyPaths();
  for (const path of [a, b]) {
    paths.hint(path, 'write', 0);
    paths.takeDue(0);
    paths.retry(path, 0, 60_000);
  }
  paths.hint(a, 'write', 10);
  assert.deepEqual(paths.takeDue(10), [a]);
  assert.equal(paths.nextAt(), 60_000);
  paths.settled(b);
  assert.equal(paths.nextAt(), undefined);
});

test('parents come before children, in one take and over takes', () => {
  const paths = dirtyPaths();
  const names = ['/etc/z/x/y', '/etc/z-1', '/etc/a', '/etc/z', '/etc/z/x', '/etc'] as ReplicaPath[];
  for (const name of names) paths.hint(name, 'rename', 0);
  const taken: ReplicaPath[] = [];
  while (taken.length < names.length) {
    const some = paths.takeDue(0, 2);
    assert.ok(some.length > 0 && some.length <= 2);
    taken.push(...some);
  }
  for (const [i, path] of taken.entries()) {
    for (const ancestor of ancestorsOf(path)) {
      const at = taken.indexOf(ancestor);
      assert.ok(at < i, `${ancestor} before ${path}`);
    }
  }
});

test('100,000 paths at once, taken and answered in small parts', () => {
  const paths = dirtyPaths();
  const count = 100_000;
  for (let i = 0; i < count; i += 1) paths.hint(`/etc/d${i % 1000}/${i}` as ReplicaPath, 'write', i);
  let looks = 0;
  for (let now = count; paths.size > 0; now += 100) {
    for (const path of paths.takeDue(now, 500)) {
      looks += 1;
      if (looks <= count) paths.retry(path, now, 1 + (looks % 5000));
      else paths.settled(path);
    }
  }
  assert.equal(looks, 2 * count);
});

type Step =
  | { kind: 'hint'; path: number; change: 'rename' | 'write' }
  | { kind: 'take'; most: number }
  | { kind: 'answer'; which: number; answer: 'settled' | 'unstable' | 'gone' | 'retry' }
  | { kind: 'wait'; ms: number };

const tree = ['/a', '/a/b', '/a/b/c', '/a-1', '/a/d', '/e'] as ReplicaPath[];
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('hint' as const),
    path: fc.nat(tree.length - 1),
    change: fc.constantFrom('rename' as const, 'write' as const),
  }),
  fc.record({ kind: fc.constant('take' as const), most: fc.integer({ min: 1, max: 4 }) }),
  fc.record({
    kind: fc.constant('answer' as const),
    which: fc.nat(10),
    answer: fc.constantFrom('settled' as const, 'unstable' as const, 'gone' as const, 'retry' as const),
  }),
  fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(700) }),
);

test('property: no hint is lost, no path is taken twice at a time, no deletion before its hold', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const paths = dirtyPaths();
      const looking: ReplicaPath[] = [];
      const lastHint = new Map<ReplicaPath, number>();
      const lastTake = new Map<ReplicaPath, number>();
      const absentSince = new Map<ReplicaPath, number>();
      let now = 0;
      let clock = 0;

      const take = (most?: number) => {
        const taken = paths.takeDue(now, most);
        assert.deepEqual(taken, taken.toSorted());
        for (const path of taken) {
          assert.equal(looking.includes(path), false);
          lastTake.set(path, ++clock);
          looking.push(path);
        }
        return taken;
      };
      const answer = (path: ReplicaPath, how: 'settled' | 'unstable' | 'gone' | 'retry') => {
        looking.splice(looking.indexOf(path), 1);
        if (how === 'unstable' || how === 'settled') absentSince.delete(path);
        if (how === 'unstable') paths.unstable(path, now);
        if (how === 'retry') paths.retry(path, now, 300);
        if (how === 'settled') paths.settled(path);
        if (how !== 'gone') return;
        const since = absentSince.get(path) ?? now;
        absentSince.set(path, since);
        if (!paths.gone(path, now)) return;
        assert.ok(now - since >= 1000);
        absentSince.delete(path);
        paths.settled(path);
      };

      for (const { ...each } of steps) {
        if (each.kind === 'wait') now += each.ms;
        if (each.kind === 'take') take(each.most);
        if (each.kind === 'hint') {
          const path = tree[each.path] ?? a;
          lastHint.set(path, ++clock);
          paths.hint(path, each.change, now);
        }
        if (each.kind === 'answer' && looking.length > 0) {
          answer(looking[each.which % looking.length] ?? a, each.answer);
        }
        assert.ok(paths.size <= tree.length);
        const sinces = tree.map((path) => paths.sinceOf(path)).filter((since) => since !== undefined);
        assert.equal(paths.oldestSince(), sinces.length === 0 ? undefined : Math.min(...sinces));
      }

      // Every look ends, time goes on: all is looked at and forgotten.
      for (const path of [...looking]) answer(path, 'settled');
      for (let round = 0; paths.size > 0; round += 1) {
        assert.ok(round < 100, 'it comes to an end');
        now = Math.max(now, paths.nextAt() ?? assert.fail('dirty, but never due'));
        const taken = take();
        assert.ok(taken.length > 0, 'something is due when it is said to be');
        for (const path of taken) answer(path, 'settled');
      }
      for (const [path, hinted] of lastHint) assert.ok((lastTake.get(path) ?? 0) > hinted, path);
    }),
    { numRuns: 500 },
  );
});
