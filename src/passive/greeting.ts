import type { Reason, Refusal } from '../core/failure.ts';
import { admitSender } from '../core/seat.ts';
import { type FromActive, protocolVersion } from '../wire/message.ts';
import type { PassiveNode } from './node.ts';

type Hello = Extract<FromActive, { t: 'hello' }>;

/** Why a session is not opened; undefined when it is. The detail is for the person at the other end. */
export function refusalOf(node: PassiveNode, hello: Hello): { reason: Reason; detail: string } | undefined {
  if (hello.protocol !== protocolVersion) {
    const detail = `expected protocol ${protocolVersion}, found ${hello.protocol}; install the same version on both nodes`;
    return { reason: 'io', detail };
  }
  if (hello.node === node.name) {
    const detail = `both nodes call themselves ${hello.node}; give each its own name in its configuration`;
    return { reason: 'io', detail };
  }
  // Questions change nothing, and requests are what changes seat and switch: both work whatever these say.
  if (hello.purpose !== 'replicate') return undefined;
  const refusal = admitSender(node.seat(), node.haSwitch(), hello.epoch);
  return refusal === undefined ? undefined : { reason: refusal, detail: explain(node, refusal) };
}

function explain(node: PassiveNode, refusal: Refusal): string {
  const seat = node.seat();
  const setting = node.haSwitch();
  if (setting.state === 'disabled') return `HA is disabled on ${node.name}: ${setting.reason}`;
  return `${refusal}: ${node.name} is ${seat.role} and holds epoch ${seat.epoch}`;
}
