import { askDaemon } from '../control/client.ts';
import { Failure } from '../core/failure.ts';
import type { PeerRequest } from '../wire/message.ts';
import { type Node, tellDaemon } from './node.ts';
import { demoteNode } from './promotion.ts';

/** Does what another node asks for. What only the running daemon knows is asked of it. Throws Failures. */
export async function servePeerRequest(node: Node, from: string, request: PeerRequest): Promise<unknown> {
  switch (request.do) {
    case 'demote':
      return demoteNode(node, request.epoch);
    case 'disable':
      return disableHere(node, { ...request, by: `${request.by} on ${from}` });
    case 'enable':
      return enableHere(node);
    case 'doctor':
      // Seldom asked for, and nothing that other requests would have to load.
      return (await import('./doctor/answer.ts')).answerDoctor(node.config, from, request);
    case 'resolve': {
      const { ids, take } = request;
      const asked = await askDaemon({
        runtime: node.config.runtime,
        command: 'resolve',
        args: { ids, take },
      });
      if (asked.answered) return asked.value;
      throw new Failure({
        code: 'no-daemon',
        exit: 'refused',
        message: `expected the daemon of ${node.config.node} to run, found none: it carries the files`,
        hint: `start it there with \`systemctl start bm-confsync\``,
      });
    }
  }
}

/** Turns the switch of this node off, at once for its daemon and its receivers. `forMs`: milliseconds. */
export async function disableHere(
  node: Node,
  about: { readonly reason: string; readonly by: string; readonly forMs?: number | undefined },
): Promise<null> {
  const now = Date.now();
  const until = about.forMs === undefined ? {} : { until: now + about.forMs };
  node.switches.disable({ reason: about.reason, by: about.by, ...until }, now);
  await tellDaemon(node);
  return null;
}

/** What came of the first full reconcile after the switch was turned on, a row for each peer. */
export type EnableReport = {
  readonly peers: readonly {
    readonly name: string;
    /** Null where the peer could not be reached or refused. */
    readonly report: {
      readonly checked: number;
      readonly converged: number;
      readonly pushed: number;
      readonly conflicts: number;
      readonly held: number;
    } | null;
    readonly detail: string | null;
  }[];
};

/** Turns the switch of this node on. On the active, with a daemon, answers what the reconcile brought; else null. */
export async function enableHere(node: Node): Promise<EnableReport | null> {
  node.switches.enable();
  await tellDaemon(node);
  if (node.seat().role !== 'active') return null;
  const asked = await askDaemon({ runtime: node.config.runtime, command: 'reconciled', args: {} });
  return asked.answered ? (asked.value as EnableReport) : null;
}
