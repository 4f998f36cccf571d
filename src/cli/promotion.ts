import { askPeer } from '../active/questions.ts';
import type { Peer as PeerConfig } from '../config/load.ts';
import { askDaemon } from '../control/client.ts';
import { Failure } from '../core/failure.ts';
import { type AskedPeer, type Promoted, promote } from '../ha/promote.ts';
import { openConversation } from './connect.ts';
import { type Node, tellDaemon } from './node.ts';

/** How long a peer may take to answer before it counts as unreachable, milliseconds. */
const askMs = 10_000;

/**
 * Makes this node the active one; see ha/promote. The daemon of this node, if it runs, is told. Answers undefined
 * where the node is active already. Throws Failure `not-fenced`, or what a peer had to say.
 */
export async function promoteNode(
  node: Node,
  options: {
    readonly fenced: boolean;
    /** Promotes an active node too, with a new epoch: after a split brain. */
    readonly again?: boolean;
    /** Takes no seat from a peer that is active: throws Failure `seat-taken` instead. */
    readonly onlyIfFree?: boolean;
    /** Makes the daemon follow the new seat. Default: the one that runs on this node is told. */
    readonly follow?: () => Promise<unknown>;
  },
): Promise<Promoted | undefined> {
  const follow = options.follow ?? (() => tellDaemon(node));
  if (node.seat().role === 'active' && options.again !== true) {
    // A promotion that was cut short may have left the daemon behind.
    await follow();
    return undefined;
  }
  const peers = await Promise.all(node.config.peers.map((peer) => ask(node, peer)));
  try {
    const holder = peers.find((peer) => peer.kind === 'reached' && peer.role === 'active');
    if (holder !== undefined && options.onlyIfFree === true) throw seatTaken(node, holder.name);
    const promoted = await promote({
      node: node.config.node,
      seat: node.seat(),
      highest: node.seats.highestEpoch(),
      fenced: options.fenced,
      peers,
      take: (epoch) => node.seats.write({ role: 'active', epoch }),
      log: node.log,
    });
    await follow();
    return promoted;
  } finally {
    for (const peer of peers) if (peer.kind === 'reached') peer.close();
  }
}

function seatTaken(node: Node, holder: string): Failure {
  return new Failure({
    code: 'seat-taken',
    exit: 'refused',
    message: `expected the seat to be free, found that ${holder} is active`,
    hint: `see to it that only one of ${node.config.node} and ${holder} has the floating address`,
  });
}

async function ask(node: Node, peer: PeerConfig): Promise<AskedPeer> {
  try {
    const { session, welcome, close } = await openConversation(node, peer, 'request', askMs);
    return {
      kind: 'reached',
      name: peer.name,
      role: welcome.role,
      epoch: welcome.epoch,
      highest: welcome.highest,
      demote: async (epoch) => void (await askPeer(session, { do: 'demote', epoch })),
      close,
    };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { kind: 'unreachable', name: peer.name, detail: error.message };
  }
}

/**
 * Makes this node passive under `epoch` (default: its own), after its daemon, if it runs, has sent what it
 * had. What it could not send shows as conflicts once another node is active. Answers whether it was active.
 */
export async function demoteNode(node: Node, epoch?: number): Promise<boolean> {
  const asked = await askDaemon({ runtime: node.config.runtime, command: 'demote', args: { epoch } });
  if (asked.answered) return asked.value === true;
  return giveUpSeat(node, epoch);
}

/** Writes the passive seat. Answers whether the node was active. */
export function giveUpSeat(node: Node, epoch?: number): boolean {
  // Throws where the node was never initialised.
  node.seat();
  const role = node.seats.giveUp(epoch);
  node.log({ kind: 'step', what: 'demote', step: 'seat given up' });
  return role === 'active';
}
