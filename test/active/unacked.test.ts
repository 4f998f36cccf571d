import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Unacked } from '../../src/active/unacked.ts';
import { absent } from '../../src/core/entry.ts';
import type { ReplicaPath } from '../../src/core/path.ts';

const at = (path: string): ReplicaPath => path as ReplicaPath;

it('what was lost on the way explains what a peer holds until both trees were compared, and then only where they differ', () => {
  const unacked = new Unacked();
  for (const path of ['/etc/differs', '/etc/same']) unacked.lost(at(path), absent);
  unacked.compared(new Set([at('/etc/differs')]));
  assert.deepEqual(unacked.take(at('/etc/differs'), absent), absent);
  assert.equal(unacked.take(at('/etc/same'), absent), undefined);
});
