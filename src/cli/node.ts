import { type Config, loadConfig } from '../config/load.ts';
import { loadWatchlists, type Watchlists } from '../config/watchlist.ts';
import type { Log } from '../core/event.ts';
import { Failure } from '../core/failure.ts';
import { type Seat, type Switch, switchAt } from '../core/seat.ts';
import { initialiseHash } from '../files/hash.ts';
import { ConflictStore } from '../state/conflicts.ts';
import { type Database, openDatabase } from '../state/database.ts';
import { EntryCacheStore } from '../state/entry-cache.ts';
import { SeatStore } from '../state/seat.ts';
import { SwitchStore } from '../state/switch.ts';
import { VersionStore } from '../state/versions.ts';
import { shippedWatchlists } from './product.ts';

/** One node with its configuration and everything it remembers. */
export type Node = {
  readonly config: Config;
  readonly watchlists: Watchlists;
  readonly database: Database;
  readonly seats: SeatStore;
  readonly switches: SwitchStore;
  readonly conflicts: ConflictStore;
  readonly versions: VersionStore;
  readonly cache: EntryCacheStore;
  readonly log: Log;
  seat(): Seat;
  haSwitch(): Switch;
};

/** Opens configuration and state. Throws a Failure when either is missing or wrong. */
export async function openNode(configFile: string, log: Log): Promise<Node> {
  const config = loadConfig(configFile);
  const watchlists = loadWatchlists(config.watchlists, { shippedFolder: shippedWatchlists });
  await initialiseHash();
  const database = openDatabase(config.state);
  const seats = new SeatStore(database);
  const switches = new SwitchStore(database);
  return {
    config,
    watchlists,
    database,
    seats,
    switches,
    conflicts: new ConflictStore(database),
    versions: new VersionStore(database),
    cache: new EntryCacheStore(database),
    log,
    seat: () => seats.read() ?? noSeat(configFile),
    haSwitch: () => switchAt(switches.read(Date.now()), Date.now()),
  };
}

function noSeat(configFile: string): never {
  throw new Failure({
    code: 'no-seat',
    exit: 'usage',
    message: 'expected this node to have a seat, found none: it was never initialised',
    hint: `run \`bm-confsync init --node NAME --role active|passive --config ${configFile}\``,
  });
}

/** Throws Failure `not-active` where the command works on the active node only. */
export function requireActive(node: Node, command: string): void {
  const seat = node.seat();
  if (seat.role === 'active') return;
  throw new Failure({
    code: 'not-active',
    exit: 'refused',
    message: `${command} works on the active node; ${node.config.node} is ${seat.role} (epoch ${seat.epoch})`,
    hint: `run it on ${node.config.peers.map(({ name }) => name).join(' or ') || 'the active node'}`,
  });
}
