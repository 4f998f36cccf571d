import { type Config, loadConfig } from '../../config/load.ts';
import { askDaemon } from '../../control/client.ts';
import { type Ended, Failure } from '../../core/failure.ts';
import type { Conflict } from '../../state/conflicts.ts';
import type { VerifyAnswer } from '../daemon/answers.ts';
import type { Io } from '../io.ts';
import { driftOf, showVerified, type Verified } from '../render-verify.ts';
import type { Compared } from '../verify-by-hand.ts';

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
  const form = options.json ? 'json' : options.nagios ? 'nagios' : 'text';
  const conflicts = driftOf(peers) === 0 || form !== 'text' ? [] : await conflictsOf(options.config);
  return showVerified(peers, { node: config.node, form, durationMs, conflicts }, io);
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
