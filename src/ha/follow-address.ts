import { type BlockList, isIPv6, BlockList as List } from 'node:net';
import { networkInterfaces } from 'node:os';
import { Hysteresis } from '../core/hysteresis.ts';

export type FollowOptions = {
  /** The floating address, IPv4 or IPv6. */
  readonly address: string;
  /** How long it must be here, or be gone, without interruption, milliseconds. */
  readonly holdMs: number;
  /** Monotonic, milliseconds. Default: of this process. */
  readonly now?: () => number;
  /** Default 500. */
  readonly pollMs?: number;
  /** The addresses of this node. Default: those of its interfaces that are up. */
  readonly addresses?: () => readonly string[];
  /** Told of the first answer that has settled, and of every change. */
  readonly onSettled: (present: boolean) => void;
};

/** Follows whether the floating address is on an interface of this node, until it is disposed of. */
export function followAddress(options: FollowOptions): Disposable {
  const { now = () => performance.now(), pollMs = 500, addresses = ownAddresses } = options;
  const wanted = listOf(options.address);
  const hysteresis = new Hysteresis(options.holdMs);
  let told: boolean | undefined;
  const look = (): void => {
    const present = addresses().some((address) => isIn(wanted, address));
    const settled = hysteresis.sample(present, now());
    if (settled === undefined || settled === told) return;
    told = settled;
    options.onSettled(settled);
  };
  look();
  const timer = setInterval(look, pollMs);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

function ownAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((found) => (found ?? []).map(({ address }) => address));
}

/** A list of one compares addresses however they are written. */
function listOf(address: string): BlockList {
  const list = new List();
  list.addAddress(address, isIPv6(address) ? 'ipv6' : 'ipv4');
  return list;
}

function isIn(list: BlockList, address: string): boolean {
  const plain = address.replace(/%.*$/, '');
  return list.check(plain, isIPv6(plain) ? 'ipv6' : 'ipv4');
}
