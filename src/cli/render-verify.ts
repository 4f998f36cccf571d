import type { PeerDrift } from '../active/verify.ts';
import type { Ended } from '../core/failure.ts';
import { printable } from '../core/path.ts';
import type { Conflict } from '../state/conflicts.ts';
import type { Io } from './io.ts';
import { type Measure, pluginLine } from './plugin-line.ts';
import { count, describeEntry, durationText, labels, paint } from './render.ts';

/** One peer as it was compared. `diffs`: texts to show, where they were asked for. */
export type Verified = {
  readonly name: string;
  readonly result: PeerDrift;
  readonly diffs: readonly string[];
};

export type VerifyShown = {
  /** This node. */
  readonly node: string;
  readonly form: 'text' | 'json' | 'nagios';
  readonly durationMs: number;
  /** What is known to be held, to be named beside what differs. */
  readonly conflicts: readonly Conflict[];
};

/** How many paths differ, of all peers. */
export function driftOf(peers: readonly Verified[]): number {
  return peers.reduce((sum, { result }) => sum + result.drift.length, 0);
}

/** Prints what verify found. Ends with `drift` when any peer differs. */
export function showVerified(peers: readonly Verified[], shown: VerifyShown, io: Io): Ended {
  if (shown.form === 'nagios') return nagios(peers, shown.durationMs, io);
  if (shown.form === 'json') io.out(`${JSON.stringify(asJson(peers, shown.durationMs))}\n`);
  else for (const peer of peers) show(peer, shown, io);
  return driftOf(peers) === 0 ? 'done' : 'drift';
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

function show({ name, result, diffs }: Verified, { node, durationMs, conflicts }: VerifyShown, io: Io): void {
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
  const drift = driftOf(peers);
  const checked = Math.max(0, ...peers.map(({ result }) => result.checked));
  const state = drift === 0 ? 'ok' : 'critical';
  const text = drift === 0 ? 'in sync' : differ(drift);
  const measures: Measure[] = [
    { label: 'drift', value: drift, warning: '0', critical: '0' },
    { label: 'checked', value: checked },
    { label: 'time', value: durationMs / 1000, unit: 's' },
  ];
  io.out(pluginLine({ state, texts: [`${text}, ${count(checked, 'path')} checked`], measures }));
  return state;
}
