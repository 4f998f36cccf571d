import type { FoundConflict } from '../active/agreement.ts';
import type { ReplicaPath } from '../core/path.ts';
import type { Node } from './node.ts';

type Known = { readonly version: number; readonly keys: Set<string> };

const known = new WeakMap<Node, Known>();

/** Which conflicts are written down; read again only after another process of this node wrote something. */
function conflictKeys(node: Node): Set<string> {
  const version = node.database.othersVersion();
  const cached = known.get(node);
  if (cached?.version === version) return cached.keys;
  const keys = new Set(node.conflicts.list().map(({ peer, path }) => key(peer, path)));
  known.set(node, { version, keys });
  return keys;
}

function key(peer: string, path: ReplicaPath): string {
  return `${peer} ${path}`;
}

/** Keeps a conflict and tells of it when it is new. `passiveNode`: the name of the node that is passive. */
export function rememberConflict(node: Node, peer: string, found: FoundConflict, passiveNode: string): void {
  const { path, kind, active, passive, agreed } = found;
  const keys = conflictKeys(node);
  if (!keys.has(key(peer, path))) node.log({ kind: 'conflict', peer, path, conflict: kind });
  keys.add(key(peer, path));
  node.conflicts.put(
    {
      peer,
      path,
      kind,
      active,
      passive,
      epoch: node.seat().epoch,
      detectedAt: Date.now(),
      ...(agreed === undefined ? {} : { agreed }),
    },
    passiveNode,
  );
}

/** Called for every agreement, so that it asks the database only where there was a conflict. Whether there was. */
export function forgetConflict(node: Node, peer: string, path: ReplicaPath): boolean {
  return conflictKeys(node).delete(key(peer, path)) && node.conflicts.clear(peer, path);
}

/** Paths whose conflict with this peer waits. */
export function pathsInConflict(node: Node, peer: string): ReplicaPath[] {
  const prefix = `${peer} `;
  return [...conflictKeys(node)].flatMap((known) =>
    known.startsWith(prefix) ? [known.slice(prefix.length) as ReplicaPath] : [],
  );
}
