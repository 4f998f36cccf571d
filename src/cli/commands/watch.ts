import { setTimeout as pause } from 'node:timers/promises';
import { loadConfig } from '../../config/load.ts';
import { askDaemon } from '../../control/client.ts';
import { type Exit, Failure } from '../../core/failure.ts';
import type { Io } from '../io.ts';
import { paint } from '../render.ts';
import { openScreen } from '../screen.ts';
import { type Watched, watchLines } from '../watch-view.ts';

/** Between two attempts to reach the daemon, and between two pictures of it silent, milliseconds. */
const pollMs = 1000;
/** A daemon that tells nothing for so long does not answer, milliseconds. It tells every second. */
const silenceMs = 3500;

export type WatchCommand = { readonly config: string; readonly json: boolean };

/**
 * Shows how this node is, every second, until it is ended: on a terminal as one picture, otherwise as blocks of lines,
 * with `json` as one object a line. Goes on while the daemon is away.
 */
export async function watchStatus(options: WatchCommand, io: Io): Promise<Exit> {
  const { runtime } = loadConfig(options.config);
  if (io.columns !== undefined && !options.json) return onScreen(runtime, io);
  const ending = new AbortController();
  const quit = (): void => ending.abort();
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT'] as const) process.once(signal, quit);
  process.stdout.once('error', quit);
  await listen(runtime, ending.signal, (watched) => {
    if (options.json) io.out(`${JSON.stringify({ at: Date.now(), ...watched })}\n`);
    else io.out(`${watchLines(watched, { ...viewOf(io), ...unlimited, keys: false }).join('\n')}\n\n`);
  });
  return 'done';
}

/** Blocks of lines for a file or a pipe are whole. */
const unlimited = { columns: 10_000, rows: 1000 };

function viewOf(io: Io): { now: number; unicode: boolean; paint: (colour: Colour, text: string) => string } {
  const { LC_ALL, LC_CTYPE, LANG } = process.env;
  const unicode = /utf-?8/i.test(LC_ALL || LC_CTYPE || LANG || '');
  return { now: Date.now(), unicode, paint: (colour, text) => paint(io, colour, text) };
}

type Colour = Parameters<typeof paint>[1];

async function onScreen(runtime: string, io: Io): Promise<Exit> {
  const ending = new AbortController();
  let last: Watched = { told: undefined, silentSince: undefined };
  using screen = openScreen({ onQuit: () => ending.abort(), onResize: () => draw() });
  function draw(): void {
    screen.draw(watchLines(last, { ...viewOf(io), ...screen.size(), keys: screen.keys }));
  }
  draw();
  await listen(runtime, ending.signal, (watched) => {
    last = watched;
    draw();
  });
  return 'done';
}

/** Calls back with each picture, at least every second, until the signal comes. */
async function listen(
  runtime: string,
  signal: AbortSignal,
  onPicture: (watched: Watched) => void,
): Promise<void> {
  let told: Watched['told'];
  let silentSince: number | undefined;
  let heardAt = Date.now();
  const silent = setInterval(() => {
    if (Date.now() - heardAt < silenceMs && silentSince === undefined) return;
    silentSince ??= heardAt;
    onPicture({ told, silentSince });
  }, pollMs);
  try {
    while (!signal.aborted) {
      await ask(runtime, signal, (value) => {
        told = value as Watched['told'];
        heardAt = Date.now();
        silentSince = undefined;
        onPicture({ told, silentSince });
      });
      if (signal.aborted) return;
      silentSince ??= Date.now();
      await pause(pollMs, undefined, { signal }).catch(endedBy(signal));
    }
  } finally {
    clearInterval(silent);
  }
}

/** Returns when the daemon is not there or went away. Throws Failures of a daemon that is there and refuses. */
async function ask(
  runtime: string,
  signal: AbortSignal,
  onProgress: (value: unknown) => void,
): Promise<void> {
  try {
    await askDaemon({ runtime, command: 'watch', args: {}, onProgress, signal });
  } catch (error) {
    if (signal.aborted || (error instanceof Failure && error.code === 'daemon-gone')) return;
    throw error;
  }
}

/** That a pause was ended is no failure. */
function endedBy(signal: AbortSignal): (error: unknown) => void {
  return (error) => {
    if (!signal.aborted) throw error;
  };
}
