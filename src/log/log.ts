import { fstatSync } from 'node:fs';
import { createLogger, format, transports } from 'winston';
import type { Event, Log } from '../core/event.ts';
import { printable } from '../core/path.ts';
import { discreet } from './discreet.ts';
import { gathered, type Line } from './gathered.ts';
import { Repeats } from './repeats.ts';
import { type LogLevel, sentenceOf } from './sentences.ts';

/** Priorities of syslog(3), which journald reads from the beginning of a line. */
const priorities = { error: 3, warn: 4, notice: 5, info: 6, debug: 7 } as const satisfies Record<
  LogLevel,
  number
>;

export type LogOptions = {
  readonly format: 'text' | 'json';
  /** Events below this level are left out. */
  readonly level: LogLevel;
  /** Default: standard error. */
  readonly stream?: NodeJS.WritableStream;
  /** Whether lines begin with a priority, and carry no time. Default: whether the journal reads standard error. */
  readonly journal?: boolean;
  /** Milliseconds since 1970. Default: the clock. */
  readonly now?: () => number;
};

/**
 * Opens a log of one line an event: `TIME LEVEL KIND: SENTENCE`, or the event itself as JSON with `time`,
 * `level` and `message`. Control characters are escaped, whatever a peer or a file name holds. The same failure
 * again and again is shown at most once a minute, with how often it happened (`times` in JSON), and what commands said about
 * a file is left out.
 */
export function openLog(options: LogOptions): Log {
  const now = options.now ?? Date.now;
  const journal = options.journal ?? isJournal(process.env['JOURNAL_STREAM']);
  const write = options.stream === undefined ? toStandardError() : writerTo(options.stream);
  const repeats = new Repeats();
  return function log(whole: Event): void {
    const at = now();
    const showing = repeats.judge(whole, at);
    if (showing.kind === 'hide') return;
    const { times, others } = showing;
    const event = discreet(whole);
    const { level, text } = sentenceOf(event);
    // A receiver places thousands of files, and tells nobody.
    if (priorities[level] > priorities[options.level]) return;
    const counted = times > 1 ? `${text} (${times} times since the last such line)` : text;
    const message = others > 0 ? `${counted} (${others} like it, of other paths, were left out)` : counted;
    const counts = { ...(times > 1 ? { times } : {}), ...(others > 0 ? { others } : {}) };
    const time = new Date(at).toISOString();
    const line =
      options.format === 'json'
        ? asJson({ time, level, ...event, message, ...counts })
        : `${journal ? '' : `${time} `}${level} ${event.kind}: ${printable(message)}`;
    write({ level, message: journal ? `<${priorities[level]}>${line}` : line });
  };
}

type Write = (line: Line<LogLevel>) => void;

let standardError: Write | undefined;

/** One for all logs of the process. */
function toStandardError(): Write {
  standardError ??= gathered(writerTo(process.stderr), process);
  return standardError;
}

function writerTo(stream: NodeJS.WritableStream): Write {
  const transport = new transports.Stream({ stream, eol: '\n' });
  // A line that nobody can take, as on a full disk, must not stop replication; there is no place to say so.
  stream.on('error', () => undefined);
  const logger = createLogger({
    levels: priorities,
    // What is not to be shown does not come here.
    level: 'debug' satisfies LogLevel,
    format: format.printf((line) => String(line.message)),
    transports: [transport],
  });
  return (line) => void logger.log(line);
}

/** Whether this process's standard error is the journal's stream, see systemd.exec(5). */
function isJournal(variable: string | undefined): boolean {
  if (variable === undefined) return false;
  const { dev, ino } = fstatSync(2);
  return variable === `${dev}:${ino}`;
}

/** One line: what JSON leaves as it is but a terminal would obey becomes an escape. */
function asJson(value: object): string {
  return JSON.stringify(value).replace(
    /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
