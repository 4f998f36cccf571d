import { admitSender } from '../core/seat.ts';
import type { AckResult } from '../wire/message.ts';
import type { PassiveNode } from './node.ts';

/** Why nothing of a sender with this epoch may be placed now: the switch and the seat may change in the middle of a session. */
export function haltedBy(
  node: Pick<PassiveNode, 'name' | 'seat' | 'haSwitch'>,
  epoch: number,
): Extract<AckResult, { kind: 'refused' }> | undefined {
  const seat = node.seat();
  const reason = admitSender(seat, node.haSwitch(), epoch);
  if (reason === undefined) return undefined;
  return { kind: 'refused', reason, detail: `${node.name} refuses: ${reason}`, epoch: seat.epoch };
}
