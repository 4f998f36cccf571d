import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { forgetConflictOfMany, isInConflict, keepConflict } from '../../src/cli/known-conflicts.ts';
import type { Node } from '../../src/cli/node.ts';
import { absent } from '../../src/core/entry.ts';
import type { ReplicaPath } from '../../src/core/path.ts';
import { ConflictStore } from '../../src/state/conflicts.ts';
import { opened as openedState, temporaryFolder } from '../state/fixture.ts';

function opened(t: TestContext): { node: Node; keep: (path: ReplicaPath) => void; writes: () => number } {
  const database = openedState(t, temporaryFolder(t));
  const node = { database, conflicts: new ConflictStore(database) } as Partial<Node> as Node;
  const file = { kind: 'directory', mode: 0o755, owner: 'root', group: 'root', xattrs: {} } as const;
  const more = { kind: 'edited-on-passive', detectedAt: 1, epoch: 1, active: absent, passive: file } as const;
  return {
    node,
    keep: (path) => keepConflict(node, { ...more, peer: 'mail2', path }, 'mail2'),
    writes: () => Number(database.version().split('.')[1]),
  };
}

const [one, two, three] = ['/etc/1', '/etc/2', '/etc/3'] as ReplicaPath[] as [
  ReplicaPath,
  ReplicaPath,
  ReplicaPath,
];

test('conflicts that end together are known to be over at once, and cleared in one transaction', async (t) => {
  const { node, keep, writes } = opened(t);
  for (const path of [one, two, three]) keep(path);
  const before = writes();
  for (const path of [one, two, one]) forgetConflictOfMany(node, 'mail2', path);
  assert.deepEqual(
    [one, two, three].map((path) => isInConflict(node, 'mail2', path)),
    [false, false, true],
  );
  await Promise.resolve();
  assert.deepEqual(
    node.conflicts.list().map(({ path }) => path),
    [three],
  );
  assert.equal(writes(), before + 1);
});

test('a conflict that begins anew right after it ended stays', async (t) => {
  const { node, keep } = opened(t);
  keep(one);
  forgetConflictOfMany(node, 'mail2', one);
  keep(one);
  await Promise.resolve();
  assert.equal(node.conflicts.count(), 1);
  assert.equal(isInConflict(node, 'mail2', one), true);
});
