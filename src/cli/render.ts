import type { Entry } from '../core/entry.ts';
import { printable } from '../core/path.ts';
import type { Io } from './io.ts';

export type Colour = 'red' | 'green' | 'yellow' | 'cyan' | 'bold' | 'dim';
const codes: Record<Colour, number> = { red: 31, green: 32, yellow: 33, cyan: 36, bold: 1, dim: 2 };

/** Text in colour where the terminal wants it. Colour is never the only sign. */
export function paint(io: Io, colour: Colour, text: string): string {
  return io.colour ? `\u001b[${codes[colour]}m${text}\u001b[0m` : text;
}

/** Foreign text that is safe to show, cut at `longest` UTF-16 units. */
export function oneLine(text: string, longest = 300): string {
  return printable(text.length > longest ? `${text.slice(0, longest)}…` : text);
}

/**
 * What of a line fits a terminal that is `columns` wide; what was cut shows as `…`. Colours take no room and end with
 * the line. Wide letters of East Asia take two columns, marks that combine none.
 */
export function fit(line: string, columns: number): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: our own colours are what this looks for
  const parts = [...line.matchAll(/(\u001b\[[0-9;]*m)|\P{M}\p{M}*|\p{M}+/gsu)].map(([text, colour]) => ({
    text,
    isColour: colour !== undefined,
    width: colour === undefined ? widthOf(text) : 0,
  }));
  if (parts.reduce((sum, { width }) => sum + width, 0) <= columns) return line;
  let width = 1;
  let kept = '';
  for (const part of parts) {
    width += part.width;
    if (width > columns) break;
    kept += part.text;
  }
  return `${kept}…${parts.some(({ isColour }) => isColour) ? '\u001b[0m' : ''}`;
}

function widthOf(part: string): number {
  const wide =
    /^[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f000}-\u{3ffff}]/u;
  return wide.test(part) ? 2 : 1;
}

/** One line about an entry, for a person. */
export function describeEntry(entry: Entry | undefined): string {
  if (entry === undefined) return 'never agreed on';
  switch (entry.kind) {
    case 'absent':
      return 'absent';
    case 'file':
      return `file ${modeText(entry.mode)} ${printable(`${entry.owner}:${entry.group}`)} ${sizeText(entry.size)} sha256 ${entry.digest.slice(0, 12)}${xattrText(entry)}`;
    case 'directory':
      return `directory ${modeText(entry.mode)} ${printable(`${entry.owner}:${entry.group}`)}${xattrText(entry)}`;
    case 'symlink':
      return `symlink to ${printable(entry.target)}, ${printable(`${entry.owner}:${entry.group}`)}`;
  }
}

function modeText(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}

function xattrText(entry: { xattrs: Readonly<Record<string, string>> }): string {
  const names = Object.keys(entry.xattrs);
  return names.length === 0 ? '' : ` with ${names.map(printable).join(', ')}`;
}

/** Bytes in the unit that suits them. */
export function sizeText(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes / 1024;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value.toFixed(1)} ${units[unit]}`;
}

/** Milliseconds in the unit that suits them. */
export function durationText(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min ${Math.floor((ms % 60_000) / 1000)} s`;
  return `${Math.floor(ms / 3_600_000)} h ${Math.floor((ms % 3_600_000) / 60_000)} min`;
}

/** Labels with a colon, padded to one width, so that what follows them stands in one column. */
export function labels(names: readonly string[]): string[] {
  const width = Math.max(0, ...names.map((name) => printable(name).length)) + 1;
  return names.map((name) => `${printable(name)}:`.padEnd(width));
}

/** `1 path`, `2 paths`. */
export function count(n: number, one: string, many = `${one}s`): string {
  // The tables of locales would take longer to load than the whole command.
  return `${String(n).replace(/\B(?=(\d{3})+$)/g, ',')} ${n === 1 ? one : many}`;
}
