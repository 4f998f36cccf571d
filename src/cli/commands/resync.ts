import { createInterface } from 'node:readline/promises';
import { planResync, type ResyncStep, resync } from '../../active/resync.ts';
import { Session } from '../../active/session.ts';
import type { Peer as PeerConfig } from '../../config/load.ts';
import { askDaemon } from '../../control/client.ts';
import { type Exit, Failure } from '../../core/failure.ts';
import { printable, type ReplicaPath } from '../../core/path.ts';
import { openLog } from '../../log/log.ts';
import { composeActive, openTree } from '../compose-active.ts';
import { connectTo, openInspection } from '../connect.ts';
import type { PeerReport, ResyncAnswer } from '../daemon/answers.ts';
import type { Io } from '../io.ts';
import { type Node, openNode, requireActive, requireEnabled } from '../node.ts';
import { productVersion } from '../product.ts';
import { openProgress } from '../progress.ts';
import { count, describeEntry, labels, paint } from '../render.ts';
import { showResynced } from '../render-resync.ts';

export type ResyncCommand = {
  readonly config: string;
  readonly paths: ReplicaPath[];
  readonly dryRun: boolean;
  readonly yes: boolean;
  readonly json: boolean;
};

type Planned = { readonly peer: PeerConfig; readonly steps: ResyncStep[] };

/** Makes every passive equal to this node, after a look at what that means. */
export async function resyncCommand(options: ResyncCommand, io: Io): Promise<Exit> {
  const node = await openNode(options.config, openLog({ format: 'text', level: 'error' }));
  requireActive(node, 'resync');
  if (!options.dryRun) requireEnabled(node, 'resync');
  requirePeersAndPaths(node, options);
  if (options.dryRun || !options.yes) {
    const planned = await plan(node, options.paths);
    if (options.dryRun) {
      showPlan(planned, options, io);
      node.database.close();
      return planned.every(({ steps }) => steps.length === 0) ? 'done' : 'drift';
    }
    if (planned.some(({ steps }) => steps.length > 0)) {
      showPlan(planned, options, io);
      await confirm(planned, io);
    }
  }
  const reports = (await throughDaemon(node, options, io)) ?? (await byHand(node, options, io));
  node.cache.commit();
  node.database.close();
  return showResynced(reports, options.json ? 'json' : 'text', io);
}

/** What cannot do anything must not look as if it had done it. */
function requirePeersAndPaths(node: Node, options: ResyncCommand): void {
  if (node.config.peers.length === 0) {
    throw new Failure({
      code: 'no-peers',
      exit: 'usage',
      message: `expected at least one peer in ${options.config}, found none`,
      hint: 'add the passive node to `peers`; the comments in that file say how',
    });
  }
  const { watchlists } = node;
  const outside = options.paths.filter((path) => !watchlists.includes(path) && !watchlists.mayContain(path));
  if (outside.length === 0) return;
  throw new Failure({
    code: 'outside-watchlist',
    exit: 'usage',
    message: `expected replicated paths, found ${outside.join(', ')}: no watchlist covers ${outside.length === 1 ? 'it' : 'them'}`,
    hint: `see \`bm-confsync watchlist test ${outside[0]}\``,
  });
}

async function plan(node: Node, paths: ReplicaPath[]): Promise<Planned[]> {
  const planned: Planned[] = [];
  for (const peer of node.config.peers) {
    const { session, close } = await openInspection(node, peer);
    try {
      const found = await planResync({ session, tree: openTree(node), paths });
      if (found === undefined) throw lost(peer.name);
      planned.push({ peer, steps: found.steps });
    } finally {
      close();
    }
  }
  return planned;
}

