import type { Peer } from '../../active/peer.ts';
import { ping } from '../../active/questions.ts';
import { resync } from '../../active/resync.ts';
import { verifyPeer } from '../../active/verify.ts';
import type { Reply } from '../../control/protocol.ts';
import type { FileEntry } from '../../core/entry.ts';
import { Failure } from '../../core/failure.ts';
import type { ReplicaPath } from '../../core/path.ts';
import type { Halt } from '../../core/safety.ts';
import type { Seat } from '../../core/seat.ts';
import type { Hint } from '../../watch/hint.ts';
import type { WatchProblem } from '../../watch/watcher.ts';
import { type ActiveNode, composeActive } from '../compose-active.ts';
import { rememberConflict } from '../known-conflicts.ts';
import { type Node, requireEnabled } from '../node.ts';
import type { EnableReport } from '../peer-requests.ts';
import { type ResolveReport, resolveConflicts, type Take, takePassive } from '../resolve.ts';
import {
  type Explained,
  type FlushReport,
  type ResyncAnswer,
  settleMs,
  type VerifyAnswer,
} from './answers.ts';

/** How long a planned change of the seat waits for what is on its way, milliseconds. */
const drainMs = 10_000;
/** How long the first reconcile after the switch was turned on may take to be reported, milliseconds. */
const reportMs = 60_000;
/** Between two words on how far a resync is, milliseconds. */
const betweenProgressMs = 100;

export type ActiveSideHooks = {
  readonly onRefused: (peer: string, reason: string, epoch: number) => void;
  readonly onDisabled: () => void;
  readonly onCanary: (peer: string, put: FileEntry) => void;
  readonly onLive: () => void;
};

/** What the daemon of an active node does, and the answers only it can give. */
export class ActiveSide {
  readonly node: ActiveNode;
  /** The epoch it sends with. */
  readonly epoch: number;
  readonly #node: Node;

  /** With the seat that makes this node active; what becomes of it later is for `Daemon.follow`. */
  constructor(node: Node, seat: Seat, hooks: ActiveSideHooks) {
    this.#node = node;
    this.epoch = seat.epoch;
    this.node = composeActive(node, {
      seat,
      onRefused: hooks.onRefused,
      onDisabled: hooks.onDisabled,
      onCanary: hooks.onCanary,
      onLive: hooks.onLive,
      onTakePassive: (peer, found) => {
        takePassive(node, peer, found).then(
          (reason) => {
            if (reason !== undefined) rememberConflict(node, peer.name, found, peer.name);
          },
          (error: unknown) => {
            if (!(error instanceof Failure)) throw error;
            rememberConflict(node, peer.name, found, peer.name);
          },
        );
      },
    });
  }

  hint(hint: Hint): void {
    this.node.engine.hint(hint);
  }

  problem(problem: WatchProblem): void {
    this.node.engine.problem(problem);
  }

  start(): void {
    this.node.engine.start();
  }

  async stop(): Promise<void> {
    await this.node.engine.stop();
    for (const { replicator } of this.node.peers) replicator.agreements.commit();
  }

  /** Stops sending until `unsuspend`. */
  suspend(detail: string): void {
    for (const peer of this.node.peers) peer.suspend(detail);
  }

  unsuspend(): void {
    for (const peer of this.node.peers) peer.unsuspend();
  }

  halt(halt: Halt): void {
    for (const { replicator } of this.node.peers) replicator.stop(halt);
  }

  get halted(): Halt | undefined {
    return this.node.peers.map(({ replicator }) => replicator.halt).find((halt) => halt !== undefined);
  }

