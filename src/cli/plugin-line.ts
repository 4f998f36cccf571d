import type { nagiosCodes } from '../core/failure.ts';
import { printable } from '../core/path.ts';

/** What a monitoring plugin ends with. */
export type PluginState = keyof typeof nagiosCodes;

/** One number of the performance data. */
export type Measure = {
  /** A plain word: nothing in it has to be quoted. */
  readonly label: string;
  readonly value: number;
  /** Default: a count. */
  readonly unit?: 's';
  /** Ranges as the guidelines write them: `0` is everything above 0. Default: none. */
  readonly warning?: string;
  readonly critical?: string;
  /** The least and the most that it can be. Default of `min`: 0; `max`: unknown. */
  readonly min?: number;
  readonly max?: number;
};

export type PluginLine = {
  readonly state: PluginState;
  /** What is found, the worst first; may hold anything, also what is escaped already. */
  readonly texts: readonly string[];
  readonly measures: readonly Measure[];
};

/** What a person reads on a pager; the commands that the texts name tell the rest. Units of UTF-16, of one text. */
const most = { texts: 6, units: 400 };

/**
 * One line with its newline, as https://www.monitoring-plugins.org/doc/guidelines.html has it. Whatever the texts hold
 * ends neither the line nor, with a bar, its first half.
 */
export function pluginLine({ state, texts, measures }: PluginLine): string {
  const shown = texts.slice(0, most.texts).map(plain);
  const more = texts.length > shown.length ? [`and ${texts.length - shown.length} more`] : [];
  const perfdata = measures.length === 0 ? '' : ` | ${measures.map(measured).join(' ')}`;
  return `BM-CONFSYNC ${state.toUpperCase()} - ${[...shown, ...more].join('; ')}${perfdata}\n`;
}

function plain(text: string): string {
  const cut = text.length > most.units ? `${text.slice(0, most.units)}...` : text;
  // All but backslashes: with them, what was escaped before would be escaped twice.
  return cut.replaceAll(/[^\\]+/g, printable).replaceAll('|', '/');
}

function measured({ label, value, unit, warning = '', critical = '', min = 0, max }: Measure): string {
  const number = unit === 's' ? `${value.toFixed(3)}s` : String(value);
  return `${label}=${number};${warning};${critical};${min};${max ?? ''}`;
}
