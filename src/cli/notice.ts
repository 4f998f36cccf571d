import { count, oneLine } from './render.ts';
import type { Status } from './status.ts';

/** When root is told: as a shell begins or as it ends. */
export type NoticeAt = 'login' | 'logout';

/** What takes no longer to arrive is nothing to tell who only just came, milliseconds. */
const shortLagMs = 1000;

/**
 * What root should know at login, or before logging out: lines that are safe on a terminal, none when all is well on the
 * active node. At the end only what is not on the other node is told.
 */
export function noticeLines(found: Status, at: NoticeAt): string[] {
  const { node, daemon, halt, ha, role, conflicts } = found;
  const lines: string[] = [];
  if (role === 'passive' && at === 'login') {
    const active = found.following?.active;
    const where = active === undefined ? 'the active node' : oneLine(active, 64);
    lines.push(`this is ${oneLine(node, 64)}, the passive node: edit on ${where}`);
  }
  if (!daemon) lines.push('the daemon does not run on this node: systemctl start bm-confsync');
  if (halt !== null) lines.push(`replication is halted, ${oneLine(halt, 200)}: bm-confsync status`);
  if (ha.state === 'disabled')
    lines.push(`HA is disabled, ${oneLine(ha.reason ?? 'no reason given', 200)}: bm-confsync ha enable`);
  if (conflicts > 0)
    lines.push(`${count(conflicts, 'conflict waits', 'conflicts wait')}: bm-confsync conflicts`);
  if (role === 'active') lines.push(...unsentLines(found, at));
  else if (at === 'login') lines.push(...cutOffLines(found));
  return lines;
}

function unsentLines({ daemon, ha, peers }: Status, at: NoticeAt): string[] {
  // Without a daemon nobody knows; a switch that is off explains the rest.
  if (!daemon || ha.state === 'disabled') return [];
  return peers.flatMap(({ name, connected, pending, lagMs, troubles }) => {
    const peer = oneLine(name, 64);
    const isLate = at === 'logout' || !connected || (lagMs ?? 0) > shortLagMs;
    const away = connected ? '' : ' (not connected)';
    const changes = count(pending, 'change');
    return [
      ...(pending > 0 && isLate ? [`${changes} not yet on ${peer}${away}: bm-confsync status`] : []),
      ...(pending === 0 && !connected && at === 'login'
        ? [`${peer} is not connected: bm-confsync status`]
        : []),
      ...(troubles.length > 0
        ? [`${count(troubles.length, 'path')} cannot be brought to ${peer}: bm-confsync status`]
        : []),
    ];
  });
}

/** Why this passive may no longer be what the active is. */
function cutOffLines({ daemon, ha, failover }: Status): string[] {
  if (!daemon || ha.state === 'disabled') return [];
  const told = new Set(['never-in-sync', 'stale', 'halted', 'held', 'watchlists-differ']);
  const reasons = (failover?.reasons ?? []).filter(({ code }) => told.has(code));
  if (reasons.length === 0) return [];
  return [
    `it could not take over, ${reasons.map(({ text }) => oneLine(text, 60)).join(', ')}: bm-confsync ready`,
  ];
}