  /** Sends what there is to every peer that is connected, for a planned change of the seat. */
  async drain(): Promise<void> {
    const connected = this.node.peers.filter(({ session }) => session !== undefined);
    if (this.halted !== undefined || connected.length === 0) return;
    const deadline = AbortSignal.timeout(drainMs);
    this.node.engine.walk('/' as ReplicaPath);
    await untilAborted(this.#drained(connected, deadline), deadline);
  }

  /** Everything that changed up to now is durable on every peer, or it is said what is not and why. */
  async flush(
    { paths, timeoutMs }: { paths: ReplicaPath[]; timeoutMs: number },
    signal: AbortSignal,
  ): Promise<FlushReport> {
    requireEnabled(this.#node, 'flush');
    this.refuseWhileHalted();
    const { engine, peers } = this.node;
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    if (paths.length === 0) engine.walk('/' as ReplicaPath);
    else for (const wanted of paths) engine.walk(wanted);
    await untilAborted(this.#drained(peers, deadline), deadline);
    this.refuseWhileHalted();
    const unsent = peers.filter((peer) => peer.replicator.pending > 0 || peer.session === undefined);
    if (unsent.length > 0) {
      throw new Failure({
        code: 'not-flushed',
        exit: 'unreachable',
        message: `not durable on ${unsent.map(({ name, replicator }) => `${name} (${replicator.pending} paths wait)`).join(', ')} within ${timeoutMs} ms`,
        hint: 'see `bm-confsync status` for what they wait for',
      });
    }
    const held = this.#held();
    return { flushed: held.length === 0, held };
  }

  #held(): FlushReport['held'] {
    const held: FlushReport['held'] = this.node.peers.flatMap((peer) =>
      [...peer.replicator.troubles].map(([path, { reason, detail }]) => ({
        path,
        peer: peer.name,
        reason,
        detail,
      })),
    );
    for (const { path, peer, kind } of this.#node.conflicts.list())
      held.push({ path, peer, reason: kind, detail: 'a conflict is held' });
    return held;
  }

  async #drained(peers: readonly Peer[], signal: AbortSignal): Promise<void> {
    await this.node.engine.quiet();
    for (const peer of peers) {
      while (!signal.aborted && peer.state.kind !== 'live') await peer.stateChange(signal);
      await peer.replicator.idle();
      // What follows its answers there, as that what was displaced becomes a version, comes before its next one.
      if (peer.session !== undefined) await ping(peer.session);
    }
    // What came out of the lanes as still moving, waits to be tried again, or was told by a peer meanwhile goes round once more.
    const busy = this.node.engine.busy || peers.some(({ replicator }) => replicator.busy);
    if (!signal.aborted && busy) await this.#drained(peers, signal);
  }

  /**
   * Compares every peer that a session is open with, over that session. Null for the others, and where the link was lost
   * meanwhile: the command connects by itself then, and says what is wrong.
   */
  async verify(full: boolean): Promise<VerifyAnswer> {
    const { peers, tree } = this.node;
    const settle = (): Promise<void> => this.#settle();
    const compared = await Promise.all(
      peers.map(async ({ name, session }) => {
        const result = session && (await verifyPeer({ session, tree, full, settle }));
        return { name, result: result ?? null };
      }),
    );
    const { config, configuration } = this.#node;
    return { node: config.node, configuration, peers: compared };
  }

  /** Lets what is on its way arrive, as far as it can. */
  async #settle(): Promise<void> {
    try {
      await this.flush({ paths: [], timeoutMs: settleMs }, AbortSignal.timeout(settleMs));
    } catch (error) {
      // That it could not be sent is no answer to what was asked: the second look tells.
      if (!(error instanceof Failure)) throw error;
    }
  }

  async resync(paths: ReplicaPath[], reply: Reply): Promise<ResyncAnswer> {
    requireEnabled(this.#node, 'resync');
    this.refuseWhileHalted();
    const reports = [];
    for (const peer of this.node.peers) {
      const signal = AbortSignal.timeout(10_000);
      while (!signal.aborted && peer.session === undefined) await peer.stateChange(signal);
      const { session, replicator } = peer;
      const report =
        session === undefined
          ? undefined
          : await resync({
              session,
              replicator,
              tree: this.node.tree,
              paths,
              onProgress: shownNowAndThen((done, total) => reply.progress({ peer: peer.name, done, total })),
            });
      if (report === undefined) throw unreachable(peer);
      reports.push({ name: peer.name, ...report });
    }
    return { peers: reports };
  }

  async resume(allowDeletes: boolean): Promise<unknown> {
    const { peers } = this.node;
    this.#node.log({ kind: 'resumed' });
    for (const { replicator } of peers) replicator.resume();
    const reports = await Promise.all(peers.map((peer) => peer.reconcile('resume', { allowDeletes })));
    this.refuseWhileHalted();
    return { peers: peers.map((peer, index) => ({ name: peer.name, report: reports[index] ?? null })) };
  }

  resolve(args: { ids: string[]; take: Take }): Promise<ResolveReport> {
    requireEnabled(this.#node, 'conflicts resolve');
    this.refuseWhileHalted();
    return resolveConflicts(this.#node, this.node.peers, args);
  }

  /** Waits until every peer that can be reached is reconciled, and tells what that brought. */
  async reconciled(): Promise<EnableReport> {
    const signal = AbortSignal.timeout(reportMs);
    const peers = await Promise.all(
      this.node.peers.map(async (peer) => {
        while (!signal.aborted && (peer.state.kind === 'connecting' || peer.state.kind === 'reconciling'))
          await peer.stateChange(signal);
        const report = peer.state.kind === 'live' ? peer.lastReport : undefined;
        if (report === undefined)
          return { name: peer.name, report: null, detail: this.halted?.detail ?? stateDetail(peer) };
        const { checked, landed } = report;
        return { name: peer.name, report: { checked, ...(await landed) }, detail: null };
      }),
    );
    return { peers };
  }

  explain(at: ReplicaPath): Explained {
    const { peers, engine } = this.node;
    const views = peers.map(({ name, session, replicator }) => {
      const trouble = replicator.troubles.get(at) ?? engine.troubles.get(at);
      return {
        name,
        connected: session !== undefined,
        agreed: replicator.ledger.get(at),
        pending: replicator.isBusy(at),
        trouble: trouble === undefined ? undefined : { reason: trouble.reason, detail: trouble.detail },
      };
    });
    return { pending: views.some(({ pending }) => pending), peers: views };
  }

  refuseWhileHalted(): void {
    const halt = this.halted;
    if (halt === undefined) return;
    throw new Failure({
      code: 'halted',
      exit: 'halted',
      message: `replication is halted (${halt.reason}): ${halt.detail}`,
      hint: haltHints[halt.reason],
    });
  }
}

const haltHints: Record<Halt['reason'], string> = {
  'mass-deletion':
    'look, then `bm-confsync resume --allow-deletes` or put the files back and `bm-confsync resume`',
  'emptied-root': 'look, then `bm-confsync resume`',
  'split-brain':
    'decide which node holds the true configuration and run `bm-confsync promote` there: it makes the other one passive',
};

function stateDetail(peer: Peer): string {
  const { state } = peer;
  return state.kind === 'offline' || state.kind === 'suspended' ? state.detail : `it is still ${state.kind}`;
}

/** Of very many steps only some, and the first and the last. */
function shownNowAndThen(show: (done: number, total: number) => void): typeof show {
  let shownAt = Number.NEGATIVE_INFINITY;
  return (done, total) => {
    const now = performance.now();
    if (done < total && now - shownAt < betweenProgressMs) return;
    shownAt = now;
    show(done, total);
  };
}

async function untilAborted(work: Promise<unknown>, signal: AbortSignal): Promise<void> {
  await Promise.race([
    work,
    new Promise((resolve) => {
      if (signal.aborted) resolve(undefined);
      signal.addEventListener('abort', resolve, { once: true });
    }),
  ]);
}

function unreachable(peer: Peer): Failure {
  return new Failure({
    code: 'peer-unreachable',
    exit: 'unreachable',
    message: `${peer.name}: ${peer.state.kind === 'live' ? 'the link was lost' : stateDetail(peer)}`,
    hint: 'see `bm-confsync status`; nothing is lost, what is not sent stays pending',
  });
}
