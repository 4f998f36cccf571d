import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DeletionGuard } from '../../src/active/deletion-guard.ts';
import type { ReplicaPath } from '../../src/core/path.ts';

const paths = (from: number, to: number): ReplicaPath[] =>
  Array.from({ length: to - from }, (_, n) => `/etc/f${from + n}` as ReplicaPath);
const limit = { paths: 20, percent: 10 };

describe('the guard against mass deletion', () => {
  it('lets as many pass as the limit says, and halts at one more', () => {
    assert.equal(new DeletionGuard(limit).note(paths(0, 20), 100, 0), undefined);
    assert.equal(new DeletionGuard(limit).note(paths(0, 21), 100, 0)?.reason, 'mass-deletion');
  });

  it('needs both the number and the share to be exceeded', () => {
    assert.equal(new DeletionGuard(limit).note(paths(0, 100), 1000, 0), undefined);
    assert.equal(new DeletionGuard(limit).note(paths(0, 5), 5, 0), undefined);
  });

  it('adds up what trickles within a minute', () => {
    const guard = new DeletionGuard(limit);
    assert.equal(guard.note(paths(0, 15), 100, 0), undefined);
    assert.notEqual(guard.note(paths(15, 30), 100, 59_000), undefined);
  });

  it('forgets what is older than a minute, and counts a path that is tried again once', () => {
    const guard = new DeletionGuard(limit);
    assert.equal(guard.note(paths(0, 15), 100, 0), undefined);
    assert.equal(guard.note(paths(0, 15), 100, 30_000), undefined);
    assert.equal(guard.note(paths(15, 30), 100, 91_000), undefined);
  });

  it('counts what seems to be gone too, so that nothing of a disaster passes while it unfolds', () => {
    const held = (count: number) => new Set(paths(1, 1 + count));
    assert.equal(new DeletionGuard(limit).note(paths(0, 1), 100, 0, held(19)), undefined);
    assert.notEqual(new DeletionGuard(limit).note(paths(0, 1), 100, 0, held(20)), undefined);
    const counts = (path: ReplicaPath): boolean => path !== paths(1, 2)[0];
    assert.equal(new DeletionGuard(limit).note(paths(0, 1), 100, 0, held(20), counts), undefined);
    const halt = new DeletionGuard(limit).note(paths(0, 1), 100, 0, held(21), counts);
    assert.match(halt?.detail ?? '', /^21 of 100 /);
  });

  it('begins anew after a reset', () => {
    const guard = new DeletionGuard(limit);
    guard.note(paths(0, 20), 100, 0);
    guard.reset();
    assert.equal(guard.note(paths(20, 40), 100, 1), undefined);
  });
});
