import { userInfo } from 'node:os';
import { askPeer } from '../../active/questions.ts';
import { type Exit, Failure } from '../../core/failure.ts';
import { printable } from '../../core/path.ts';
import { openLog } from '../../log/log.ts';
import type { PeerRequest } from '../../wire/message.ts';
import { openConversation } from '../connect.ts';
import type { Io } from '../io.ts';
import { type Node, openNode } from '../node.ts';
import { disableHere, type EnableReport, enableHere } from '../peer-requests.ts';
import { count, durationText, paint } from '../render.ts';
import { timeText } from '../times.ts';

export type HaOptions = { readonly config: string; readonly json: boolean };
export type DisableOptions = HaOptions & {
  readonly reason: string;
  /** How long, milliseconds. */
  readonly for?: number;
  readonly local: boolean;
};
export type EnableOptions = HaOptions & { readonly local: boolean };

/** How long a peer may take to answer before it counts as unreachable, milliseconds. */
const askMs = 10_000;

type Told = { readonly name: string; readonly failure: Failure | undefined; readonly value?: unknown };

/** Stops replication in both directions, for an upgrade. This node first, so that nothing leaves it any more. */
export async function disable(options: DisableOptions, io: Io): Promise<Exit> {
  const node = await openNode(options.config, openLog({ format: 'text', level: 'warn' }));
  const by = userInfo().username;
  const forMs = options.for === undefined ? {} : { forMs: options.for };
  await disableHere(node, { reason: options.reason, by, ...forMs });
  const told = options.local
    ? []
    : await tellPeers(node, { do: 'disable', reason: options.reason, by, ...forMs });
  node.database.close();
  return report(node, told, { options, io, what: 'disabled', local: options.local });
}

/** Starts it again: the peers first, so that they take what this node will send. */
export async function enable(options: EnableOptions, io: Io): Promise<Exit> {
  const node = await openNode(options.config, openLog({ format: 'text', level: 'warn' }));
  // The peers' switches are on before the reconcile of the active, wherever the command is given.
  const passive = node.seat().role === 'passive';
  if (passive) await enableHere(node);
  const told = options.local ? [] : await tellPeers(node, { do: 'enable' });
  const own = passive ? null : await enableHere(node);
  const reports = [own, ...told.map(({ value }) => value as EnableReport | null)];
  node.database.close();
  const found = reports.find((one) => one !== null && one !== undefined);
  const exit = report(node, told, { options, io, what: 'enabled', local: options.local, found });
  return exit === 'done' && found?.peers.some((peer) => (peer.report?.conflicts ?? 0) > 0) ? 'drift' : exit;
}

/** What the switch of this node says, and why. */
export async function haStatus(options: HaOptions, io: Io): Promise<Exit> {
  const node = await openNode(options.config, openLog({ format: 'text', level: 'warn' }));
  const ha = node.haSwitch();
  node.database.close();
  if (options.json) {
    io.out(`${JSON.stringify({ node: node.config.node, ...ha })}\n`);
    return 'done';
  }
  if (ha.state === 'enabled') io.out(`${node.config.node}: HA is ${paint(io, 'green', 'enabled')}\n`);
  else {
    const until = ha.until === undefined ? 'until `bm-confsync ha enable`' : `until ${timeText(ha.until)}`;
    io.out(`${node.config.node}: HA is ${paint(io, 'red', 'disabled')}: ${printable(ha.reason)}\n`);
    io.out(
      `  by ${printable(ha.by)}, since ${timeText(ha.since)} (${durationText(Date.now() - ha.since)}), ${until}\n`,
    );
  }
  return 'done';
}

async function tellPeers(node: Node, request: PeerRequest): Promise<Told[]> {
  return Promise.all(
    node.config.peers.map(async (peer): Promise<Told> => {
      try {
        const { session, close } = await openConversation(node, peer, 'request', askMs);
        try {
          return { name: peer.name, failure: undefined, value: await askPeer(session, request) };
        } finally {
          close();
        }
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        return { name: peer.name, failure: error };
      }
    }),
  );
}

type Reported = {
  readonly options: HaOptions;
  readonly io: Io;
  readonly what: 'enabled' | 'disabled';
  readonly local: boolean;
  readonly found?: EnableReport | null | undefined;
};

function report(node: Node, told: readonly Told[], { options, io, what, local, found }: Reported): Exit {
  const failed = told.filter(({ failure }) => failure !== undefined);
  if (options.json) {
    const peers = told.map(({ name, failure }) => ({
      name,
      told: failure === undefined,
      detail: failure?.message ?? null,
    }));
    io.out(`${JSON.stringify({ node: node.config.node, state: what, peers, report: found ?? null })}\n`);
  } else {
    const where = [
      node.config.node,
      ...told.filter(({ failure }) => failure === undefined).map(({ name }) => name),
    ];
    io.out(`HA is ${what} on ${where.map(printable).join(' and ')}${local ? ' alone' : ''}\n`);
    for (const { name, failure } of failed) {
      io.err(`${printable(name)} could not be told: ${printable(failure?.message ?? '')}\n`);
      io.err(`hint: when it is up again, run there: bm-confsync ha ${what.slice(0, -1)} --local\n`);
    }
    if (found !== null && found !== undefined) showReport(found, io);
  }
  return failed.length > 0 ? 'unreachable' : 'done';
}

function showReport({ peers }: EnableReport, io: Io): void {
  for (const { name, report: one, detail } of peers) {
    if (one === null) {
      io.out(`${printable(name)}: not compared yet: ${printable(detail ?? '')}\n`);
      continue;
    }
    io.out(
      `${printable(name)}: ${count(one.checked, 'path')} compared: ${one.converged} changed alike on both, ${one.pushed} pushed, ${one.conflicts} in conflict, ${one.held} held back\n`,
    );
    if (one.conflicts > 0) io.out('hint: `bm-confsync conflicts` lists them\n');
    if (one.held > 0) io.out('hint: `bm-confsync status` names them\n');
  }
}
