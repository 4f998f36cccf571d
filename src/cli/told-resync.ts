import { fileStamp, quickRuntime } from '../config/runtime.ts';
import { askDaemon } from '../control/client.ts';
import type { Ended } from '../core/failure.ts';
import type { ResyncAnswer } from './daemon/answers.ts';
import type { Io } from './io.ts';
import { showResynced } from './render-resync.ts';

/**
 * `resync --yes` of everything where the daemon can do it: it runs, by the configuration as it is now. Undefined otherwise,
 * also where it is not plain where to ask; nothing was done and nothing printed then. Throws Failures.
 */
export async function toldResync(
  { config, form }: { readonly config: string; readonly form: 'json' | 'text' },
  io: Io,
): Promise<Ended | undefined> {
  const runtime = quickRuntime(config);
  const configuration = fileStamp(config);
  if (runtime === undefined || configuration === undefined) return undefined;
  const asked = await askDaemon({ runtime, command: 'resync', args: { paths: [], configuration } });
  if (!asked.answered) return undefined;
  const { peers } = asked.value as ResyncAnswer;
  // It has no peer, or has read another configuration: there is more to be said than it knows.
  return peers.length === 0 ? undefined : showResynced(peers, form, io);
}
