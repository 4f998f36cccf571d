import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { now } from './clock.ts';

/** One line of BM_CONFSYNC_TRACE. `atMs` is of the clock of `now`. */
export type Passed = { readonly atMs: number; readonly station: string; readonly path: string };

/** Reads what processes append to a trace, while they do. */
export class TraceFile implements Disposable {
  readonly path: string;
  readonly #fd: number;
  #offset = 0;
  #rest = '';

  /** Makes the file where there is none. */
  constructor(path: string) {
    this.path = path;
    this.#fd = openSync(path, 'a+', 0o600);
  }

  /** The lines that were written since the last call. */
  read(): Passed[] {
    const bytes = Buffer.alloc(Math.max(0, fstatSync(this.#fd).size - this.#offset));
    if (bytes.length === 0) return [];
    this.#offset += readSync(this.#fd, bytes, 0, bytes.length, this.#offset);
    const lines = (this.#rest + bytes.toString('utf8')).split('\n');
    this.#rest = lines.pop() ?? '';
    return lines.map(parseLine);
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

function parseLine(line: string): Passed {
  const [at = '', station = '', ...path] = line.split(' ');
  return { atMs: Number(at) / 1e6, station, path: path.join(' ') };
}

/** A later ack of the same path, after a push that met an unfinished write, comes within this time. */
const graceMs = 15;

/**
 * Resolves with the time of the last ack, when each of the paths was acked after `sinceMs`: the moment from
 * which a power cut loses none of them. Reads at intervals; the times are the writers' own. Throws after the
 * deadline with what is missing.
 */
export async function untilAcked(
  trace: TraceFile,
  paths: readonly string[],
  times: { readonly sinceMs: number; readonly deadlineMs: number },
): Promise<number> {
  const missing = new Set(paths);
  const wanted = new Set(paths);
  let last = 0;
  const take = (): void => {
    for (const { atMs, station, path } of trace.read()) {
      if (station !== 'acked' || atMs < times.sinceMs || !wanted.has(path)) continue;
      missing.delete(path);
      last = Math.max(last, atMs);
    }
  };
  for (take(); missing.size > 0; take()) {
    if (now() > times.sinceMs + times.deadlineMs) {
      const [first] = missing;
      throw new Error(`${missing.size} paths not acked within ${times.deadlineMs} ms, first: ${first}`);
    }
    await pause(3);
  }
  await pause(graceMs);
  take();
  return last;
}
