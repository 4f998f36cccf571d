import type { Log } from '../core/event.ts';
import { Failure } from '../core/failure.ts';
import type { Role, Seat } from '../core/seat.ts';

/** What a peer says of its seat when it is asked. `highest`: the highest epoch that it heard of. */
export type AskedPeer =
  | {
      readonly kind: 'reached';
      readonly name: string;
      readonly role: Role;
      readonly epoch: number;
      readonly highest: number;
      /** Asks it to finish what is under way and to be passive under this epoch. Throws a Failure. */
      demote(epoch: number): Promise<void>;
      close(): void;
    }
  | { readonly kind: 'unreachable'; readonly name: string; readonly detail: string };

export type PromoteOptions = {
  readonly node: string;
  readonly seat: Seat;
  /** The highest epoch that this node heard of. */
  readonly highest: number;
  /** A person or a cluster manager states that nodes which cannot be reached are powered off. */
  readonly fenced: boolean;
  readonly peers: readonly AskedPeer[];
  /** Makes this node active with this epoch, durably. Throws Failure `epoch-goes-back`. */
  readonly take: (epoch: number) => void;
  readonly log: Log;
};

export type Promoted = {
  readonly epoch: number;
  readonly demoted: readonly string[];
  /** Peers that could not be asked; with `fenced` they are taken to be powered off. */
  readonly unreachable: readonly string[];
};

/**
 * Makes this node the active one: an epoch above every one that anybody reachable heard of, all reachable peers
 * passive first, then this node's own seat. A crash in between leaves no second active: until the last step
 * this node is passive, and each step before makes only others passive.
 *
 * Throws Failure `not-fenced` when a peer that may be active cannot be reached and nobody says that it is off.
 */
export async function promote(options: PromoteOptions): Promise<Promoted> {
  const { peers, log } = options;
  const reached = peers.filter((peer) => peer.kind === 'reached');
  const unreachable = peers.filter((peer) => peer.kind === 'unreachable');
  const epoch = Math.max(options.highest, options.seat.epoch, ...reached.map(({ highest }) => highest)) + 1;
  // Where a peer that answers is active, one that does not answer is not: they would have halted each other.
  const activeIsKnown = reached.some(({ role }) => role === 'active');
  if (unreachable.length > 0 && !activeIsKnown && !options.fenced) throw notFenced(options.node, unreachable);
  log({ kind: 'step', what: 'promote', step: 'peers asked' });
  for (const peer of reached) {
    await peer.demote(epoch);
    log({ kind: 'step', what: 'promote', step: 'peer is passive' });
  }
  options.take(epoch);
  log({ kind: 'step', what: 'promote', step: 'seat taken' });
  return {
    epoch,
    demoted: reached.filter(({ role }) => role === 'active').map(({ name }) => name),
    unreachable: unreachable.map(({ name }) => name),
  };
}

function notFenced(
  node: string,
  unreachable: readonly Extract<AskedPeer, { kind: 'unreachable' }>[],
): Failure {
  const who = unreachable.map(({ name, detail }) => `${name} (${detail})`).join(', ');
  return new Failure({
    code: 'not-fenced',
    exit: 'refused',
    message: `expected every other node to answer before ${node} becomes active, but not reached: ${who}. It may be active still`,
    hint: 'power that node off (STONITH), make sure that it is off, then: bm-confsync promote --fenced',
  });
}
