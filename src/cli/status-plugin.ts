import { neverReplicated } from '../core/failure.ts';
import type { Measure, PluginLine } from './plugin-line.ts';
import { count, durationText } from './render.ts';
import type { Status } from './status.ts';

/** `critical`: nothing is replicated now. `warning`: it is, but something waits for a person. */
type Finding = { readonly state: 'warning' | 'critical'; readonly text: string };
type PeerStatus = Status['peers'][number];

/** Changes that wait longer than this are told, seconds. */
const longestLag = 60;

/** What a monitor is told of a status, on the active node as on the passive one. `now`: milliseconds since 1970. */
export function statusPlugin(found: Status, now: number): PluginLine {
  const findings = [
    ...daemonFindings(found),
    ...switchFindings(found, now),
    ...(found.role === 'active' ? activeFindings(found) : passiveFindings(found)),
    ...conflictFindings(found),
  ].toSorted((a, b) => Number(b.state === 'critical') - Number(a.state === 'critical'));
  const [worst] = findings;
  const { node, role } = found;
  if (worst === undefined)
    return { state: 'ok', texts: [healthy(found, now)], measures: measuresOf(found, now) };
  const texts = findings.map(({ text }, index) => (index === 0 ? `${node} (${role}): ${text}` : text));
  return { state: worst.state, texts, measures: measuresOf(found, now) };
}

/** What a monitor is told of a daemon that has not answered in time. */
export function silentPlugin(detail: string): PluginLine {
  return { state: 'critical', texts: [`the daemon does not answer: ${detail}`], measures: [] };
}

function critical(text: string): Finding[] {
  return [{ state: 'critical', text }];
}

function warning(text: string): Finding[] {
  return [{ state: 'warning', text }];
}

function daemonFindings({ daemon, halt }: Status): Finding[] {
  if (!daemon) return critical('the daemon does not run, start it with systemctl start bm-confsync');
  return halt === null ? [] : critical(`halted: ${halt}`);
}

function switchFindings({ ha }: Status, now: number): Finding[] {
  if (ha.state === 'enabled') return [];
  const since = ha.since === null ? '' : ` since ${durationText(Math.max(0, now - ha.since))}`;
  return warning(`HA disabled${since}: ${ha.reason ?? 'no reason given'}`);
}

function conflictFindings({ conflicts }: Status): Finding[] {
  if (conflicts === 0) return [];
  return warning(`${count(conflicts, 'conflict waits', 'conflicts wait')}, see bm-confsync conflicts`);
}

function activeFindings(found: Status): Finding[] {
  const { daemon, ha, peers, troubles, watching, failover } = found;
  if (peers.length === 0) return critical('there is no peer, so nothing is replicated');
  // Nobody else knows, and a switch that is off explains the rest.
  if (!daemon || ha.state === 'disabled') return [];
  const reached = peers.some(({ connected, state }) => connected || state === 'suspended');
  const skipped = countSkipped(troubles);
  return [
    ...peers.flatMap((peer) => peerFindings(peer, reached ? warning : critical)),
    ...(skipped === 0
      ? []
      : warning(`${count(skipped, 'path')} cannot be read or sent, see bm-confsync status`)),
    ...(watching.degraded === null ? [] : warning(`watching is degraded: ${watching.degraded}`)),
    // The daemon runs and is connected, and what changes may go unnoticed all the same.
    ...(failover?.reasons ?? []).flatMap(({ code, text }) =>
      code === 'canary-silent' ? critical(text) : [],
    ),
  ];
}

