import { fetchContent } from '../../active/questions.ts';
import type { Session } from '../../active/session.ts';
import { type PeerDrift, verifyPeer } from '../../active/verify.ts';
import { askDaemon } from '../../control/client.ts';
import type { Log } from '../../core/event.ts';
import { type Ended, Failure } from '../../core/failure.ts';
import { printable } from '../../core/path.ts';
import { openLog } from '../../log/log.ts';
import type { Conflict } from '../../state/conflicts.ts';
import { openTree } from '../compose-active.ts';
import { openInspection } from '../connect.ts';
import { maxDiffBytes, readOwn } from '../content.ts';
import type { Io } from '../io.ts';
import { type Node, openNode, requireActive } from '../node.ts';
import { count, describeEntry, durationText, labels, paint, sizeText } from '../render.ts';
import { renderDiff } from '../render-diff.ts';

export type VerifyCommand = {
  readonly config: string;
  readonly full: boolean;
  readonly diff: boolean;
  readonly json: boolean;
  readonly nagios: boolean;
};

/** How long changes that are on their way may take to arrive before they count as drift, milliseconds. */
const settleMs = 5000;

type Verified = { readonly name: string; readonly result: PeerDrift; readonly diffs: readonly string[] };

/** Compares every peer with this node. Ends with `drift` when any differs. */
export async function verify(options: VerifyCommand, io: Io): Promise<Ended> {
  const log: Log = openLog({ format: 'text', level: 'warn' });
  const node = await openNode(options.config, log);
  requireActive(node, 'verify');
  if (node.config.peers.length === 0) throw noPeers(options.config);
  const start = performance.now();
  const peers: Verified[] = [];
  for (const peer of node.config.peers) {
    const { session, close } = await openInspection(node, peer);
    try {
      const result = await verifyPeer({
        session,
        tree: openTree(node),
        full: options.full,
        settle: () => flushDaemon(node),
      });
      if (result === undefined) throw lost(peer.name);
      const shown = options.json ? { ...io, colour: false } : io;
      const diffs = options.diff ? await diffsOf(node, session, peer.name, result, shown) : [];
      peers.push({ name: peer.name, result, diffs });
    } finally {
      close();
    }
  }
  node.cache.commit();
  const conflicts = node.conflicts.list();
  node.database.close();
  const durationMs = performance.now() - start;
  const drifting = peers.reduce((sum, { result }) => sum + result.drift.length, 0);
  if (options.json) io.out(`${JSON.stringify(asJson(peers, durationMs))}\n`);
  else if (options.nagios) return nagios(peers, durationMs, io);
  else for (const peer of peers) show(peer, { node: node.config.node, durationMs, io, conflicts });
  return drifting === 0 ? 'done' : 'drift';
}

/** Nothing was compared, which must not look like "in sync". */
function noPeers(file: string): Failure {
  return new Failure({
    code: 'no-peers',
    exit: 'usage',
    message: `expected at least one peer in ${file}, found none`,
    hint: 'add the passive node to `peers`; the comments in that file say how',
  });
}

/** Lets the daemon, if it runs, send what it has before a difference is called drift. */
async function flushDaemon(node: Node): Promise<void> {
  try {
    await askDaemon({
      runtime: node.config.runtime,
      command: 'flush',
      args: { paths: [], timeoutMs: settleMs },
    });
  } catch (error) {
    // That it could not flush is no answer to what was asked: the second look tells.
    if (!(error instanceof Failure)) throw error;
  }
}

function lost(peer: string): Failure {
  return new Failure({
    code: 'peer-unreachable',
    exit: 'unreachable',
    message: `the link to ${peer} was lost while the trees were compared`,
    hint: 'run it again; see `bm-confsync status` for the link',
  });
}