function showPlan(planned: readonly Planned[], options: ResyncCommand, io: Io): void {
  if (options.json) {
    io.out(
      `${JSON.stringify({ dryRun: true, peers: planned.map(({ peer, steps }) => ({ name: peer.name, steps })) })}\n`,
    );
    return;
  }
  for (const { peer, steps } of planned) {
    const [has, gets] = labels([`${peer.name} has`, 'gets']);
    for (const { path, action, active, passive } of steps) {
      io.out(`${paint(io, action === 'delete' ? 'red' : 'yellow', action.padEnd(6))} ${printable(path)}\n`);
      io.out(
        paint(
          io,
          'dim',
          `       ${has} ${describeEntry(passive)}\n       ${gets} ${describeEntry(active)}\n`,
        ),
      );
    }
    const deletions = steps.filter(({ action }) => action === 'delete').length;
    io.out(
      `${peer.name}: ${count(steps.length - deletions, 'path')} to push, ${count(deletions, 'path')} to delete\n`,
    );
  }
}

async function confirm(planned: readonly Planned[], io: Io): Promise<void> {
  const names = planned.map(({ peer }) => peer.name).join(', ');
  if (!io.interactive) {
    throw new Failure({
      code: 'not-confirmed',
      exit: 'usage',
      message: `resync would change ${names}; expected --yes, since nobody can be asked here`,
      hint: 'look at `bm-confsync resync --dry-run`, then add --yes',
    });
  }
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question(
    `Change ${names} as shown? Everything overwritten is kept there as a version. [y/N] `,
  );
  terminal.close();
  if (/^y(es)?$/i.test(answer.trim())) return;
  throw new Failure({
    code: 'not-confirmed',
    exit: 'usage',
    message: 'nothing was changed',
    hint: 'answer y, or give --yes',
  });
}

async function throughDaemon(
  node: Node,
  options: ResyncCommand,
  io: Io,
): Promise<ResyncAnswer['peers'] | undefined> {
  const progress = openProgress(io, options.json ? undefined : 'resync');
  const asked = await askDaemon({
    runtime: node.config.runtime,
    command: 'resync',
    args: { paths: options.paths },
    onProgress: (value) => {
      const { done, total } = value as { done: number; total: number };
      progress.update(done, total);
    },
  });
  progress.close();
  return asked.answered ? (asked.value as ResyncAnswer).peers : undefined;
}

/** Without the daemon: a session of our own for each peer. */
async function byHand(node: Node, options: ResyncCommand, io: Io): Promise<PeerReport[]> {
  const { tree, peers, engine } = composeActive(node);
  const reports: PeerReport[] = [];
  for (const peer of peers) {
    const configured = node.config.peers.find(({ name }) => name === peer.name);
    if (configured === undefined) continue;
    const link = await connectTo(configured);
    const opened = await Session.open({
      stream: link.stream,
      isSlow: link.isSlow,
      purpose: 'replicate',
      node: node.config.node,
      version: productVersion,
      seat: node.seat(),
      watchlists: node.watchlists.digest,
      answerDeadlineMs: 30_000,
    });
    if (opened.kind !== 'open') {
      const complaint = link.complaint();
      link.close();
      throw notOpened(peer.name, opened, complaint);
    }
    const progress = openProgress(io, options.json ? undefined : peer.name);
    const { session } = opened;
    peer.replicator.attach(session);
    const done = await resync({
      session,
      replicator: peer.replicator,
      tree,
      paths: options.paths,
      onProgress: (n, total) => progress.update(n, total),
    });
    progress.close();
    peer.replicator.detach();
    session.close();
    link.close();
    if (done === undefined) throw lost(peer.name);
    reports.push({ name: peer.name, ...done });
  }
  await engine.stop();
  return reports;
}

function notOpened(
  peer: string,
  opened: { kind: string; detail: string; reason?: string },
  complaint: string,
): Failure {
  const refused = opened.kind === 'refused';
  return new Failure({
    code: opened.reason ?? 'peer-unreachable',
    exit: refused ? 'refused' : 'unreachable',
    message: `${peer} ${refused ? 'refused' : 'did not answer'}: ${opened.detail}${complaint === '' ? '' : `; it said: ${complaint}`}`,
    hint: `see \`bm-confsync status\` here and on ${peer}`,
  });
}

function lost(peer: string): Failure {
  return new Failure({
    code: 'peer-unreachable',
    exit: 'unreachable',
    message: `the link to ${peer} was lost`,
    hint: 'run it again: what arrived stays, the rest is found again',
  });
}
