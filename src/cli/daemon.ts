import { z } from 'zod';
import type { Peer } from '../active/peer.ts';
import { resync } from '../active/resync.ts';
import type { Reply, Request } from '../control/protocol.ts';
import type { Entry } from '../core/entry.ts';
import { Failure, type Reason } from '../core/failure.ts';
import { parseReplicaPath, type ReplicaPath } from '../core/path.ts';
import type { ConflictKind } from '../core/plan.ts';
import type { Halt } from '../core/safety.ts';
import { openWatcher, type Watcher } from '../watch/watcher.ts';
import { type ActiveNode, composeActive, openTree } from './compose-active.ts';
import { sweepLeftovers } from './compose-passive.ts';
import type { Node } from './node.ts';
import { aboutNode, type Status } from './status.ts';

const path = z.string().transform((raw, context): ReplicaPath => {
  const parsed = parseReplicaPath(raw);
  if (parsed.ok) return parsed.path;
  context.addIssue({ code: 'custom', message: parsed.fault });
  return z.NEVER;
});
const pathsArgs = z.object({ paths: z.array(path) });
const flushArgs = z.object({ paths: z.array(path), timeoutMs: z.number().nonnegative() });
const resumeArgs = z.object({ allowDeletes: z.boolean() });
const pathArgs = z.object({ path });

export type FlushReport = {
  readonly flushed: boolean;
  readonly held: { path: string; peer: string; reason: Reason | ConflictKind; detail: string }[];
};
export type Explained = {
  readonly pending: boolean;
  readonly peers: {
    name: string;
    connected: boolean;
    agreed: Entry | undefined;
    pending: boolean;
    trouble: { reason: string; detail: string } | undefined;
  }[];
};

/** The running node: what the seat asks for, and the answers to the command line. */
export class Daemon {
  readonly #node: Node;
  #active: ActiveNode | undefined;
  #watcher: Watcher | undefined;

  constructor(node: Node) {
    this.#node = node;
  }

  /** Starts what the seat asks for. Resolves when the watches are set. */
  async start(): Promise<void> {
    const { config, log } = this.#node;
    const seat = this.#node.seat();
    log({ kind: 'started', node: config.node, role: seat.role, epoch: seat.epoch });
    if (seat.role === 'active') await this.#startActive();
  }

