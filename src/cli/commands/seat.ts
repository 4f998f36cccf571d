import { Writable } from 'node:stream';
import { askDaemon } from '../../control/client.ts';
import type { Log } from '../../core/event.ts';
import { type Exit, Failure } from '../../core/failure.ts';
import { printable } from '../../core/path.ts';
import { openLog } from '../../log/log.ts';
import type { Io } from '../io.ts';
import { type Node, openNode } from '../node.ts';
import { demoteNode, promoteNode } from '../promotion.ts';
import type { Status } from '../status.ts';

/** Makes this node the active one. Done already is done. */
export async function promoteCommand(options: { config: string; fenced: boolean }, io: Io): Promise<Exit> {
  const node = await openNode(options.config, stepsTo(io));
  refuseByHand(node, 'promote');
  const promoted = await promoteNode(node, { fenced: options.fenced, again: await isSplit(node) });
  const { epoch } = node.seat();
  node.database.close();
  if (promoted === undefined) {
    io.out(`${node.config.node} is active already, epoch ${epoch}\n`);
    return 'done';
  }
  io.out(`${node.config.node} is active now, epoch ${epoch}\n`);
  for (const name of promoted.demoted) io.out(`${printable(name)} was active and is passive now\n`);
  for (const name of promoted.unreachable)
    io.out(
      `${printable(name)} could not be reached: when it comes back it becomes passive, and what it had not sent shows as conflicts\n`,
    );
  return 'done';
}

/** Makes this node passive, after it has sent what it had. Done already is done. */
export async function demoteCommand(options: { config: string }, io: Io): Promise<Exit> {
  const node = await openNode(options.config, stepsTo(io));
  refuseByHand(node, 'demote');
  const was = await demoteNode(node);
  const { epoch } = node.seat();
  node.database.close();
  io.out(`${node.config.node} is passive${was ? ' now' : ' already'}, epoch ${epoch}\n`);
  if (was) io.out('no node is active until one is promoted: bm-confsync promote\n');
  return 'done';
}

/** Each step is told as it is done: whoever waits at a failover wants to know where it stands. */
function stepsTo(io: Io): Log {
  const stream = new Writable({
    write: (chunk, _encoding, done) => {
      io.err(String(chunk));
      done();
    },
  });
  return openLog({ format: 'text', level: 'info', stream });
}

/** Whether two nodes are active: then a promotion makes one of them win. */
async function isSplit(node: Node): Promise<boolean> {
  if (node.seat().role !== 'active') return false;
  const asked = await askDaemon({ runtime: node.config.runtime, command: 'status', args: {} });
  return asked.answered && (asked.value as Status).split;
}

/** What a person decides here would be undone a moment later. */
function refuseByHand(node: Node, command: string): void {
  const { role } = node.config;
  if (role.source !== 'vip') return;
  throw new Failure({
    code: 'seat-follows-address',
    exit: 'refused',
    message: `${command} is not for this node: its seat follows the address ${role.address} (role.source: vip)`,
    hint: 'move the address to the node that is to be active, or set role.source to manual',
  });
}
