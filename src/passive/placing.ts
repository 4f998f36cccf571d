import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { lockFile } from '../files/native.ts';
import type { PlacingRight } from './node.ts';

/** How long the holder gets to finish its step and let go. */
const patienceMs = 5000;
const pollMs = 20;

/** What to call when the right is taken from a holder in this very process. */
const holders = new Map<string, () => void>();

/**
 * The placing right as a lock on a file. The kernel frees it when its holder dies, however it dies. The
 * holder's process id stands in the file, so that a new session can tell an old one to end.
 */
export function placingRight(file: string): PlacingRight {
  return {
    take: async (_peer, onLost) => {
      for (let waitedMs = 0; waitedMs <= patienceMs; waitedMs += pollMs) {
        const lock = lockFile(file);
        if (lock !== undefined) {
          writeFileSync(file, `${process.pid}\n`, { mode: 0o600 });
          holders.set(file, onLost);
          return {
            release: () => {
              holders.delete(file);
              lock.release();
            },
          };
        }
        if (waitedMs === 0) askHolderToEnd(file);
        await pause(pollMs);
      }
      return undefined;
    },
  };
}

function askHolderToEnd(file: string): void {
  const pid = Number.parseInt(readFileSync(file, 'utf8'), 10);
  if (pid === process.pid) return holders.get(file)?.();
  if (!Number.isSafeInteger(pid) || pid <= 1 || !isReceiver(pid)) return;
  process.kill(pid, 'SIGTERM');
}

/** The id in the file may be stale for the blink between a holder's death and the next one's entry. */
function isReceiver(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes('receive');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
