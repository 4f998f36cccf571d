import type { Reason } from './failure.ts';
import { printable } from './path.ts';
import { type Role, type Switch, switchAt } from './seat.ts';

/** What the active last said about this node. */
export type LastStanding = {
  /** Changes of the active that were not here yet. */
  readonly pending: number;
  readonly conflicts: number;
  readonly halt: string | null;
  /** Paths that could not be brought here, with a Reason; the first of them if there are many. */
  readonly held: readonly (readonly [path: string, reason: string])[];
  /** When it was heard by this node's clock, milliseconds since 1970. */
  readonly at: number;
};

export type ReadinessFacts = {
  readonly role: Role;
  readonly ha: Switch;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly daemonRunning: boolean;
  /** Undefined: never heard. */
  readonly standing: LastStanding | undefined;
  /** A session of the active is open now. */
  readonly connected: boolean;
  /** How old the last standing may be, milliseconds. */
  readonly staleAfterMs: number;
  /** Those that this node knows of, edits made here among them; `paths`: the first of them. */
  readonly conflicts: { readonly count: number; readonly paths: readonly string[] };
  /** Undefined: not known. */
  readonly watchlistsAgree: boolean | undefined;
};

export type NotReadyCode =
  | 'is-active'
  | 'ha-disabled'
  | 'no-daemon'
  | 'never-in-sync'
  | 'stale'
  | 'halted'
  | 'watchlists-differ'
  | 'conflicts'
  | 'held'
  | 'pending';

/** `detail`: a sentence for an operator, safe on a terminal, that ends with what to do. */
export type NotReady = { readonly code: NotReadyCode; readonly detail: string };

export type Readiness = {
  /** True exactly when there is no reason against it. */
  readonly ready: boolean;
  readonly reasons: readonly NotReady[];
  /** What an operator should know and what does not stand in the way. */
  readonly notes: readonly string[];
};

/** Whether this passive could take over now, with every reason why not; those first that explain others. */
export function readiness(facts: ReadinessFacts): Readiness {
  if (facts.role === 'active') {
    const detail =
      'this node is active already: there is nothing to take over; ask the passive with `bm-confsync ready` there';
    return { ready: false, reasons: [{ code: 'is-active', detail }], notes: [] };
  }
  const reasons = [
    ...switchReasons(facts),
    ...daemonReasons(facts),
    ...hearingReasons(facts),
    ...haltReasons(facts),
    ...watchlistReasons(facts),
    ...conflictReasons(facts),
    ...heldReasons(facts),
    ...pendingReasons(facts),
  ];
  return { ready: reasons.length === 0, reasons, notes: notesOf(facts) };
}

function switchReasons({ ha, now }: ReadinessFacts): NotReady[] {
  const setting = switchAt(ha, now);
  if (setting.state === 'enabled') return [];
  const end = setting.until === undefined ? '' : `, and for ${span(setting.until - now)} more`;
  const detail = `replication is disabled here since ${span(now - setting.since)} by ${shown(setting.by)} (${shown(setting.reason)})${end}: when that work is done, run \`bm-confsync ha enable\``;
  return [{ code: 'ha-disabled', detail }];
}

function daemonReasons({ daemonRunning }: ReadinessFacts): NotReady[] {
  if (daemonRunning) return [];
  const detail =
    'the daemon does not run on this node, so edits made here go unnoticed: run `systemctl start bm-confsync`, and see its log if it stops again';
  return [{ code: 'no-daemon', detail }];
}

function hearingReasons({ standing, now, staleAfterMs }: ReadinessFacts): NotReady[] {
  if (standing === undefined) {
    const detail =
      'the active has never told this node that both are in sync: run `bm-confsync status` on the active, and mend what keeps it from connecting here';
    return [{ code: 'never-in-sync', detail }];
  }
  const ageMs = now - standing.at;
  if (ageMs < 0 && -ageMs > staleAfterMs) {
    const detail = `the last word of the active is dated ${span(-ageMs)} ahead of this node's clock, so nobody knows its age: set the clock right, then run \`bm-confsync verify\` on the active`;
    return [{ code: 'stale', detail }];
  }
  if (ageMs <= staleAfterMs) return [];
  const detail = `the active was last heard ${span(ageMs)} ago, more than ${span(staleAfterMs)}; what it changed since is not here: run \`bm-confsync status\` on the active, or if it is gone for good, promote this node without those changes`;
  return [{ code: 'stale', detail }];
}

