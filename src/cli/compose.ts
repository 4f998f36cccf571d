import { closeSync, openSync, readFileSync, rmdirSync, unlinkSync } from 'node:fs';
import { Engine } from '../active/engine.ts';
import { openLink } from '../active/link.ts';
import { Peer } from '../active/peer.ts';
import { type FoundConflict, Replicator } from '../active/replicator.ts';
import { Session } from '../active/session.ts';
import { Tree } from '../active/tree.ts';
import { type Config, loadConfig, type Peer as PeerConfig } from '../config/load.ts';
import { loadWatchlists, type Watchlists } from '../config/watchlist.ts';
import type { Log } from '../core/event.ts';
import { Failure, type Reason } from '../core/failure.ts';
import type { ReplicaPath } from '../core/path.ts';
import { type Seat, type Switch, switchAt } from '../core/seat.ts';
import { initialiseHash } from '../files/hash.ts';
import { syncFileSystem } from '../files/native.ts';
import type { PassiveNode, PeerMemory, PlacingRight } from '../passive/node.ts';
import { sweep } from '../passive/sweep.ts';
import { ConflictStore } from '../state/conflicts.ts';
import { type Database, openDatabase } from '../state/database.ts';
import { EntryCacheStore } from '../state/entry-cache.ts';
import { Ledger } from '../state/ledger.ts';
import { SeatStore } from '../state/seat.ts';
import { SwitchStore } from '../state/switch.ts';
import { VersionStore } from '../state/versions.ts';
import { productVersion, shippedWatchlists } from './product.ts';

/** How long an answer may take on a silent link, milliseconds. */
const answerDeadlineMs = 30_000;
const degradedWalkMs = 10_000;

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

/** The sender's half of a node. */
export type ActiveNode = { readonly engine: Engine; readonly tree: Tree; readonly peers: readonly Peer[] };

/** Puts the sender together, not yet started. `onRefused` hears what peers say about our seat. */
export function composeActive(
  node: Node,
  options: { onRefused?: (peer: string, reason: Reason, epoch: number) => void } = {},
): ActiveNode {
  const { config, watchlists, cache, log } = node;
  const tree = openTree(node);
  const now = Date.now;
  const engine = new Engine({
    tree,
    log,
    now,
    deleteHoldMs: config.settle.deleteHoldMs,
    maxWaitMs: config.settle.maxWaitMs,
    reconcileMs: config.reconcileMinutes * 60_000,
    degradedWalkMs,
    onIdle: () => cache.commit(),
  });
  const peers = config.peers.map((peer) => {
    const onConflict = (found: FoundConflict): void => rememberConflict(node, peer.name, found);
    const ledger = new Ledger(node.database, { peer: peer.name, mode: 'memory', now });
    const replicator = new Replicator({
      peer: peer.name,
      tree,
      ledger,
      massDeletion: config.limits.massDeletion,
      log,
      now,
      onConflict,
      onAgreed: (path) => forgetConflict(node, peer.name, path),
      onUnstable: (path) => engine.unstable(path),
      onRetry: (path, attempt) => engine.retry(path, attempt),
      onRefused: (reason, _detail, epoch) => options.onRefused?.(peer.name, reason, epoch),
      onHalt: () => undefined,
    });
    return new Peer({
      node: config.node,
      version: productVersion,
      seat: node.seat,
      watchlistsDigest: watchlists.digest,
      replicator,
      tree,
      connect: (signal) => connectTo(peer, signal),
      log,
      now,
      random: Math.random,
      onConflict,
      onRefused: (reason, _detail, epoch) => options.onRefused?.(peer.name, reason, epoch),
      answerDeadlineMs,
    });
  });
  engine.serve(peers);
  return { engine, tree, peers };
}

export function openTree(node: Node): Tree {
  const { config, watchlists, cache } = node;
  return new Tree({ root: config.root, watchlists, cache, maxFileSizeBytes: config.limits.maxFileSizeBytes });
}

const known = new WeakMap<Node, Set<string>>();

function conflictKeys(node: Node): Set<string> {
  let keys = known.get(node);
  if (keys === undefined) {
    keys = new Set(node.conflicts.list().map(({ peer, path }) => `${peer} ${path}`));
    known.set(node, keys);
  }
  return keys;
}

function rememberConflict(node: Node, peer: string, found: FoundConflict): void {
  const { path, kind, active, passive } = found;
  const keys = conflictKeys(node);
  if (!keys.has(`${peer} ${path}`)) node.log({ kind: 'conflict', peer, path, conflict: kind });
  keys.add(`${peer} ${path}`);
  node.conflicts.put({ peer, path, kind, active, passive, epoch: node.seat().epoch, detectedAt: Date.now() });
}

/** Called for every agreement, so that it asks the database only where there was a conflict. */
function forgetConflict(node: Node, peer: string, path: ReplicaPath): void {
  if (conflictKeys(node).delete(`${peer} ${path}`)) node.conflicts.clear(peer, path);
}

