import type { Machine, Versions } from './machine.ts';
import type { Result, RowResult, Size } from './row.ts';

export type Report = {
  /** ISO 8601. */
  readonly made: string;
  readonly machine: Machine;
  readonly versions: Versions;
  readonly size: Size;
  readonly rows: readonly RowResult[];
};

const startMarker = '<!-- bench:start -->';
const endMarker = '<!-- bench:end -->';

/** The report as Markdown: the machine, one table a row, and what each peer is. */
export function renderReport(report: Report): string {
  const { machine, versions } = report;
  const peers = new Map(
    report.rows.flatMap(({ results }) => results.map(({ peer, about }) => [peer, about])),
  );
  return [
    `Measured ${report.made.slice(0, 10)} on ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ` +
      `${machine.kernel}, ${machine.fileSystem}; both nodes on this machine, over a real sshd on loopback. ` +
      `${Object.entries(versions)
        .map(([name, version]) => `${name} ${version}`)
        .join(', ')}. ` +
      'Peers in turns; every result was compared by rsync and diff before its time counted.',
    '',
    ...report.rows.flatMap(renderRow),
    ...[...peers].map(([peer, about]) => `- **${peer}**: ${about}.`),
    '',
  ].join('\n');
}

function renderRow({ title, results }: RowResult): string[] {
  return [
    `**${title}**`,
    '',
    '| | median | p99 or max | middle half | samples |',
    '|---|--:|--:|--:|--:|',
    ...results.map(renderResult),
    '',
  ];
}

function renderResult(result: Result): string {
  if (result.kind === 'failed') return `| ${result.peer} | failed: ${inCell(result.reason)} | | | |`;
  const { median, high, quartiles, samples } = result.summary;
  const middle = quartiles.map(durationText).join(' – ');
  return `| ${result.peer} | ${durationText(median)} | ${high.kind} ${durationText(high.value)} | ${middle} | ${samples} |`;
}

function inCell(text: string): string {
  return text.replace(/\s+/g, ' ').replaceAll('|', '\\|').slice(0, 200);
}

/** Three digits that count, in ms or s. */
export function durationText(ms: number): string {
  if (ms >= 1000) return `${(ms / 1000).toFixed(ms >= 10_000 ? 1 : 2)} s`;
  return `${ms.toFixed(ms >= 100 ? 0 : ms >= 10 ? 1 : 2)} ms`;
}

/** The text with the report between its markers; undefined where the markers are not there. */
export function insertReport(text: string, markdown: string): string | undefined {
  const start = text.indexOf(startMarker);
  const end = text.indexOf(endMarker);
  if (start < 0 || end < start) return undefined;
  return `${text.slice(0, start + startMarker.length)}\n${markdown.trim()}\n${text.slice(end)}`;
}