function haltReasons({ standing }: ReadinessFacts): NotReady[] {
  if (standing === undefined || standing.halt === null) return [];
  const detail = `the active has halted replication (${shown(standing.halt)}): look at what it would do with \`bm-confsync status\` there, then run \`bm-confsync resume\` there`;
  return [{ code: 'halted', detail }];
}

function watchlistReasons({ watchlistsAgree }: ReadinessFacts): NotReady[] {
  if (watchlistsAgree !== false) return [];
  const detail =
    'the watchlists of the two nodes differ, so some paths are not replicated: compare `bm-confsync watchlist list` on both, make the files the same, and restart both daemons';
  return [{ code: 'watchlists-differ', detail }];
}

function conflictReasons({ conflicts, standing }: ReadinessFacts): NotReady[] {
  const known = Math.max(conflicts.count, standing?.conflicts ?? 0);
  if (known === 0) return [];
  const { paths } = conflicts;
  const more = paths.length > 0 && conflicts.count > paths.length ? ' and others' : '';
  const where =
    paths.length === 0 ? ' (the active knows the paths)' : `: ${paths.map(shown).join(', ')}${more}`;
  const verb = known === 1 ? 'waits' : 'wait';
  const detail = `${counted(known, 'conflict')} ${verb} for a decision, so this node does not hold what the active holds${where}. See \`bm-confsync conflicts list\`, and settle each with \`bm-confsync conflicts resolve ID --take active\` or \`--take passive\``;
  return [{ code: 'conflicts', detail }];
}

/** What helps against the reasons that a person can do something about. */
const remedies: Readonly<Partial<Record<Reason, string>>> = {
  'validator-failed': 'its validator refused it here: correct the file on the active',
  'group-failed': 'another file of its group could not be brought here: mend that one first',
  'outside-watchlist': 'give this node the watchlists of the active',
  'too-large': 'raise `limits.maxFileSize` on both nodes, or exclude it in the watchlist',
  'low-disk': 'free space on this node',
  'no-space': 'free space on this node',
  'read-only': 'mount its file system writable on this node',
  'unknown-owner': 'create its owner and group on this node',
  'not-confined': 'replace the symbolic link above it on this node by a directory',
  'no-xattrs': 'give this node a file system that takes its extended attributes',
  'unsupported-type': 'exclude it in the watchlist',
};

function heldReasons({ standing }: ReadinessFacts): NotReady[] {
  return (standing?.held ?? []).map(([path, reason]) => {
    const known = Object.entries(remedies).find(([name]) => name === reason)?.[1];
    const remedy = known === undefined ? '' : `${known}; `;
    const detail = `${shown(path)} could not be brought here (${shown(reason)}): ${remedy}see \`bm-confsync explain ${shown(path)}\` on the active`;
    return { code: 'held', detail };
  });
}

function pendingReasons({ standing, now }: ReadinessFacts): NotReady[] {
  if (standing === undefined || standing.pending === 0) return [];
  const detail = `${counted(standing.pending, 'change')} of the active had not arrived when it was last heard, ${heard(standing, now)}: run \`bm-confsync flush\` on the active, and ask again`;
  return [{ code: 'pending', detail }];
}

function notesOf({ connected, standing, now }: ReadinessFacts): string[] {
  if (connected || standing === undefined) return [];
  const { pending, conflicts, halt, held } = standing;
  const inSync = pending === 0 && conflicts === 0 && halt === null && held.length === 0;
  const then = inSync ? 'in sync' : 'not in sync';
  return [`not connected right now; ${then} when the active was last heard, ${heard(standing, now)}`];
}

function heard({ at }: LastStanding, now: number): string {
  return at > now ? `${span(at - now)} ahead of this clock` : `${span(now - at)} ago`;
}

/** Longest piece of foreign text that a sentence repeats, UTF-16 units. */
const longestText = 300;

function shown(text: string): string {
  return printable(text.length > longestText ? `${text.slice(0, longestText)}...` : text);
}

function counted(n: number, one: string): string {
  return `${n} ${one}${n === 1 ? '' : 's'}`;
}

/** `40 s`, `5 min`, `3 h`, `2 days`. Milliseconds; never below zero, since clocks are set back. */
function span(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} days`;
}
