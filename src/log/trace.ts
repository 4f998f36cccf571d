import { openSync, writeSync } from 'node:fs';

/** Where one change is on its way from the event to both ledgers, in order. Design, section 3. */
export const stations = [
  /** Active: the system told that the path changed. */
  'event',
  /** Active: it was read, hashed and found stable. */
  'observed',
  /** Active: a lane has taken it and decided what to send. */
  'planned',
  /** Active: the push was handed to the link. */
  'sent',
  /** Passive: the push was decoded. */
  'received',
  /** Passive: admitted, and its content is under a temporary name. */
  'staged',
  /** Passive: the contents of its batch are durable under their temporary names. */
  'synced',
  /** Passive: in place, and that is durable. */
  'durable',
  /** Active: the ack came. */
  'acked',
] as const;

export type Station = (typeof stations)[number];

type Trace = { readonly fd: number; readonly only: ReadonlySet<string> | undefined };

const trace = openTrace(process.env['BM_CONFSYNC_TRACE'], process.env['BM_CONFSYNC_TRACE_ONLY']);

/** Whether anybody wants to know. What costs something to find out is found out only then. */
export const tracing = trace !== undefined;

let gathered = '';

/**
 * Appends a line to the file that the variable BM_CONFSYNC_TRACE names: nanoseconds of the monotonic clock,
 * which all processes of a machine share, the station, and the path. BM_CONFSYNC_TRACE_ONLY names the
 * stations that are wanted, with commas between them; default: all. The lines of one turn of the event loop are written at its
 * end, so that what is measured is not the writing. For benchmarks; without the variable it does nothing.
 */
export function passed(station: Station, path: string): void {
  if (trace === undefined || trace.only?.has(station) === false) return;
  if (gathered === '') setImmediate(write);
  gathered += `${process.hrtime.bigint()} ${station} ${path}\n`;
}

/** One write in append mode: the lines of several processes stay whole. */
function write(): void {
  if (trace !== undefined && gathered !== '') writeSync(trace.fd, gathered);
  gathered = '';
}

function openTrace(file: string | undefined, only: string | undefined): Trace | undefined {
  if (file === undefined || file === '') return undefined;
  process.on('exit', write);
  return {
    fd: openSync(file, 'a', 0o600),
    only: only === undefined || only === '' ? undefined : new Set(only.split(',')),
  };
}
