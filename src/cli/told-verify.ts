import { fileStamp, quickRuntime } from '../config/runtime.ts';
import { askDaemon } from '../control/client.ts';
import { type Ended, Failure } from '../core/failure.ts';
import type { VerifyAnswer } from './daemon/answers.ts';
import type { Io } from './io.ts';
import { driftOf, showVerified, type Verified, type VerifyShown } from './render-verify.ts';

export type ToldVerify = {
  readonly config: string;
  readonly full: boolean;
  readonly diff: boolean;
  readonly form: VerifyShown['form'];
};

/**
 * `verify` where the daemon can do all of it: it runs by the configuration as it is now, has a session with every peer,
 * and nothing differs that would have to be looked up or fetched to be shown. Undefined otherwise, also where it is not
 * plain where to ask; nothing was printed then, and nothing is changed by asking again. Throws Failures.
 */
export async function toldVerify(options: ToldVerify, io: Io): Promise<Ended | undefined> {
  const start = performance.now();
  const { config, full, diff, form } = options;
  const runtime = quickRuntime(config);
  if (runtime === undefined) return undefined;
  const answer = await ask(runtime, full);
  if (answer === undefined || answer.configuration !== fileStamp(config)) return undefined;
  const peers = answer.peers.flatMap(({ name, result }): Verified[] =>
    result === null ? [] : [{ name, result, diffs: [] }],
  );
  if (peers.length === 0 || peers.length < answer.peers.length) return undefined;
  if (driftOf(peers) > 0 && (diff || form === 'text')) return undefined;
  const durationMs = performance.now() - start;
  return showVerified(peers, { node: answer.node, form, durationMs, conflicts: [] }, io);
}

async function ask(runtime: string, full: boolean): Promise<VerifyAnswer | undefined> {
  try {
    const asked = await askDaemon({ runtime, command: 'verify', args: { full } });
    return asked.answered ? (asked.value as VerifyAnswer) : undefined;
  } catch (error) {
    // It went away, or is older than this command.
    if (error instanceof Failure && ['daemon-gone', 'unknown-request'].includes(error.code)) return undefined;
    throw error;
  }
}