  async stop(): Promise<void> {
    await this.#watcher?.close();
    await this.#active?.engine.stop();
    for (const peer of this.#active?.peers ?? []) peer.replicator.flushLedger();
    this.#node.cache.commit();
    this.#node.log({ kind: 'stopped' });
  }

  async handle(request: Request, reply: Reply, signal: AbortSignal): Promise<unknown> {
    switch (request.command) {
      case 'status':
        return this.status();
      case 'flush':
        return this.#flush(flushArgs.parse(request.args), signal);
      case 'resync':
        return this.#resync(pathsArgs.parse(request.args).paths, reply);
      case 'resume':
        return this.#resume(resumeArgs.parse(request.args).allowDeletes);
      case 'explain':
        return this.#explain(pathArgs.parse(request.args).path);
      default:
        throw new Failure({
          code: 'unknown-request',
          exit: 'usage',
          message: `the daemon does not know the request ${JSON.stringify(request.command)}`,
          hint: 'the command line is newer than the daemon: restart the service',
        });
    }
  }

  async #startActive(): Promise<void> {
    const { config, watchlists, log } = this.#node;
    for (const { path: listed, watchlist } of watchlists.literals) this.#warnIfMissing(listed, watchlist);
    // On the active node nobody places files, so whatever has a temporary name is from an earlier seat.
    sweepLeftovers(this.#node);
    const active = composeActive(this.#node, {
      onRefused: (peer, reason, epoch) => this.#onRefused(peer, reason, epoch),
    });
    this.#active = active;
    this.#watcher = openWatcher({
      root: config.root,
      watchlists,
      onHint: (hint) => active.engine.hint(hint),
      onProblem: (problem) => active.engine.problem(problem),
    });
    await this.#watcher.ready;
    active.engine.start();
    log({ kind: 'watching', directories: this.#watcher.directories(), paths: this.#node.cache.size });
  }

  #warnIfMissing(listed: ReplicaPath, watchlist: string): void {
    const seen = openTree(this.#node).observe(listed);
    if (seen.kind === 'entry' && seen.entry.kind === 'absent')
      this.#node.log({ kind: 'listed-path-missing', path: listed, watchlist });
  }

  /** A peer that knows a newer epoch is right: this node steps down, and says so. */
  #onRefused(peer: string, reason: string, epoch: number): void {
    if (reason !== 'stale-epoch') return;
    const seat = this.#node.seat();
    if (epoch <= seat.epoch) return;
    this.#node.seats.write({ role: 'passive', epoch });
    this.#node.log({ kind: 'stepped-down', peer, epoch });
    const active = this.#active;
    this.#active = undefined;
    const watcher = this.#watcher;
    this.#watcher = undefined;
    void watcher?.close().then(() => active?.engine.stop());
  }

  status(): Status {
    const { conflicts, watchlists } = this.#node;
    const now = Date.now();
    const active = this.#active;
    return {
      ...aboutNode(this.#node),
      daemon: true,
      peers: (active?.peers ?? []).map((peer) => this.#peerStatus(peer, active?.engine.dirty ?? 0, now)),
      conflicts: conflicts.count(),
      halt: this.#halt()?.detail ?? null,
      watching: {
        paths: active?.peers[0]?.replicator.ledger.size ?? 0,
        directories: this.#watcher?.directories() ?? 0,
        degraded: active?.engine.degraded?.detail ?? null,
      },
      watchlists: watchlists.names,
      troubles: [...(active?.engine.troubles ?? [])].map(([at, { reason, detail }]) => ({
        path: at,
        reason,
        detail,
      })),
    };
  }

  #peerStatus(peer: Peer, dirty: number, now: number): Status['peers'][number] {
    const { replicator, state } = peer;
    return {
      name: peer.name,
      connected: state.kind === 'live' || state.kind === 'reconciling',
      state: state.kind,
      detail: state.kind === 'offline' ? state.detail : null,
      pending: replicator.pending + dirty,
      lastAckAt: replicator.lag.lastAckAt ?? null,
      lagMs: replicator.lag.ms(now) ?? null,
      troubles: [...replicator.troubles].map(([at, { reason, detail }]) => ({ path: at, reason, detail })),
    };
  }

  #halt(): Halt | undefined {
    return this.#active?.peers.map(({ replicator }) => replicator.halt).find((halt) => halt !== undefined);
  }

  #requireActive(): ActiveNode {
    if (this.#active !== undefined) return this.#active;
    throw new Failure({
      code: 'not-active',
      exit: 'refused',
      message: `${this.#node.config.node} is passive: it receives and sends nothing`,
      hint: 'run it on the active node; see `bm-confsync status`',
    });
  }

  #refuseWhileHalted(): void {
    const halt = this.#halt();
    if (halt === undefined) return;
    throw new Failure({
      code: 'halted',
      exit: 'halted',
      message: `replication is halted (${halt.reason}): ${halt.detail}`,
      hint:
        halt.reason === 'mass-deletion'
          ? 'look, then `bm-confsync resume --allow-deletes` or put the files back and `bm-confsync resume`'
          : 'look, then `bm-confsync resume`',
    });
  }

  /** Everything that changed up to now is durable on every peer, or it is said what is not and why. */
  async #flush(
    { paths, timeoutMs }: { paths: ReplicaPath[]; timeoutMs: number },
    signal: AbortSignal,
  ): Promise<FlushReport> {
    const active = this.#requireActive();
    this.#refuseWhileHalted();
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    if (paths.length === 0) active.engine.walk('/' as ReplicaPath);
    else for (const wanted of paths) active.engine.walk(wanted);
    const done = this.#drained(active, deadline);
    await Promise.race([
      done,
      new Promise((resolve) => deadline.addEventListener('abort', resolve, { once: true })),
    ]);
    this.#refuseWhileHalted();
    const unsent = active.peers.filter((peer) => peer.replicator.pending > 0 || peer.session === undefined);
    if (unsent.length > 0) {
      throw new Failure({
        code: 'not-flushed',
        exit: 'unreachable',
        message: `not durable on ${unsent.map(({ name, replicator }) => `${name} (${replicator.pending} paths wait)`).join(', ')} within ${timeoutMs} ms`,
        hint: 'see `bm-confsync status` for what they wait for',
      });
    }
    const held: FlushReport['held'] = active.peers.flatMap((peer) =>
      [...peer.replicator.troubles].map(([at, { reason, detail }]) => ({
        path: at,
        peer: peer.name,
        reason,
        detail,
      })),
    );
    for (const { path: at, peer, kind } of this.#node.conflicts.list())
      held.push({ path: at, peer, reason: kind, detail: 'a conflict is held' });
    return { flushed: held.length === 0, held };
  }

  async #drained(active: ActiveNode, signal: AbortSignal): Promise<void> {
    await active.engine.quiet();
    for (const peer of active.peers) {
      while (!signal.aborted && peer.state.kind !== 'live') await peer.stateChange(signal);
      await peer.replicator.idle();
    }
    // What came out of the lanes as still moving, or waits to be tried again, goes round once more.
    if (!signal.aborted && active.engine.dirty > 0) await this.#drained(active, signal);
  }

  async #resync(paths: ReplicaPath[], reply: Reply): Promise<unknown> {
    const active = this.#requireActive();
    this.#refuseWhileHalted();
    const reports = [];
    for (const peer of active.peers) {
      const signal = AbortSignal.timeout(10_000);
      while (!signal.aborted && peer.session === undefined) await peer.stateChange(signal);
      const { session, replicator } = peer;
      const report =
        session === undefined
          ? undefined
          : await resync({
              session,
              replicator,
              tree: active.tree,
              paths,
              onProgress: (done, total) => reply.progress({ peer: peer.name, done, total }),
            });
      if (report === undefined) throw unreachable(peer);
      reports.push({ name: peer.name, ...report });
    }
    return { peers: reports };
  }

  async #resume(allowDeletes: boolean): Promise<unknown> {
    const active = this.#requireActive();
    this.#node.log({ kind: 'resumed' });
    for (const { replicator } of active.peers) replicator.resume();
    const reports = await Promise.all(active.peers.map((peer) => peer.reconcile('resume', { allowDeletes })));
    this.#refuseWhileHalted();
    return {
      peers: active.peers.map((peer, index) => ({ name: peer.name, report: reports[index] ?? null })),
    };
  }

  #explain(at: ReplicaPath): Explained {
    const active = this.#active;
    const peers = (active?.peers ?? []).map(({ name, session, replicator }) => {
      const trouble = replicator.troubles.get(at) ?? active?.engine.troubles.get(at);
      return {
        name,
        connected: session !== undefined,
        agreed: replicator.ledger.get(at),
        pending: replicator.isBusy(at),
        trouble: trouble === undefined ? undefined : { reason: trouble.reason, detail: trouble.detail },
      };
    });
    return { pending: peers.some(({ pending }) => pending), peers };
  }
}

function unreachable(peer: Peer): Failure {
  const detail = peer.state.kind === 'offline' ? peer.state.detail : 'the link was lost';
  return new Failure({
    code: 'peer-unreachable',
    exit: 'unreachable',
    message: `${peer.name}: ${detail}`,
    hint: 'see `bm-confsync status`; nothing is lost, what is not sent stays pending',
  });
}
