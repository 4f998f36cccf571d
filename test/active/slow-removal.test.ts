import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DeletionGuard } from '../../src/active/deletion-guard.ts';
import { DirtyPaths } from '../../src/core/dirty.ts';
import type { ReplicaPath } from '../../src/core/path.ts';

const limit = { paths: 20, percent: 10 };
const known = 1000;

type Removal = readonly [path: string, at: number];

/** `files` files in each of `directories` directories, removed as `rm -r` does, with a pause after each. */
function removal(shape: {
  directories: number;
  files: number;
  fileMs: number;
  directoryMs: number;
}): Removal[] {
  const gone: Removal[] = [];
  let at = 0;
  for (let d = 0; d < shape.directories; d += 1) {
    for (let f = 0; f < shape.files; f += 1, at += shape.fileMs) gone.push([`/etc/t/d${d}/f${f}`, at]);
    gone.push([`/etc/t/d${d}`, at]);
    at += shape.directoryMs;
  }
  return gone;
}

/** What is told to the peers before the guard halts, with looks as the engine has them. */
function toldBeforeHalt(gone: readonly Removal[], goneTreeQuietMs: number | undefined): number {
  const quiet = goneTreeQuietMs === undefined ? {} : { goneTreeQuietMs };
  const paths = new DirtyPaths({ deleteHoldMs: 500, maxWaitMs: 5000, ...quiet });
  const guard = new DeletionGuard(limit);
  const queue = [...gone];
  let told = 0;
  for (;;) {
    const next = Math.min(
      queue[0]?.[1] ?? Number.POSITIVE_INFINITY,
      paths.nextAt() ?? Number.POSITIVE_INFINITY,
    );
    if (!Number.isFinite(next)) return told;
    while (queue[0] !== undefined && queue[0][1] <= next)
      paths.hint(queue.shift()?.[0] as ReplicaPath, 'rename', next);
    const believed = paths.takeDue(next).filter((path) => paths.gone(path, next));
    for (const path of believed) paths.settled(path);
    if (believed.length > 0 && guard.note(believed, known, next, paths.size) !== undefined) return told;
    told += believed.length;
  }
}

describe('the guard and a removal that takes its time', () => {
  const slow = removal({ directories: 10, files: 40, fileMs: 100, directoryMs: 100 });
  const stuttering = removal({ directories: 20, files: 40, fileMs: 1, directoryMs: 100 });
  const steady = removal({ directories: 20, files: 40, fileMs: 2, directoryMs: 20 });

  it('a pause after each file: no more is carried over than with a hold of everything in full', () => {
    assert.ok(toldBeforeHalt(slow, 50) <= limit.percent * 10);
    assert.ok(toldBeforeHalt(slow, 50) - toldBeforeHalt(slow, undefined) <= 5);
  });

  it('a pause after each directory: at most the first of them goes before it halts', () => {
    assert.equal(toldBeforeHalt(stuttering, undefined), 0);
    assert.equal(toldBeforeHalt(stuttering, 50), 41);
  });

  it('without pauses nothing is carried over', () => {
    assert.equal(toldBeforeHalt(steady, 50), 0);
  });
});
