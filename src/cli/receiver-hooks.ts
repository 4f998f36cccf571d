import * as z from 'zod';
import { askDaemon } from '../control/client.ts';
import { Failure } from '../core/failure.ts';
import type { NodeListener } from '../passive/node.ts';
import { path } from '../wire/entry.ts';
import type { PeerRequest, Standing } from '../wire/message.ts';
import { type Node, tellDaemon } from './node.ts';
import { servePeerRequest } from './peer-requests.ts';

const newsLine = z.union([z.object({ paths: z.array(path) }), z.object({ changed: z.literal(true) })]);

/** Between two attempts to hear from the daemon, milliseconds. */
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
      if (node.seat().role !== 'active' || node.seats.yieldTo(epoch) !== 'active') return;
      node.log({ kind: 'stepped-down', peer: from, epoch });
      tell(node);
    },
    onSplitBrain: (from: string): void => {
      const { runtime } = node.config;
      void askDaemon({ runtime, command: 'split-brain', args: { peer: from } }).catch(unlessFailure);
    },
    watchNode: (listener: NodeListener): (() => void) => listen(node, listener),
  };
}

function tell(node: Node): void {
  tellDaemon(node).catch(unlessFailure);
}

/** The daemon follows at its next start, or when the next process tells it. */
function unlessFailure(error: unknown): void {
  if (!(error instanceof Failure)) throw error;
}

/** Hears from the daemon of this node, whenever that runs. */
function listen(node: Node, listener: NodeListener): () => void {
  const stopping = new AbortController();
  const { signal } = stopping;
  const again = (): void => {
    if (!signal.aborted) setTimeout(() => void once(), listenAgainMs).unref();
  };
  const once = (): Promise<void> =>
    askDaemon({
      runtime: node.config.runtime,
      command: 'listen',
      args: {},
      signal,
      onProgress: (line) => {
        const { data: news } = newsLine.safeParse(line);
        if (news === undefined) return;
        if ('paths' in news) listener.onEdited(news.paths);
        else listener.onChanged();
      },
    }).then(again, (error: unknown) => {
      if (signal.aborted) return;
      unlessFailure(error);
      again();
    });
  void once();
  return () => stopping.abort();
}
