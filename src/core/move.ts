import type { Packed } from './packed.ts';
import { isAtOrBelow, parentOf, parseReplicaPath, type ReplicaPath } from './path.ts';

/** A directory that has another name, or another parent. */
export type Move = { readonly from: ReplicaPath; readonly to: ReplicaPath };

/** One path of a directory that moves with it, and what is agreed to be there. */
export type MovedPath = Move & { readonly packed: Packed };

/** Where a path at or below `from` is after the move. */
export function afterMove(path: ReplicaPath, { from, to }: Move): ReplicaPath {
  return `${to}${path.slice(from.length)}` as ReplicaPath;
}

/** Whether the path is at or below one of the two names of a move. */
export function concerns(path: ReplicaPath, { from, to }: Move): boolean {
  return isAtOrBelow(path, from) || isAtOrBelow(path, to);
}

/**
 * All that moves with a directory, in the order of the paths, or why it is no move of replicated paths alone: then each of
 * them is sent by itself. `agreed`: what is agreed to be at and below the old name; nothing that is absent.
 */
export function planMove(
  move: Move,
  agreed: Iterable<readonly [ReplicaPath, Packed]>,
  includes: (path: ReplicaPath) => boolean,
): readonly MovedPath[] | string {
  const { from, to } = move;
  if (isAtOrBelow(from, to) || isAtOrBelow(to, from)) return `${to} and ${from} are not apart`;
  const entries = new Map(agreed);
  const planned: MovedPath[] = [];
  for (const [path, packed] of [...entries].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const moved = parseReplicaPath(afterMove(path, move));
    if (!moved.ok) return `the new path of ${path} is not one: ${moved.fault}`;
    if (!includes(path)) return `${path} is not replicated`;
    if (!includes(moved.path)) return `${moved.path} is not replicated`;
    const above = path === from ? packed : entries.get(parentOf(path));
    if (!isDirectory(above)) return `no directory is agreed on above ${path}`;
    planned.push({ from: path, to: moved.path, packed });
  }
  return entries.has(from) ? planned : `${from} is not agreed on`;
}

export function isDirectory(packed: Packed | undefined): boolean {
  return packed?.startsWith('d ') === true;
}