function peerFindings(peer: PeerStatus, unreached: (text: string) => Finding[]): Finding[] {
  const { name, connected, detail, pending, troubles, hookFailures, watchlistsAgree } = peer;
  const lag = lagSeconds(peer);
  return [
    ...(connected ? [] : unreached(`${name} is not connected${detail === null ? '' : ` (${detail})`}`)),
    ...(lag > longestLag
      ? warning(
          `${count(pending, 'change')} not yet on ${name}, the oldest since ${durationText(lag * 1000)}`,
        )
      : []),
    ...(troubles.length === 0
      ? []
      : warning(`${count(troubles.length, 'path')} cannot be brought to ${name}, see bm-confsync status`)),
    ...(hookFailures.length === 0
      ? []
      : warning(`${count(hookFailures.length, 'hook')} failed on ${name}, see bm-confsync status`)),
    ...(watchlistsAgree === false ? warning(`the watchlists of ${name} differ from ours`) : []),
  ];
}

/** Reasons that are told in another way here, or pass by themselves. */
const toldElsewhere: ReadonlySet<string> = new Set(['no-daemon', 'ha-disabled', 'conflicts', 'pending']);
/** Reasons for which nothing comes here any more. */
const cutOff: ReadonlySet<string> = new Set(['never-in-sync', 'stale', 'halted']);

function passiveFindings({ failover, ha, watching }: Status): Finding[] {
  // A daemon of an earlier version does not tell.
  const reasons = (failover?.reasons ?? []).filter(({ code }) => !toldElsewhere.has(code));
  return [
    ...reasons.flatMap(({ code, text }) => {
      // While the switch is off, silence is what was asked for.
      return cutOff.has(code) && ha.state === 'enabled' ? critical(text) : warning(text);
    }),
    ...(watching.degraded === null ? [] : warning(`watching is degraded: ${watching.degraded}`)),
  ];
}

function healthy({ node, role, epoch, peers, following }: Status, now: number): string {
  if (role === 'passive') {
    const heardAt = following?.heardAt ?? null;
    const heard = heardAt === null ? '' : `, heard ${durationText(Math.max(0, now - heardAt))} ago`;
    return `${node} is passive and can take over; it follows ${following?.active ?? 'nobody'}${heard}`;
  }
  const told = peers.map(({ name, state, pending }) => {
    if (state === 'reconciling') return `${name} is being compared`;
    return pending === 0 ? `${name} has all` : `${count(pending, 'change')} on the way to ${name}`;
  });
  return `${node} is active, epoch ${epoch}; ${told.join(', ')}`;
}

/** The same labels on both nodes, so that a curve goes on after a failover; none whose number nobody knows. */
function measuresOf(found: Status, now: number): Measure[] {
  const { role, conflicts, following, peers } = found;
  const measures: Measure[] = [{ label: 'conflicts', value: conflicts, warning: '0' }];
  if (role === 'passive') {
    if (following === null || following === undefined) return measures;
    const { pending, heardAt } = following;
    if (pending !== null) measures.push({ label: 'pending', value: pending });
    if (heardAt !== null)
      measures.push({ label: 'heard', value: Math.max(0, now - heardAt) / 1000, unit: 's' });
    return measures;
  }
  if (!found.daemon) return measures;
  const skipped = countSkipped(found.troubles);
  const most = (of: (peer: PeerStatus) => number): number => Math.max(0, ...peers.map(of));
  measures.push(
    { label: 'pending', value: most(({ pending }) => pending) },
    { label: 'held', value: most(({ troubles }) => troubles.length) + skipped, warning: '0' },
    { label: 'lag', value: most(lagSeconds), unit: 's', warning: String(longestLag) },
    {
      label: 'connected',
      value: peers.filter(({ connected }) => connected).length,
      warning: `${peers.length}:`,
      critical: '1:',
      max: peers.length,
    },
  );
  return measures;
}

/** How old the oldest change is that a peer lacks; what the last one took is no lag any more. */
function lagSeconds({ pending, lagMs }: PeerStatus): number {
  return pending > 0 && lagMs !== null ? Math.max(0, lagMs) / 1000 : 0;
}

function countSkipped(troubles: Status['troubles']): number {
  return troubles.filter(({ reason }) => !neverReplicated.has(reason)).length;
}
