import { askDaemon } from '../../control/client.ts';
import type { Ended } from '../../core/failure.ts';
import type { Io } from '../io.ts';
import type { Node } from '../node.ts';
import { aboutNode, conflictsOf, failoverOf, type Status } from '../status.ts';
import { pluginPatienceMs, showPlugin, showStatus, toldPlugin, toldStatus } from '../told-status.ts';

/** Prints how this node is. Exit `halted` when halted; `drift` when something waits for a person. */
export async function status(
  options: { readonly config: string; readonly json: boolean; readonly nagios: boolean },
  io: Io,
): Promise<Ended> {
  const { config, json, nagios } = options;
  if (nagios) return showPlugin(await toldPlugin(config, () => askedStatus(config, pluginPatienceMs)), io);
  return showStatus((await toldStatus(config)) ?? (await askedStatus(config)), json, io);
}

/**
 * What the daemon says, or without one what is written down. Throws Failures, `daemon-timeout` when it has not
 * answered after `timeoutMs`.
 */
export async function askedStatus(config: string, timeoutMs?: number): Promise<Status> {
  const { openNode } = await import('../node.ts');
  // Nothing is done that could be logged, so that no log is loaded.
  const node = await openNode(config, () => undefined);
  try {
    const { runtime } = node.config;
    const limit = timeoutMs === undefined ? {} : { timeoutMs };
    const asked = await askDaemon({ runtime, command: 'status', args: {}, ...limit });
    return asked.answered ? (asked.value as Status) : withoutDaemon(node);
  } finally {
    node.database.close();
  }
}

/** What is known when nobody answers: what is written down. */
function withoutDaemon(node: Node): Status {
  const found: Omit<Status, 'failover'> = {
    ...aboutNode(node),
    daemon: false,
    peers: node.config.peers.map(({ name }) => ({
      name,
      connected: false,
      state: 'offline',
      detail: 'the daemon does not run on this node',
      pending: 0,
      lastAckAt: null,
      lagMs: null,
      skewMs: null,
      watchlistsAgree: null,
      troubles: [],
      hookFailures: [],
    })),
    ...conflictsOf(node),
    halt: null,
    haltedAt: null,
    split: false,
    watching: { paths: 0, directories: 0, degraded: null },
    watchlists: node.watchlists.names,
    troubles: [],
  };
  return { ...found, failover: failoverOf(node, found) };
}
