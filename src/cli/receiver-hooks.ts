import { z } from 'zod';
import { askDaemon } from '../control/client.ts';
import { Failure } from '../core/failure.ts';
import type { ReplicaPath } from '../core/path.ts';
import { path } from '../wire/entry.ts';
import type { PeerRequest, Standing } from '../wire/message.ts';
import { type Node, tellDaemon } from './node.ts';
import { servePeerRequest } from './peer-requests.ts';

const editsLine = z.object({ paths: z.array(path) });

/** Between two attempts to hear of edits from the daemon, milliseconds. */
const listenAgainMs = 2000;

/** What a receiver does beyond placing files: it writes down what it hears, and tells the daemon of this node. */
export function receiverHooks(node: Node) {
  return {
    onRequest: (from: string, request: PeerRequest): Promise<unknown> =>
      servePeerRequest(node, from, request),
    onStanding: (_from: string, standing: Standing): void => {
      const { pending, conflicts, halt } = standing;
      node.facts.set('standing', { pending, conflicts, halt, held: standing.held }, Date.now());
    },
    onActive: (name: string, watchlistsAgree: boolean): void => {
      node.facts.set('watchlistsAgree', watchlistsAgree, Date.now());
      const known = node.facts.get('active')?.value;
      node.facts.set('active', name, Date.now());
      // What was in conflict with a former active will be found again, if it still is.
      if (node.conflicts.clearOthers(name) + Number(known !== name) > 0) tell(node);
    },
    onNewerEpoch: (epoch: number, from: string): void => {
      if (node.seat().role !== 'active' || epoch <= node.seat().epoch) return;
      node.seats.write({ role: 'passive', epoch });
      node.log({ kind: 'stepped-down', peer: from, epoch });
      tell(node);
    },
    onSplitBrain: (from: string): void => {
      const { runtime } = node.config;
      void askDaemon({ runtime, command: 'split-brain', args: { peer: from } }).catch(unlessFailure);
    },
    watchEdits: (onPaths: (paths: readonly ReplicaPath[]) => void): (() => void) => listen(node, onPaths),
  };
}

function tell(node: Node): void {
  tellDaemon(node).catch(unlessFailure);
}

/** The daemon follows at its next start, or when the next process tells it. */
function unlessFailure(error: unknown): void {
  if (!(error instanceof Failure)) throw error;
}

/** Hears of edits on this node from its daemon, whenever that runs. */
function listen(node: Node, onPaths: (paths: readonly ReplicaPath[]) => void): () => void {
  const stopping = new AbortController();
  const { signal } = stopping;
  const again = (): void => {
    if (!signal.aborted) setTimeout(() => void once(), listenAgainMs).unref();
  };
  const once = (): Promise<void> =>
    askDaemon({
      runtime: node.config.runtime,
      command: 'edits',
      args: {},
      signal,
      onProgress: (line) => {
        const parsed = editsLine.safeParse(line);
        if (parsed.success) onPaths(parsed.data.paths);
      },
    }).then(again, (error: unknown) => {
      if (signal.aborted) return;
      unlessFailure(error);
      again();
    });
  void once();
  return () => stopping.abort();
}
