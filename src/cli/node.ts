import { type Config, loadConfig } from '../config/load.ts';
import { fileStamp } from '../config/runtime.ts';
import { loadWatchlists, type Watchlists } from '../config/watchlist.ts';
import { askDaemon } from '../control/client.ts';
import type { Log } from '../core/event.ts';
import { Failure } from '../core/failure.ts';
import { type Seat, type Switch, switchAt } from '../core/seat.ts';
import { initialiseHash } from '../files/hash.ts';
import { PackageLockWatch } from '../files/package-lock.ts';
import { ConflictStore } from '../state/conflicts.ts';
import { type Database, openDatabase } from '../state/database.ts';
import { EntryCacheStore } from '../state/entry-cache.ts';
import { FactStore } from '../state/facts.ts';
import { SeatStore } from '../state/seat.ts';
import { SwitchStore } from '../state/switch.ts';
import { VersionStore } from '../state/versions.ts';
import { mustBeClosed } from './closed.ts';
import { shippedWatchlists } from './product.ts';

/** One node with its configuration and everything it remembers. */
export type Node = {
  readonly config: Config;
  /** The file that it was read from, as it was then: see fileStamp. */
  readonly configuration: string | undefined;
  readonly watchlists: Watchlists;
  readonly database: Database;
  readonly seats: SeatStore;
  readonly switches: SwitchStore;
  readonly conflicts: ConflictStore;
  readonly versions: VersionStore;
  readonly cache: EntryCacheStore;
  readonly facts: FactStore;
  readonly log: Log;
  seat(): Seat;
  /** What the switch says, or that a transaction of the package manager runs, which counts as disabled. */
  haSwitch(): Switch;
  /** Calls back when a transaction of the package manager that `haSwitch` told of is over. */
  onPackagesReleased(listener: () => void): void;
};

/** Opens configuration and state. Throws a Failure when either is missing or wrong. */
export async function openNode(configFile: string, log: Log): Promise<Node> {
  const configuration = fileStamp(configFile);
  const config = loadConfig(configFile);
  mustBeClosed(config);
  const watchlists = loadWatchlists(config.watchlists, { shippedFolder: shippedWatchlists });
  await initialiseHash();
  const database = openDatabase(config.state);
  const seats = new SeatStore(database);
  const switches = new SwitchStore(database);
  const released: (() => void)[] = [];
  const packages = new PackageLockWatch({
    root: config.root,
    now: Date.now,
    onRelease: () => {
      for (const listener of released) listener();
    },
  });
  return {
    config,
    configuration,
    watchlists,
    database,
    seats,
    switches,
    conflicts: new ConflictStore(database),
    versions: new VersionStore(database),
    cache: new EntryCacheStore(database),
    facts: new FactStore(database),
    log,
    seat: () => seats.read() ?? noSeat(configFile),
    haSwitch: () => effectiveSwitch(switchAt(switches.read(Date.now()), Date.now()), packages),
    onPackagesReleased: (listener) => void released.push(listener),
  };
}

/** While packages change, their files are not to be overwritten, nor carried over half done. */
function effectiveSwitch(setting: Switch, packages: PackageLockWatch): Switch {
  if (setting.state === 'disabled') return setting;
  const held = packages.held();
  if (held === undefined) return setting;
  return { state: 'disabled', reason: held.sentence, since: held.since, by: held.by };
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

/** Throws Failure `ha-disabled` while the HA switch keeps this node from changing files. */
export function requireEnabled(node: Node, command: string): void {
  const ha = node.haSwitch();
  if (ha.state === 'enabled') return;
  throw new Failure({
    code: 'ha-disabled',
    exit: 'refused',
    message: `${command} is refused while HA is disabled on ${node.config.node}: ${ha.reason} (by ${ha.by})`,
    hint: 'when that is over: `bm-confsync ha enable`',
  });
}

/** How long the daemon may take to follow what was written down, milliseconds. */
const tellMs = 30_000;

/** Tells the daemon of this node, if it runs, that its seat or its switch changed; resolves when it has followed. */
export async function tellDaemon(node: Node): Promise<boolean> {
  const { runtime } = node.config;
  const asked = await askDaemon({ runtime, command: 'state-changed', args: {}, timeoutMs: tellMs });
  return asked.answered;
}
