import type { FoundConflict } from '../active/agreement.ts';
import type { ReplicaPath } from '../core/path.ts';
import type { Conflict } from '../state/conflicts.ts';
import type { Node } from './node.ts';

type Known = { readonly version: number; readonly keys: Set<string>; fresh: boolean };

const known = new WeakMap<Node, Known>();

/**
 * Which conflicts are written down; read again only after another process of this node wrote something, which is looked for
 * once in a turn of the event loop: in a burst each path asks.
 */
function conflictKeys(node: Node): Set<string> {
  const cached = known.get(node);
  if (cached?.fresh === true) return cached.keys;
  const current = readAnew(node, cached);
  current.fresh = true;
  setImmediate(() => {
    current.fresh = false;
  });
  return current.keys;
}

function readAnew(node: Node, cached: Known | undefined): Known {
  clearEnded(node);
  const version = node.database.othersVersion();
  if (cached?.version === version) return cached;
  const keys = new Set(node.conflicts.list().map(({ peer, path }) => key(peer, path)));
  const current = { version, keys, fresh: false };
  known.set(node, current);
  return current;
}

function key(peer: string, path: ReplicaPath): string {
  return `${peer} ${path}`;
}

/** Keeps a conflict and tells of it when it is new. `passiveNode`: the name of the node that is passive. */
export function rememberConflict(node: Node, peer: string, found: FoundConflict, passiveNode: string): void {
  const { path, kind } = found;
  if (!conflictKeys(node).has(key(peer, path))) node.log({ kind: 'conflict', peer, path, conflict: kind });
  keepConflict(node, { ...found, peer, epoch: node.seat().epoch, detectedAt: Date.now() }, passiveNode);
}

/** Keeps a conflict without a word, as a receiver does. */
export function keepConflict(node: Node, conflict: Omit<Conflict, 'id'>, passiveNode: string): void {
  // What this process writes does not show as another one's, so the known ones are kept up to date here.
  conflictKeys(node).add(key(conflict.peer, conflict.path));
  clearEnded(node);
  node.conflicts.put(conflict, passiveNode);
}

/** Called for every agreement, so that it asks the database only where there was a conflict. Whether there was. */
export function forgetConflict(node: Node, peer: string, path: ReplicaPath): boolean {
  return conflictKeys(node).delete(key(peer, path)) && node.conflicts.clear(peer, path);
}

/** As forgetConflict, of many: what other processes wrote is looked for once. */
export function forgetConflicts(node: Node, peer: string, paths: readonly ReplicaPath[]): void {
  if (paths.length === 0) return;
  const keys = conflictKeys(node);
  node.conflicts.clearAll(
    peer,
    paths.filter((path) => keys.delete(key(peer, path))),
  );
}

/** Conflicts that are over and still written down, by their peers. */
const ended = new WeakMap<Node, Map<string, ReplicaPath[]>>();

/**
 * As forgetConflict; those of many acks that came together are cleared in one transaction, before the event loop goes on.
 */
export function forgetConflictOfMany(node: Node, peer: string, path: ReplicaPath): void {
  const keys = conflictKeys(node);
  // Of each path that is placed, and there are hardly ever any.
  if (keys.size === 0 || !keys.delete(key(peer, path))) return;
  const known = ended.get(node);
  const byPeer = known ?? new Map<string, ReplicaPath[]>();
  if (known === undefined) {
    ended.set(node, byPeer);
    queueMicrotask(() => clearEnded(node));
  }
  const paths = byPeer.get(peer);
  if (paths === undefined) byPeer.set(peer, [path]);
  else paths.push(path);
}

function clearEnded(node: Node): void {
  const byPeer = ended.get(node);
  ended.delete(node);
  for (const [peer, paths] of byPeer ?? []) node.conflicts.clearAll(peer, paths);
}

export function isInConflict(node: Node, peer: string, path: ReplicaPath): boolean {
  const keys = conflictKeys(node);
  return keys.size > 0 && keys.has(key(peer, path));
}

/** Paths whose conflict with this peer waits. */
export function pathsInConflict(node: Node, peer: string): ReplicaPath[] {
  const prefix = `${peer} `;
  return [...conflictKeys(node)].flatMap((known) =>
    known.startsWith(prefix) ? [known.slice(prefix.length) as ReplicaPath] : [],
  );
}
