import { type Ended, Failure } from '../core/failure.ts';
import type { Io } from './io.ts';
import { type NoticeAt, noticeLines } from './notice.ts';
import type { Status } from './status.ts';
import { toldStatus } from './told-status.ts';

/** Nobody waits for a prompt any longer than this, milliseconds. */
const patienceMs = 1000;
/** How often it is looked whether the last change has arrived, milliseconds. */
const pollMs = 100;

/**
 * Prints what root should know at login or logout. `otherwise`: what is known where no daemon answers. Ends with `done`
 * whatever is told; undefined where `otherwise` is missed, and nothing was printed then. Throws Failures.
 */
export async function toldNotice(
  options: { readonly config: string; readonly at: NoticeAt; readonly otherwise?: () => Promise<Status> },
  io: Io,
): Promise<Ended | undefined> {
  const { config, at, otherwise } = options;
  try {
    const found = (await settled(config, at)) ?? (await otherwise?.());
    if (found === undefined) return undefined;
    for (const line of noticeLines(found, at)) io.out(`bm-confsync: ${line}\n`);
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== 'daemon-timeout') throw error;
    io.out('bm-confsync: the daemon of this node does not answer: systemctl status bm-confsync\n');
  }
  return 'done';
}

/** What was saved right before a logout is on its way: a moment later it is there, and nothing to tell. */
async function settled(config: string, at: NoticeAt): Promise<Status | undefined> {
  const end = performance.now() + patienceMs;
  for (;;) {
    const found = await toldStatus(config, patienceMs);
    const isUnderWay = found?.peers.some(({ connected, pending }) => connected && pending > 0) ?? false;
    if (at === 'login' || !isUnderWay || performance.now() >= end) return found;
    // Not from node:timers/promises, which every start would load.
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}