/** Opens the SSH link to a peer of the configuration. Throws a Failure when it cannot. */
export function connectTo(
  peer: PeerConfig,
  signal?: AbortSignal,
): Promise<Awaited<ReturnType<typeof openLink>>> {
  if (peer.hostKey === undefined) {
    throw new Failure({
      code: 'not-paired',
      exit: 'usage',
      message: `expected peers.hostKey for ${peer.name}, found none: an unknown host is never trusted`,
      hint: `run \`bm-confsync pair ${peer.user}@${peer.host}\`, or set it to the first two words of the peer's /etc/ssh/ssh_host_ed25519_key.pub`,
    });
  }
  const { name, host, port, user, hostKey } = peer;
  return openLink({
    peer: name,
    host,
    port,
    user,
    hostKey,
    privateKey: readKey(peer.identityFile),
    ...(signal === undefined ? {} : { signal }),
  });
}

function readKey(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new Failure({
      code: 'no-identity',
      exit: 'usage',
      message: `expected our private key in ${file}, found: ${error instanceof Error ? error.message : String(error)}`,
      hint: 'run `bm-confsync init`, which makes what is missing and keeps what is there',
      cause: error,
    });
  }
}

/** Opens a session that only looks, for verify and explain. Throws a Failure when it cannot. */
export async function openInspection(
  node: Node,
  peer: PeerConfig,
): Promise<{ session: Session; close(): void }> {
  const link = await connectTo(peer);
  const opened = await Session.open({
    stream: link.stream,
    purpose: 'inspect',
    node: node.config.node,
    version: productVersion,
    seat: node.seat(),
    watchlists: node.watchlists.digest,
    answerDeadlineMs,
  });
  if (opened.kind === 'open') {
    return {
      session: opened.session,
      close: () => {
        opened.session.close();
        link.close();
      },
    };
  }
  const complaint = link.complaint();
  link.close();
  throw new Failure({
    code: opened.kind === 'refused' ? opened.reason : 'peer-unreachable',
    exit: opened.kind === 'refused' ? 'refused' : 'unreachable',
    message: `${peer.name} did not answer: ${opened.detail}${complaint === '' ? '' : `; it said: ${complaint}`}`,
    hint: `run \`bm-confsync receive\` by hand on ${peer.name} to see whether it starts there`,
  });
}

/** The receiver's half of a node. */
export function composePassive(node: Node, placing: PlacingRight): PassiveNode {
  const { config, watchlists, cache, seats, versions, log } = node;
  const now = Date.now;
  return {
    name: config.node,
    version: productVersion,
    root: config.root,
    watchlists,
    cache,
    limits: {
      maxFileSizeBytes: config.limits.maxFileSizeBytes,
      minFreeDiskBytes: config.limits.minFreeDiskBytes,
    },
    seat: node.seat,
    learnEpoch: (epoch) => {
      const seat = node.seat();
      if (epoch > seat.epoch) seats.write({ role: seat.role, epoch });
    },
    haSwitch: node.haSwitch,
    memoryOf: (peer) => peerMemory(node, peer),
    keepVersion: ({ from, path, entry, epoch, peer, reason }) => {
      if (entry.kind === 'file')
        return void versions.adopt({ from, path, entry, epoch, peer, reason, now: now(), batch: true });
      versions.adoptEntry({
        path,
        entry: entry.kind === 'absent' ? { kind: 'absent' } : entry,
        epoch,
        peer,
        reason,
        now: now(),
        batch: true,
      });
      if (entry.kind === 'directory') rmdirSync(from);
      else unlinkSync(from);
    },
    settleVersions: () => versions.settle(() => syncFolder(config.state)),
    sweep: () => sweepLeftovers(node),
    placing,
    log,
  };
}

/** Writes the whole file system that holds a folder to its disk. */
function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r');
  try {
    syncFileSystem(fd);
  } finally {
    closeSync(fd);
  }
}

function peerMemory(node: Node, peer: string): PeerMemory {
  const ledger = new Ledger(node.database, { peer, mode: 'direct', now: Date.now });
  return {
    agreed: (path) => ledger.get(path),
    record: (path, entry) => ledger.record(path, entry),
    commit: () => ledger.commit(),
    conflict: ({ path, kind, active, passive, epoch }) => {
      node.conflicts.put({ peer, path, kind, active, passive, epoch, detectedAt: Date.now() });
    },
    resolved: (path) => forgetConflict(node, peer, path),
  };
}

/** Removes what a crash left; what may be the only copy of something is kept as a version. */
export function sweepLeftovers(node: Node): void {
  const { config, watchlists, versions, log } = node;
  sweep({
    root: config.root,
    roots: watchlists.roots,
    log,
    keep: ({ from, path, entry }) => {
      versions.adopt({
        from,
        path,
        entry,
        epoch: node.seat().epoch,
        peer: config.node,
        reason: 'interrupted',
        now: Date.now(),
      });
    },
  });
}
