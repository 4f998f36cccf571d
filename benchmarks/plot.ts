import type { RowResult } from './row.ts';
import { durationText } from './statistics.ts';

/** Ours stands out; the limit is dark; the others are told apart by colour and by the order of their marks. */
const colours: readonly (readonly [RegExp, string])[] = [
  [/^bm-confsync$/, '#0b7a3b'],
  [/^bm-confsync/, '#6fbf8b'],
  [/^(bare|node)/, '#333333'],
  [/^rsync$/, '#c2410c'],
  [/^rsync/, '#f59e5b'],
  [/^lsyncd/, '#2563eb'],
  [/^csync2/, '#7c3aed'],
  [/^unison/, '#be185d'],
];
const otherColour = '#777777';

const width = 980;
const left = 300;
const right = 90;
const lineHeight = 15;
const rowGap = 14;
const titleHeight = 16;
const top = 34;

type Mark = { readonly peer: string; readonly median: number; readonly high: number };
type Group = { readonly title: string; readonly marks: readonly Mark[] };

/**
 * An SVG of the medians: one group a row, one bar a peer, thin up to the p99 or maximum, on a logarithmic
 * scale. Undefined where nothing was measured.
 */
export function renderPlot(rows: readonly RowResult[]): string | undefined {
  const groups = rows.map(groupOf).filter(({ marks }) => marks.length > 0);
  const all = groups.flatMap(({ marks }) => marks);
  if (all.length === 0) return undefined;
  const low = 10 ** Math.floor(Math.log10(Math.min(...all.map(({ median }) => median))));
  const high = 10 ** Math.ceil(Math.log10(Math.max(...all.map((mark) => mark.high))));
  const decades = Math.max(1, Math.log10(high / low));
  const x = (ms: number): number => left + (Math.log10(ms / low) / decades) * (width - left - right);
  const body: string[] = [];
  let y = top;
  for (const group of groups) {
    body.push(...renderGroup(group, y, x));
    y += titleHeight + group.marks.length * lineHeight + rowGap;
  }
  const height = y + 4;
  const ticks = Array.from({ length: Math.round(decades) + 1 }, (_, index) => low * 10 ** index);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="Helvetica, Arial, sans-serif" font-size="11">`,
    '<title>Times of bm-confsync and its peers, logarithmic; shorter is better</title>',
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...ticks.map((ms) => renderTick(x(ms), ms, height)),
    ...body,
    '</svg>',
    '',
  ].join('\n');
}

function groupOf({ title, results }: RowResult): Group {
  const marks = results.flatMap((result) =>
    result.kind === 'measured'
      ? [{ peer: result.peer, median: result.summary.median, high: result.summary.high.value }]
      : [],
  );
  return { title, marks };
}

function renderTick(x: number, ms: number, height: number): string {
  const text = ms >= 1000 ? `${ms / 1000} s` : `${ms} ms`;
  return (
    `<line x1="${x.toFixed(1)}" x2="${x.toFixed(1)}" y1="22" y2="${height}" stroke="#e5e5e5"/>` +
    `<text x="${x.toFixed(1)}" y="16" text-anchor="middle" fill="#555555">${text}</text>`
  );
}

function renderGroup(group: Group, y: number, x: (ms: number) => number): string[] {
  const lines = [
    `<text x="8" y="${y + 11}" font-weight="bold" fill="#111111">${escaped(group.title)}</text>`,
  ];
  for (const [index, { peer, median, high }] of group.marks.entries()) {
    const middle = y + titleHeight + index * lineHeight + lineHeight / 2;
    const colour = colours.find(([pattern]) => pattern.test(peer))?.[1] ?? otherColour;
    const bold = peer === 'bm-confsync' ? ' font-weight="bold"' : '';
    const end = Math.max(x(median), left + 1);
    lines.push(
      `<text x="${left - 8}" y="${middle + 4}" text-anchor="end" fill="#333333"${bold}>${escaped(peer)}</text>`,
      `<rect x="${left}" y="${middle - 5}" width="${(end - left).toFixed(1)}" height="10" fill="${colour}"/>`,
      `<line x1="${end.toFixed(1)}" x2="${x(high).toFixed(1)}" y1="${middle}" y2="${middle}" stroke="${colour}" stroke-width="2"/>`,
      `<text x="${(Math.max(end, x(high)) + 5).toFixed(1)}" y="${middle + 4}" fill="#333333"${bold}>${durationText(median)}</text>`,
    );
  }
  return lines;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('`', '');
}
