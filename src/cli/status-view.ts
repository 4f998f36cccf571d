import type { SilenceCause } from '../core/canary.ts';
import { printable } from '../core/path.ts';
import { type Colour, count, durationText, oneLine } from './render.ts';
import type { Status } from './status.ts';

/** How a status is drawn. */
export type StatusView = {
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly paint: (colour: Colour, text: string) => string;
};

/** Clocks that differ less are nobody's concern, milliseconds. */
const worthTellingSkewMs = 2000;
/** Of each kind; with what stands beside them a screen of 24 lines holds all. */
const most = { unsent: 3, peers: 2, reasons: 4 };

/**
 * A status in lines that fit a screen, in the order in which an operator asks: is it safe to fail over, what is not in
 * sync, what is held, since when. All that comes from a peer, the disk or a file is escaped. Lines are as long as
 * they are.
 */
export function statusLines(found: Status, view: StatusView): string[] {
  return [
    ...nodeLines(found, view),
    failoverLine(found, view),
    ...syncLines(found, view),
    ...heldLines(found, view),
    ...peerLines(found, view),
    ...watchingLines(found, view),
    ...canaryLines(found, view),
  ];
}

function nodeLines({ node, role, epoch, ha, daemon }: Status, { paint }: StatusView): string[] {
  const lines = [`${paint('bold', oneLine(node))}: ${role}, epoch ${epoch}, HA ${ha.state}`];
  if (!daemon)
    lines.push(
      `${paint('yellow', 'the daemon does not run')}: start it with \`systemctl start bm-confsync\``,
    );
  return lines;
}

function failoverLine({ failover, role }: Status, { paint }: StatusView): string {
  // A daemon of an earlier version does not tell.
  if (failover === undefined) return 'safe to fail over: unknown; systemctl restart bm-confsync';
  if (failover.safe)
    return `safe to fail over: ${paint('green', 'yes')}${role === 'passive' ? ', this node can take over' : ''}`;
  const { reasons } = failover;
  const told = reasons.slice(0, most.reasons).map(({ text }) => oneLine(text, 30));
  const more = reasons.length > told.length ? `; and ${reasons.length - told.length} more` : '';
  return `safe to fail over: ${paint('red', 'NO')}: ${told.join('; ')}${more}`;
}

type Unsent = { readonly what: string; readonly path: string; readonly detail: string };

function syncLines(found: Status, { paint }: StatusView): string[] {
  const unsent: Unsent[] = [
    ...found.peers.flatMap(({ troubles, hookFailures }) => [
      ...troubles.map(({ path, reason, detail }) => ({
        what: 'not sent:',
        path,
        detail: `${reason}, ${detail}`,
      })),
      ...hookFailures.map(({ path, detail }) => ({ what: 'hook failed after', path, detail })),
    ]),
    ...found.troubles.map(({ path, reason, detail }) => ({
      what: 'skipped:',
      path,
      detail: `${reason}, ${detail}`,
    })),
  ];
  const pending = Math.max(
    0,
    ...found.peers.map((peer) => peer.pending),
    found.role === 'passive' ? (found.following?.pending ?? 0) : 0,
  );
  const parts = [
    ...(pending === 0 ? [] : [`${count(pending, 'path')} pending`]),
    ...(unsent.length === 0 ? [] : [`${count(unsent.length, 'problem')}`]),
    ...(found.peers.some(({ watchlistsAgree }) => watchlistsAgree === false) ? ['watchlists differ'] : []),
  ];
  const known = found.daemon || found.role === 'passive';
  const text = parts.length > 0 ? paint('yellow', parts.join(', ')) : known ? 'nothing' : 'unknown';
  const shown = unsent
    .slice(0, most.unsent)
    .map(
      ({ what, path, detail }) => `  ${paint('yellow', what)} ${oneLine(path, 200)}: ${oneLine(detail, 300)}`,
    );
  return [`not in sync: ${text}`, ...shown, ...moreLine(unsent.length - shown.length, 'status --json')];
}

/** `… and 12 more: COMMAND`. */
function moreLine(left: number, command: string): string[] {
  return left > 0 ? [`  … and ${left} more: bm-confsync ${command}`] : [];
}

function heldLines(found: Status, { now, paint }: StatusView): string[] {
  const { ha, halt, haltedAt, conflicts } = found;
  const since = (at: number | null | undefined): string =>
    at === null || at === undefined ? '' : `, since ${durationText(Math.max(0, now - at))}`;
  const lines: string[] = [];
  if (halt !== null) lines.push(`  ${paint('red', 'HALTED')}: ${oneLine(halt, 300)}${since(haltedAt)}`);
  if (ha.state === 'disabled')
    lines.push(
      `  ${paint('yellow', 'HA disabled')}: ${oneLine(ha.reason ?? 'no reason given', 200)}${since(ha.since)}`,
    );
  if (conflicts > 0) {
    const oldest = found.oldestConflicts ?? [];
    lines.push(`  ${paint('red', `conflicts: ${conflicts}`)}${since(oldest[0]?.detectedAt)}`);
    for (const { id, path, kind } of oldest)
      lines.push(`    ${oneLine(id, 20)}  ${oneLine(kind, 20)}  ${oneLine(path, 300)}`);
    // One more line is no shorter than to name what it would hide.
    lines.push(...moreLine(conflicts - oldest.length, 'conflicts').map((line) => `  ${line}`));
    lines.push('    to look at one: bm-confsync conflicts show ID');
  }
  return lines.length === 0 ? ['held: nothing'] : ['held:', ...lines];
}

