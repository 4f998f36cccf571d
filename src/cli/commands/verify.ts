import { type Config, loadConfig } from '../../config/load.ts';
import { askDaemon } from '../../control/client.ts';
import { type Ended, Failure } from '../../core/failure.ts';
import { printable } from '../../core/path.ts';
import type { Conflict } from '../../state/conflicts.ts';
import type { VerifyAnswer } from '../daemon/answers.ts';
import type { Io } from '../io.ts';
import { count, describeEntry, durationText, labels, paint } from '../render.ts';
import type { Compared, Verified } from '../verify-by-hand.ts';

export type VerifyCommand = {
  readonly config: string;
  readonly full: boolean;
  readonly diff: boolean;
  readonly mask: boolean;
  readonly json: boolean;
  readonly nagios: boolean;
};

/** Compares every peer with this node. Ends with `drift` when any differs. */
export async function verify(options: VerifyCommand, io: Io): Promise<Ended> {
  const start = performance.now();
  const config = loadConfig(options.config);
  const compared = config.peers.length === 0 ? [] : await throughDaemon(config, options.full);
  const isDone =
    compared.length > 0 &&
    compared.every(({ result }) => result !== undefined && (!options.diff || result.drift.length === 0));
  // What takes long to load is not needed where the daemon knows it all.
  const byHand = isDone ? undefined : await import('../verify-by-hand.ts');
  const shown = options.json ? { ...io, colour: false } : io;
  const peers = (await byHand?.verifyByHand(options, shown, compared)) ?? compared.flatMap(asVerified);
  const durationMs = performance.now() - start;
  const drifting = peers.reduce((sum, { result }) => sum + result.drift.length, 0);
  if (options.json) io.out(`${JSON.stringify(asJson(peers, durationMs))}\n`);
  else if (options.nagios) return nagios(peers, durationMs, io);
  else {
    const conflicts = drifting === 0 ? [] : await conflictsOf(options.config);
    for (const peer of peers) show(peer, { node: config.node, durationMs, io, conflicts });
  }
  return drifting === 0 ? 'done' : 'drift';
}

/**
 * Asks the daemon, whose session with each peer is open: both nodes look at their disks all the same. No result for the
 * peers that it has no session with; none at all where no daemon runs that can be asked.
 */
async function throughDaemon(config: Config, full: boolean): Promise<Compared[]> {
  try {
    const asked = await askDaemon({ runtime: config.runtime, command: 'verify', args: { full } });
    if (!asked.answered) return [];
    const { peers } = asked.value as VerifyAnswer;
    return config.peers.map(({ name }) => ({
      name,
      result: peers.find((peer) => peer.name === name)?.result ?? undefined,
    }));
  } catch (error) {
    // It went away, or is older than this command. Nothing is changed by asking again.
    if (error instanceof Failure && ['daemon-gone', 'unknown-request'].includes(error.code)) return [];
    throw error;
  }
}

function asVerified({ name, result }: Compared): Verified[] {
  return result === undefined ? [] : [{ name, result, diffs: [] }];
}

async function conflictsOf(configFile: string): Promise<Conflict[]> {
  const { knownConflicts } = await import('../verify-by-hand.ts');
  return knownConflicts(configFile);
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
