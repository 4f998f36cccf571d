import { askDaemon } from '../../control/client.ts';
import type { Exit } from '../../core/failure.ts';
import type { Io } from '../io.ts';
import type { Node } from '../node.ts';
import { aboutNode, conflictsOf, failoverOf, type Status } from '../status.ts';
import { showStatus, toldStatus } from '../told-status.ts';

/** Prints how this node is. Exit `halted` when halted; `drift` when something waits for a person. */
export async function status(options: { config: string; json: boolean }, io: Io): Promise<Exit> {
  const found = (await toldStatus(options.config)) ?? (await ask(options.config));
  return showStatus(found, options.json, io);
}

async function ask(config: string): Promise<Status> {
  const { openNode } = await import('../node.ts');
  // Nothing is done that could be logged, so that no log is loaded.
  const node = await openNode(config, () => undefined);
  try {
    const asked = await askDaemon({ runtime: node.config.runtime, command: 'status', args: {} });
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
