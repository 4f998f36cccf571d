import type { Io } from './io.ts';
import { paint } from './render.ts';

/** Columns that are as wide as their widest cell, with a head; the last one ends where it ends. Cells are safe to show. */
export function table(io: Io, head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((name, column) =>
    Math.max(name.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => (column === cells.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join('  ');
  return [paint(io, 'dim', line(head)), ...rows.map(line)].map((text) => `${text}\n`).join('');
}
