import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { PackageLockWatch } from '../../src/files/package-lock.ts';
import { eventually } from '../world/eventually.ts';
import { holdLock } from '../world/lock.ts';
import { temporaryFolder } from '../world/tree.ts';

const locks = [
  ['dpkg', '/var/lib/dpkg/lock-frontend'],
  ['dpkg', '/var/lib/dpkg/lock'],
  ['rpm', '/var/lib/rpm/.rpm.lock'],
  ['rpm', '/usr/lib/sysimage/rpm/.rpm.lock'],
] as const;

/** A tree with the lock files of both package managers, that nobody holds. */
function treeOf(t: TestContext): string {
  const root = temporaryFolder('packages');
  t.after(() => rmSync(root, { recursive: true, force: true }));
  for (const [, path] of locks) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), '');
  }
  return root;
}

function watch(root: string, now = Date.now) {
  let released = 0;
  const packages = new PackageLockWatch({
    root,
    now,
    onRelease: () => {
      released += 1;
    },
  });
  return { packages, released: () => released };
}

describe('the watch of the package managers’ locks', () => {
  it('says nothing where there are no package managers', (t) => {
    const root = temporaryFolder('packages');
    t.after(() => rmSync(root, { recursive: true, force: true }));
    assert.equal(watch(root).packages.held(), undefined);
  });

  it('says nothing while the files are there and nobody holds them', (t) => {
    assert.equal(watch(treeOf(t)).packages.held(), undefined);
  });

  for (const [by, path] of locks) {
    it(`says that ${by} is at work while a process holds ${path}`, async (t) => {
      const root = treeOf(t);
      const lock = await holdLock(join(root, path));
      try {
        const held = watch(root, () => 42).packages.held();
        assert.equal(held?.by, by);
        assert.equal(held?.since, 42);
        assert.match(held?.sentence ?? '', new RegExp(`^${by} \\(process \\d+\\) holds ${path}:`));
      } finally {
        await lock.release();
      }
    });
  }

  it('keeps the time when it was first seen, and tells once when it is over', async (t) => {
    const root = treeOf(t);
    let now = 1000;
    const { packages, released } = watch(root, () => now);
    const file = join(root, locks[0][1]);
    const lock = await holdLock(file);
    assert.equal(packages.held()?.since, 1000);
    now = 2000;
    const keepAlive = setInterval(() => undefined, 1000);
    t.after(() => clearInterval(keepAlive));
    const fresh = performance.now() + 60;
    await eventually('the answer has to be looked for again', () => performance.now() > fresh);
    assert.equal(packages.held()?.since, 1000);
    assert.equal(released(), 0);
    await lock.release();
    await eventually('it tells', () => released() > 0);
    assert.equal(packages.held(), undefined);
    assert.equal(released(), 1);
  });

  it('goes on from one lock to the other without a word', async (t) => {
    const root = treeOf(t);
    const { packages, released } = watch(root);
    const first = await holdLock(join(root, locks[0][1]));
    const since = packages.held()?.since;
    const second = await holdLock(join(root, locks[1][1]));
    await first.release();
    const fresh = performance.now() + 60;
    await eventually('the answer has to be looked for again', () => performance.now() > fresh);
    assert.match(packages.held()?.sentence ?? '', /\/lock:/);
    assert.equal(packages.held()?.since, since);
    assert.equal(released(), 0);
    await second.release();
  });
});
