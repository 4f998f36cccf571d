import type { FoundConflict } from '../active/agreement.ts';
import type { ReplicaPath } from '../core/path.ts';
import type { Node } from './node.ts';

const known = new WeakMap<Node, Set<string>>();

function conflictKeys(node: Node): Set<string> {
  let keys = known.get(node);
  if (keys === undefined) {
    keys = new Set(node.conflicts.list().map(({ peer, path }) => `${peer} ${path}`));
    known.set(node, keys);
  }
  return keys;
}

/** Keeps a conflict and tells of it when it is new. */
export function rememberConflict(node: Node, peer: string, found: FoundConflict): void {
  const { path, kind, active, passive } = found;
  const keys = conflictKeys(node);
  if (!keys.has(`${peer} ${path}`)) node.log({ kind: 'conflict', peer, path, conflict: kind });
  keys.add(`${peer} ${path}`);
  node.conflicts.put({ peer, path, kind, active, passive, epoch: node.seat().epoch, detectedAt: Date.now() });
}

/** Called for every agreement, so that it asks the database only where there was a conflict. */
export function forgetConflict(node: Node, peer: string, path: ReplicaPath): void {
  if (conflictKeys(node).delete(`${peer} ${path}`)) node.conflicts.clear(peer, path);
}
