import { isCanary } from '../core/canary.ts';
import type { MovedPath } from '../core/move.ts';
import type { ReplicaPath } from '../core/path.ts';
import type { Applied } from './apply.ts';
import type { PassiveNode, PeerMemory } from './node.ts';

export type Rememberer = {
  readonly node: Pick<PassiveNode, 'watchlists' | 'log'>;
  readonly memory: Pick<PeerMemory, 'record' | 'resolved' | 'conflict'>;
  readonly peer: string;
  /** Told of each path of which a push is about to be answered. */
  readonly onAnswered: (path: ReplicaPath) => void;
};

/** What the results of a batch mean for what this node remembers of the sender, in their order. `commit` writes it down. */
export function rememberAll(results: readonly Applied[], rememberer: Rememberer): void {
  const { node, memory, onAnswered } = rememberer;
  let resolved: ReplicaPath[] = [];
  for (const applied of results) {
    const { push, result } = applied;
    const { path, put } = push;
    if (isCanary(path)) continue;
    onAnswered(path);
    const isAgreed = result.kind === 'applied' || result.kind === 'already-there';
    if (isAgreed && node.watchlists.includes(path)) {
      memory.record(path, put);
      resolved.push(path);
    }
    if (result.kind === 'conflict') {
      // It may be of a path that was agreed before it in the same batch.
      memory.resolved(resolved);
      resolved = [];
    }
    note(applied, rememberer);
  }
  memory.resolved(resolved);
}

/** What it means that a directory has moved, with all that is agreed below it. Written down when it returns. */
export function rememberMove(
  moved: readonly MovedPath[],
  {
    node,
    memory,
    onAnswered,
  }: Omit<Rememberer, 'node' | 'memory' | 'peer'> & {
    readonly node: Pick<PassiveNode, 'log' | 'cache'>;
    readonly memory: Pick<PeerMemory, 'move'>;
  },
): void {
  const [top] = moved;
  if (top === undefined) return;
  for (const { from, to } of moved) {
    onAnswered(from);
    onAnswered(to);
  }
  memory.move(top);
  node.cache.moved(top);
  node.log({ kind: 'moved', from: top.from, to: top.to, paths: moved.length });
}

function note({ push, result }: Applied, { node, memory, peer }: Rememberer): void {
  const { path, put } = push;
  if (result.kind === 'conflict') {
    const { conflict: kind, found: passive } = result;
    memory.conflict({ path, kind, active: put, passive, epoch: push.epoch });
  }
  if (result.kind === 'applied') node.log({ kind: 'placed', path, what: put.kind });
  if (result.kind === 'refused') {
    const { reason, detail } = result;
    node.log({ kind: 'path-failed', peer, path, reason, detail });
  }
}