function asJson(peers: readonly Verified[], durationMs: number): unknown {
  return {
    inSync: peers.every(({ result }) => result.drift.length === 0),
    checked: Math.max(0, ...peers.map(({ result }) => result.checked)),
    durationMs: Math.round(durationMs),
    peers: peers.map(({ name, result, diffs }) => ({
      name,
      drift: result.drift.map(({ path, kind, active, passive }) => ({ path, kind, active, passive })),
      problems: result.problems,
      ...(diffs.length === 0 ? {} : { diffs }),
    })),
  };
}

type Shown = {
  readonly node: string;
  readonly durationMs: number;
  readonly io: Io;
  readonly conflicts: readonly Conflict[];
};

function show({ name, result, diffs }: Verified, { node, durationMs, io, conflicts }: Shown): void {
  const { drift, problems, checked } = result;
  const [here, there] = labels([node, name]);
  for (const { path, kind, active, passive } of drift) {
    io.out(`${paint(io, 'yellow', kind.padEnd(8))} ${printable(path)}\n`);
    io.out(
      paint(
        io,
        'dim',
        `         ${here} ${describeEntry(active)}\n         ${there} ${describeEntry(passive)}\n`,
      ),
    );
    const conflict = conflicts.find((one) => one.peer === name && one.path === path);
    if (conflict !== undefined)
      io.out(`         held as a conflict: \`bm-confsync conflicts show ${conflict.id}\`\n`);
  }
  for (const text of diffs) io.out(`${text}\n`);
  for (const { path, where, reason, detail } of problems) {
    io.out(
      `${paint(io, 'yellow', 'skipped ')} ${printable(path)} (on the ${where} node: ${reason}, ${printable(detail)})\n`,
    );
  }
  const verdict = drift.length === 0 ? paint(io, 'green', 'in sync') : paint(io, 'red', differ(drift.length));
  io.out(`${name}: ${verdict}, ${count(checked, 'path')} checked in ${durationText(durationMs)}\n`);
  if (drift.length > 0)
    io.out(`hint: \`bm-confsync resync\` makes ${name} equal to this node and keeps what it overwrites\n`);
}

function differ(paths: number): string {
  return count(paths, 'path differs', 'paths differ');
}

/** One line as the monitoring-plugins guidelines have it. */
function nagios(peers: readonly Verified[], durationMs: number, io: Io): Ended {
  const drift = peers.reduce((sum, { result }) => sum + result.drift.length, 0);
  const checked = Math.max(0, ...peers.map(({ result }) => result.checked));
  const state = drift === 0 ? 'OK' : 'CRITICAL';
  const text = drift === 0 ? 'in sync' : differ(drift);
  io.out(
    `BM-CONFSYNC ${state} - ${text}, ${count(checked, 'path')} checked | drift=${drift};0;0;0; checked=${checked};;;0; time=${(durationMs / 1000).toFixed(3)}s;;;0;\n`,
  );
  return drift === 0 ? 'ok' : 'critical';
}

async function diffsOf(
  node: Node,
  session: Session,
  peer: string,
  result: PeerDrift,
  io: Io,
): Promise<string[]> {
  const diffs: string[] = [];
  for (const { path, kind, active, passive } of result.drift) {
    if (kind !== 'content' && kind !== 'missing' && kind !== 'extra' && kind !== 'type') continue;
    if (active.kind !== 'file' && passive.kind !== 'file') continue;
    const largest = Math.max(...[active, passive].map((entry) => (entry.kind === 'file' ? entry.size : 0)));
    if (largest > maxDiffBytes) {
      diffs.push(`too large to show ${printable(path)}: ${sizeText(largest)}\n`);
      continue;
    }
    const from = passive.kind === 'file' ? await fetchContent(session, path, maxDiffBytes) : Buffer.alloc(0);
    const to = active.kind === 'file' ? readOwn(node, path) : Buffer.alloc(0);
    if (from === undefined || to === undefined) continue;
    diffs.push(renderDiff(io, { path, fromName: peer, toName: node.config.node, from, to }));
  }
  return diffs;
}
