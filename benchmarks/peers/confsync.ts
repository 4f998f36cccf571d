import { join } from 'node:path';
import type { DaemonProcess, Pair } from '../../test/rig/pair.ts';
import type { Following, Peer } from '../peer.ts';
import { TraceFile, untilAcked } from '../trace-file.ts';

const deadlineMs = 300_000;

/** Where the pair's processes write that a change is durable; see `openSeries`. */
export function ackFileOf(folder: string): string {
  return join(folder, 'acks');
}

async function verifyWith(pair: Pair, flags: readonly string[]): Promise<boolean> {
  const { code, stdout, stderr } = await pair.bm('active', ['verify', ...flags, '--json']);
  if (code !== 0 && code !== 1) throw new Error(`verify ended with ${code}: ${stderr}`);
  const { inSync } = JSON.parse(stdout) as { inSync: boolean };
  if (inSync !== (code === 0)) throw new Error(`verify says inSync ${inSync} and ends with ${code}`);
  return inSync;
}

/** The daemons of both nodes, after their first reconcile. Disposing ends them. */
export type Both = AsyncDisposable & { readonly active: DaemonProcess; readonly passive: DaemonProcess };

export async function runBoth(pair: Pair): Promise<Both> {
  // A million files are read for the first time on both nodes.
  const deadlines = { deadlineMs: 900_000 };
  await using held = new AsyncDisposableStack();
  const start = async (node: 'active' | 'passive'): Promise<DaemonProcess> => {
    const daemon = await pair.startDaemon(node, deadlines);
    held.defer(async () => {
      await daemon.stop();
    });
    return daemon;
  };
  const passive = await start('passive');
  const active = await start('active');
  // What changes before anything was agreed on waits for a person.
  const { code, stderr } = await pair.bm('active', ['flush', '--timeout', '900s']);
  if (code !== 0) throw new Error(`flush ended with ${code}: ${stderr}`);
  const kept = held.move();
  return { active, passive, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

async function follow(pair: Pair): Promise<Following> {
  await using held = new AsyncDisposableStack();
  const acks = held.use(new TraceFile(ackFileOf(pair.folder)));
  held.use(await runBoth(pair));
  const kept = held.move();
  return {
    durable: (paths, sinceMs) =>
      untilAcked(
        acks,
        paths.map((path) => `/${path}`),
        { sinceMs, deadlineMs },
      ),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

export const confsync: Peer = {
  name: 'bm-confsync',
  about:
    'this program over the same sshd, `run` on both nodes; a change counts when its ack is there, which comes after fsync on the passive node: no power cut loses it',
  follow,
  serve: runBoth,
  copy: (pair) => resync(pair),
  verify: (pair) => verifyWith(pair, []),
};

/** Reads every file on both nodes again, as `rsync -c` does. */
export const confsyncFull: Peer = {
  name: 'bm-confsync --full',
  about: '`verify --full`: every file is read again on both nodes',
  serve: runBoth,
  verify: (pair) => verifyWith(pair, ['--full']),
};

/** Through the daemon of the active node, as one would after the restore of the passive one. */
export const confsyncResyncServed: Peer = {
  name: 'bm-confsync resync, daemons up',
  about: '`resync --yes` while both daemons run, from the start of the command to its end; durable',
  serve: runBoth,
  copy: (pair) => resync(pair),
};

/** By the command alone, with no daemon on either node. */
export const confsyncResync: Peer = {
  name: 'bm-confsync resync',
  about: '`resync --yes` without a daemon, from the start of the command to its end; durable',
  copy: (pair) => resync(pair),
};

async function resync(pair: Pair): Promise<void> {
  const ran = await pair.bm('active', ['resync', '--yes', '--json'], { timeoutMs: deadlineMs });
  if (ran.code !== 0) throw new Error(`resync ended with ${ran.code}: ${ran.stdout}${ran.stderr}`);
}
