import { quickRuntime } from '../config/runtime.ts';
import { askDaemon } from '../control/client.ts';
import { type Ended, type Exit, Failure } from '../core/failure.ts';
import type { Io } from './io.ts';
import { type PluginLine, pluginLine } from './plugin-line.ts';
import { fit, paint } from './render.ts';
import type { Status } from './status.ts';
import { silentPlugin, statusPlugin } from './status-plugin.ts';
import { statusLines } from './status-view.ts';

/**
 * What the daemon says, without reading the rest of the configuration: it knows better than what is written down, which
 * takes longer to open than it takes to ask. Undefined where none answers, or it is not plain where to ask. Throws
 * Failures, `daemon-timeout` when it has not answered after `timeoutMs`; default: it may take as long as it likes.
 */
export async function toldStatus(config: string, timeoutMs?: number): Promise<Status | undefined> {
  const runtime = quickRuntime(config);
  if (runtime === undefined) return undefined;
  const limit = timeoutMs === undefined ? {} : { timeoutMs };
  const asked = await askDaemon({ runtime, command: 'status', args: {}, ...limit });
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

/** How long a daemon has for the answer to a monitor, milliseconds: less than monitors give a plugin. */
export const pluginPatienceMs = 5000;

/**
 * What a monitor is told, of what the daemon says or `otherwise`, where it does not run. Undefined where `otherwise` is.
 * Throws Failures.
 */
export async function toldPlugin(config: string, otherwise: () => Promise<Status>): Promise<PluginLine>;
export async function toldPlugin(config: string): Promise<PluginLine | undefined>;
export async function toldPlugin(
  config: string,
  otherwise?: () => Promise<Status>,
): Promise<PluginLine | undefined> {
  try {
    const found = (await toldStatus(config, pluginPatienceMs)) ?? (await otherwise?.());
    return found && statusPlugin(found, Date.now());
  } catch (error) {
    // It runs, so that this node looks well from outside, and does nothing.
    if (error instanceof Failure && error.code === 'daemon-timeout') return silentPlugin(error.message);
    throw error;
  }
}

/** Prints the line of a plugin. */
export function showPlugin(line: PluginLine, io: Io): Ended {
  io.out(pluginLine(line));
  return line.state;
}
