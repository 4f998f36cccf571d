import type { Told } from './daemon/tap.ts';
import { durationText, fit, oneLine } from './render.ts';
import type { Status } from './status.ts';
import { type StatusView, statusLines } from './status-view.ts';
import { timeText } from './times.ts';

/** What is known when a picture is drawn. */
export type Watched = {
  /** Undefined until the daemon has told for the first time. */
  readonly told: (Partial<Told> & { readonly status: Status }) | undefined;
  /** Since when the daemon does not answer, milliseconds since 1970; undefined while it does. */
  readonly silentSince: number | undefined;
};

export type WatchView = StatusView & {
  readonly columns: number;
  readonly rows: number;
  /** Whether the terminal can show more than ASCII. */
  readonly unicode: boolean;
  /** Whether a key ends it. */
  readonly keys: boolean;
};

/** A picture of the node: never more than `rows` lines, none wider than `columns`. */
export function watchLines(watched: Watched, view: WatchView): string[] {
  const { columns, rows, now, paint } = view;
  const title = `bm-confsync status --watch   ${timeText(now)}${view.keys ? '   q quits' : ''}`;
  const lines = [paint('dim', title), ...silence(watched, view)];
  const { told } = watched;
  if (told !== undefined) {
    lines.push(...statusLines(told.status, view), ...flow(told, view));
    lines.push(...lastEvents(told, { ...view, room: rows - lines.length }));
  }
  const shown = lines.length <= rows ? lines : [...lines.slice(0, rows - 1), '… enlarge the terminal'];
  return shown.slice(0, rows).map((line) => fit(line, columns));
}

function silence({ told, silentSince }: Watched, { now, paint }: WatchView): string[] {
  if (silentSince === undefined) return [];
  const since = `daemon not answering since ${timeText(silentSince).slice(11)} (${durationText(Math.max(0, now - silentSince))})`;
  return [
    `${paint('red', since)}${told === undefined ? '; systemctl start bm-confsync' : '; what follows was true then'}`,
  ];
}

/** How much goes over and how long it takes. Nothing on a passive, which sends nothing. */
function flow({ status, seconds }: NonNullable<Watched['told']>, view: WatchView): string[] {
  if (status.role !== 'active' || seconds === undefined) return [];
  // The current second is not over yet.
  const over = seconds.slice(0, -1);
  const last = over.at(-1)?.pushed ?? 0;
  const minute = over.reduce((sum, { pushed }) => sum + pushed, 0);
  const lags = over.map(({ lagMs }) => lagMs);
  const longest = Math.max(0, ...lags);
  const room = Math.max(10, Math.min(lags.length, view.columns - 30));
  return [
    `rate: ${last} a second, ${minute} in the last minute`,
    `lag:  ${sparkline(lags.slice(-room), view.unicode)} ${longest === 0 ? 'nothing was sent' : `at most ${durationText(longest)}`}`,
  ];
}

const blocks = '▁▂▃▄▅▆▇█';
const letters = '_.-=+*%#';

/** One letter a value, the highest for the largest; a dot in the middle, or a space, where there is none. */
export function sparkline(values: readonly number[], unicode: boolean): string {
  const largest = Math.max(...values, 0);
  const steps = unicode ? blocks : letters;
  return values
    .map((value) => {
      if (value <= 0) return unicode ? '·' : ' ';
      return steps.charAt(Math.min(steps.length - 1, Math.floor((value / largest) * (steps.length - 1))));
    })
    .join('');
}

function lastEvents(
  { events }: NonNullable<Watched['told']>,
  { room, paint }: WatchView & { readonly room: number },
): string[] {
  if (events === undefined || events.length === 0 || room < 2) return [];
  const shown = events.slice(-(room - 1)).map(({ at, level, kind, text }) => {
    const grave = level === 'error' || level === 'warn' ? `${level} ` : '';
    const name = `${grave}${kind}`;
    const coloured = level === 'error' ? paint('red', name) : level === 'warn' ? paint('yellow', name) : name;
    return `  ${timeText(at).slice(11)} ${coloured}: ${oneLine(text, 300)}`;
  });
  return ['last events:', ...shown];
}
