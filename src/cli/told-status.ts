import { quickRuntime } from '../config/runtime.ts';
import { askDaemon } from '../control/client.ts';
import type { Exit } from '../core/failure.ts';
import { printable } from '../core/path.ts';
import type { Io } from './io.ts';
import { count, durationText, paint } from './render.ts';
import type { Status } from './status.ts';

/** Clocks that differ less are nobody's concern, milliseconds. */
const worthTellingSkewMs = 2000;

/**
 * What the daemon says, without reading the rest of the configuration: it knows better than what is written down, which
 * takes longer to open than it takes to ask. Undefined where none answers, or it is not plain where to ask. Throws
 * Failures.
 */
export async function toldStatus(config: string): Promise<Status | undefined> {
  const runtime = quickRuntime(config);
  if (runtime === undefined) return undefined;
  const asked = await askDaemon({ runtime, command: 'status', args: {} });
  return asked.answered ? (asked.value as Status) : undefined;
}

/** Prints a status. `halted` when halted; `drift` when something waits for a person. */
export function showStatus(found: Status, json: boolean, io: Io): Exit {
  if (json) io.out(`${JSON.stringify(found)}\n`);
  else show(found, io);
  if (found.halt !== null) return 'halted';
  return found.conflicts > 0 ||
    found.ha.state === 'disabled' ||
    found.peers.some(({ connected }) => !connected)
    ? 'drift'
    : 'done';
}

function lagText(pending: number, lagMs: number): string {
  return pending > 0
    ? `, the oldest waits since ${durationText(lagMs)}`
    : ` (${durationText(lagMs)} after it was made)`;
}

function show(found: Status, io: Io): void {
  const now = Date.now();
  io.out(
    `${paint(io, 'bold', printable(found.node))}: ${found.role}, epoch ${found.epoch}, HA ${found.ha.state}${found.ha.reason === null ? '' : ` (${printable(found.ha.reason)})`}\n`,
  );
  if (found.following !== null) {
    const { active, connected, heardAt, pending } = found.following;
    const told =
      heardAt === null
        ? 'it has not told how far behind this node is'
        : `${count(pending ?? 0, 'path')} pending when it last told, ${durationText(now - heardAt)} ago`;
    io.out(`follows ${printable(active)}: ${connected ? 'connected' : 'not connected'}, ${told}\n`);
  }
  if (!found.daemon)
    io.out(
      `${paint(io, 'yellow', 'the daemon does not run')}: start it with \`systemctl start bm-confsync\`\n`,
    );
  if (found.halt !== null) io.out(`${paint(io, 'red', 'HALTED')}: ${printable(found.halt)}\n`);
  for (const peer of found.peers) {
    const state = peer.connected ? paint(io, 'green', peer.state) : paint(io, 'red', peer.state);
    const acked =
      peer.lastAckAt === null
        ? 'no change sent yet'
        : `last change durable ${durationText(now - peer.lastAckAt)} ago`;
    const lag = peer.lagMs === null ? '' : lagText(peer.pending, peer.lagMs);
    io.out(
      `peer ${printable(peer.name)}: ${state}, ${count(peer.pending, 'path')} pending, ${acked}${lag}\n`,
    );
    if (peer.detail !== null) io.out(`  ${printable(peer.detail)}\n`);
    if (peer.watchlistsAgree === false)
      io.out(
        `  ${paint(io, 'yellow', 'watchlists differ')}: each node takes only what its own watchlists include\n`,
      );
    if (peer.skewMs !== null && Math.abs(peer.skewMs) > worthTellingSkewMs)
      io.out(
        `  ${paint(io, 'yellow', `clocks differ by ${durationText(Math.abs(peer.skewMs))}`)}: check time synchronisation on both nodes\n`,
      );
    for (const { path, detail } of peer.hookFailures)
      io.out(`  ${paint(io, 'yellow', 'hook failed')} after ${printable(path)}: ${printable(detail)}\n`);
    for (const { path, reason, detail } of peer.troubles)
      io.out(`  not sent: ${printable(path)}: ${reason}, ${printable(detail)}\n`);
  }
  if (found.role === 'active' && found.peers.length === 0)
    io.out(
      `${paint(io, 'yellow', 'no peers')}: nothing is replicated until \`peers\` names the passive node\n`,
    );
  io.out(`conflicts: ${found.conflicts}\n`);
  if (found.conflicts > 0)
    io.out('hint: `bm-confsync conflicts` lists them, `bm-confsync conflicts show ID` shows both sides\n');
  if (found.daemon) {
    io.out(
      `watching: ${count(found.watching.paths, 'path')} in ${count(found.watching.directories, 'directory', 'directories')} (${found.watchlists.map(printable).join(', ')})\n`,
    );
    if (found.watching.degraded !== null)
      io.out(`  ${paint(io, 'yellow', 'degraded')}: ${printable(found.watching.degraded)}\n`);
  }
  for (const { path, reason, detail } of found.troubles)
    io.out(`skipped: ${printable(path)}: ${reason}, ${printable(detail)}\n`);
}
