import type { Refusal } from './failure.ts';

export type Role = 'active' | 'passive';

/** A node's role together with its epoch: a whole number that grows by one at each promotion. */
export type Seat = { readonly role: Role; readonly epoch: number };

/** The HA switch of one node. `until`: milliseconds since 1970, when a disabled switch ends by itself. */
export type Switch =
  | { readonly state: 'enabled' }
  | {
      readonly state: 'disabled';
      readonly reason: string;
      readonly since: number;
      readonly by: string;
      readonly until?: number;
    };

/** What a switch says at a moment: a disabled switch that has expired counts as enabled. */
export function switchAt(setting: Switch, now: number): Switch {
  if (setting.state === 'disabled' && setting.until !== undefined && setting.until <= now)
    return { state: 'enabled' };
  return setting;
}

/** Whether a node with this seat may listen to a sender that holds `epoch`. */
export function admitSender(seat: Seat, setting: Switch, epoch: number): Refusal | undefined {
  if (setting.state === 'disabled') return 'ha-disabled';
  if (epoch < seat.epoch) return 'stale-epoch';
  if (seat.role === 'active') return epoch === seat.epoch ? 'split-brain' : 'peer-is-active';
  return undefined;
}
