import { quickRuntime } from '../config/runtime.ts';
import { askDaemon } from '../control/client.ts';
import type { Exit } from '../core/failure.ts';
import type { Io } from './io.ts';
import { fit, paint } from './render.ts';
import type { Status } from './status.ts';
import { statusLines } from './status-view.ts';

/**
 * What the daemon says, without reading the rest of the configuration: it knows better than what is written down, which
 * takes longer to open than it takes to ask. Undefined where none answers, or it is not plain where to ask. Throws
 * Failures.
 */
export async function toldStatus(config: string): Promise<Status | undefined> {
  const runtime = quickRuntime(config);
  if (runtime === undefined) return undefined;
  const asked = await askDaemon({ runtime, command: 'status', args: {} });
  return asked.answered ? (asked.value as Status) : undefined;
}

/** Prints a status. `halted` when halted; `drift` when something waits for a person. */
export function showStatus(found: Status, json: boolean, io: Io): Exit {
  if (json) io.out(`${JSON.stringify(found)}\n`);
  else {
    const lines = statusLines(found, { now: Date.now(), paint: (colour, text) => paint(io, colour, text) });
    // A terminal gets lines that it can show; what reads a pipe gets them whole.
    for (const line of lines) io.out(`${io.columns === undefined ? line : fit(line, io.columns)}\n`);
  }
  if (found.halt !== null) return 'halted';
  return found.conflicts > 0 ||
    found.ha.state === 'disabled' ||
    found.peers.some(({ connected }) => !connected)
    ? 'drift'
    : 'done';
}