function peerLines(found: Status, view: StatusView): string[] {
  const { now, paint } = view;
  const lines: string[] = [];
  if (found.following !== null && found.following !== undefined) {
    const { active, connected, heardAt, pending } = found.following;
    const told =
      heardAt === null
        ? 'it has not told how far behind this node is'
        : `${count(pending ?? 0, 'path')} pending when it last told, ${durationText(Math.max(0, now - heardAt))} ago`;
    lines.push(`follows ${oneLine(active, 64)}: ${connected ? 'connected' : 'not connected'}, ${told}`);
  }
  if (found.role === 'active' && found.peers.length === 0)
    lines.push(
      `${paint('yellow', 'no peers')}: nothing is replicated until \`peers\` names the passive node`,
    );
  const shown = found.role === 'passive' && !found.daemon ? [] : found.peers.slice(0, most.peers);
  for (const peer of shown) lines.push(...peerLine(peer, view));
  if (shown.length > 0) lines.push(...moreLine(found.peers.length - shown.length, 'status --json'));
  return lines;
}

function peerLine(peer: Status['peers'][number], { now, paint }: StatusView): string[] {
  const { name, connected, state, pending, lastAckAt, lagMs, detail, skewMs } = peer;
  const acked =
    lastAckAt === null
      ? 'no change sent yet'
      : `last change durable ${durationText(Math.max(0, now - lastAckAt))} ago`;
  const lag = lagMs === null ? '' : lagText(pending, lagMs);
  const notes = [
    ...(detail === null ? [] : [oneLine(detail, 300)]),
    ...(skewMs !== null && Math.abs(skewMs) > worthTellingSkewMs
      ? [`clocks differ by ${durationText(Math.abs(skewMs))}: check time synchronisation on both nodes`]
      : []),
  ];
  return [
    `peer ${oneLine(name, 64)}: ${paint(connected ? 'green' : 'red', state)}, ${count(pending, 'path')} pending, ${acked}${lag}`,
    ...(notes.length === 0 ? [] : [`  ${notes.join('; ')}`]),
  ];
}

function lagText(pending: number, lagMs: number): string {
  return pending > 0
    ? `, the oldest waits since ${durationText(lagMs)}`
    : ` (${durationText(lagMs)} after it was made)`;
}

function watchingLines({ daemon, watching, watchlists }: Status, { paint }: StatusView): string[] {
  if (!daemon) return [];
  const { paths, directories, degraded } = watching;
  const names = watchlists.map(printable).join(', ');
  const lines = [
    `watching: ${count(paths, 'path')} in ${count(directories, 'directory', 'directories')} (${oneLine(names, 100)})`,
  ];
  if (degraded !== null) lines.push(`  ${paint('yellow', 'degraded')}: ${oneLine(degraded, 300)}`);
  return lines;
}

/** What to do about a silence. */
const silences = {
  unnoticed: 'changes go unnoticed on this node: systemctl restart bm-confsync',
  unanswered: 'it is connected and does not answer: look at bm-confsync and the disk there',
  refused: 'it refuses them',
} as const satisfies Record<SilenceCause, string>;

/** One line: of the peer that hears least. None while nothing is sent: it has other reasons that none arrives. */
function canaryLines({ canary, halt, ha }: Status, { now, paint }: StatusView): string[] {
  if (canary === undefined || canary === null || halt !== null || ha.state === 'disabled') return [];
  const silent = canary.peers.find(({ silentMs }) => silentMs !== null);
  if (silent !== undefined) {
    const since = `none reached ${oneLine(silent.peer, 64)} for ${durationText(silent.silentMs ?? 0)}`;
    const detail = silent.detail === null ? '' : `: ${oneLine(silent.detail, 300)}`;
    const why = silences[silent.cause ?? 'unnoticed'];
    return [`${paint('red', 'canary SILENT')}: ${since}; ${why}${detail}`];
  }
  if (canary.failure !== null)
    return [
      `canary: ${paint('yellow', 'none')}: it cannot be written on this node: ${oneLine(canary.failure, 300)}`,
    ];
  const [oldest] = canary.peers
    .filter(({ lastAt }) => lastAt !== null)
    .sort((a, b) => (a.lastAt ?? 0) - (b.lastAt ?? 0));
  if (oldest === undefined) return [];
  const { peer, latencyMs, lastAt } = oldest;
  const took = latencyMs === null ? '' : `${durationText(latencyMs)} after it was written, `;
  return [`canary: on ${oneLine(peer, 64)} ${took}${durationText(Math.max(0, now - (lastAt ?? now)))} ago`];
}
