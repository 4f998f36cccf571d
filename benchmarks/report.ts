import type { Verdict } from './bar.ts';
import type { Machine, Versions } from './machine.ts';
import type { Result, RowResult, Size } from './row.ts';
import { durationText } from './statistics.ts';
import { type SurveyResult, verdictOf } from './survey.ts';

/** When and with which program something was measured that this report takes over from an older one. */
type TakenOver = { readonly earlier?: string };

export type Report = {
  /** ISO 8601. */
  readonly made: string;
  /** How long it took, seconds. */
  readonly tookSeconds: number;
  readonly machine: Machine;
  readonly versions: Versions;
  readonly size: Size;
  readonly rows: readonly (RowResult & TakenOver)[];
  readonly surveys: readonly (SurveyResult & TakenOver)[];
};

/** A report of some rows, with all others as an older report has them, which says so. In the order of the older one. */
export function takeOver(report: Report, older: Report): Report {
  const earlier = `${older.made.slice(0, 10)}, ${older.versions['bm-confsync']}`;
  function merged<T extends { readonly name: string } & TakenOver>(
    fresh: readonly T[],
    old: readonly T[],
  ): T[] {
    const kept = old.map((one) => fresh.find(({ name }) => name === one.name) ?? { earlier, ...one });
    return [...kept, ...fresh.filter(({ name }) => !old.some((one) => one.name === name))];
  }
  return {
    ...report,
    rows: merged(report.rows, older.rows),
    surveys: merged(report.surveys, older.surveys),
  };
}

function titleOf({ title, earlier }: { readonly title: string } & TakenOver): string {
  return earlier === undefined ? title : `${title} (${earlier})`;
}

const startMarker = '<!-- bench:start -->';
const endMarker = '<!-- bench:end -->';

/** All of it as Markdown: the machine, one table a row with its bars, and what each peer is. */
export function renderReport(report: Report): string {
  const peers = new Map(
    report.rows.flatMap(({ results }) => results.map(({ peer, about }) => [peer, about])),
  );
  return [
    describe(report),
    '',
    ...report.rows.flatMap(renderRow),
    ...report.surveys.flatMap(renderSurvey),
    ...[...peers].map(([peer, about]) => `- **${peer}**: ${about}.`),
    '',
  ].join('\n');
}

/** What the README shows: the plot, one line a row, one a bar, and where the rest is. */
export function renderSummary(
  report: Report,
  files: { readonly plot: string; readonly all: string },
): string {
  return [
    describe(report),
    '',
    `![Medians of every row, on a logarithmic scale](${files.plot})`,
    '',
    ...medians(report.rows),
    ...bars(report),
    `[All rows](${files.all}) with p99, spread and what each time means; [how to run them](benchmarks/README.md).`,
    '',
  ].join('\n');
}

/** One sentence after the other about where and how it was measured. */
export function describe({ made, tookSeconds, machine, versions, size }: Report): string {
  const names = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return (
    `Measured ${made.slice(0, 10)} in ${Math.round(tookSeconds / 60)} minutes on ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ` +
    `${machine.kernel}, ${machine.fileSystem}; trees of ${size.files} files unless a row says otherwise; both nodes on this machine, over a real sshd. ` +
    `${names.join(', ')}. ` +
    'Peers in turns; every result was compared by rsync and diff before its time counted. ' +
    'A row that names a day and a program was taken over from an earlier run. A time of bm-confsync and of bare ends when the change is durable on the passive node, one of the others when it is there, which a power cut may undo.'
  );
}

/** The columns of the summary, and the peers that each stands for, the best first. */
const columns = [
  ['bm-confsync', ['bm-confsync', 'bm-confsync resync, daemons up', 'bm-confsync resync']],
  ['bare', ['bare', 'bare walk', 'node -e 0']],
  ['rsync', ['rsync', 'rsync -z']],
  ['rsync, warm ssh', ['rsync, warm ssh']],
  ['lsyncd', ['lsyncd, delay 0']],
  ['csync2', ['csync2']],
  ['unison', ['unison']],
] as const;

function medians(rows: Report['rows']): string[] {
  if (rows.length === 0) return [];
  return [
    `| median | ${columns.map(([name]) => name).join(' | ')} |`,
    `|---|${columns.map(() => '--:|').join('')}`,
    ...rows.map((row) => {
      const { results } = row;
      const cells = columns.map(([, peers]) => {
        const found = results.find(
          ({ peer, kind }) => (peers as readonly string[]).includes(peer) && kind === 'measured',
        );
        return found?.kind === 'measured' ? durationText(found.summary.median) : '';
      });
      return `| ${titleOf(row)} | ${cells.join(' | ')} |`;
    }),
    '',
  ];
}

function bars({ rows, surveys }: Report): string[] {
  const lines = [
    ...rows.flatMap((row) =>
      row.verdicts.map(
        ({ text, found, verdict }) => `| ${titleOf(row)} | ${text} | ${found} | ${shown(verdict)} |`,
      ),
    ),
    ...surveys.flatMap((survey) => {
      if (survey.kind === 'failed')
        return [`| ${titleOf(survey)} | | failed: ${inCell(survey.reason)} | **not judged** |`];
      const judged = survey.figures.filter(({ atMost }) => atMost !== undefined);
      return judged.map(
        (figure) =>
          `| ${titleOf(survey)} | ${figure.name} at most ${figure.atMost} ${figure.unit} | ${valueText(figure.value)} ${figure.unit} | ${shown(verdictOf(figure))} |`,
      );
    }),
  ];
  if (lines.length === 0) return [];
  return ['| | bar | found | |', '|---|---|---|---|', ...lines, ''];
}

function shown(verdict: string): string {
  return verdict === 'met' ? 'met' : `**${verdict}**`;
}

export function renderRow(row: Report['rows'][number]): string[] {
  const { name, results, verdicts } = row;
  return [
    `**${titleOf(row)}** (\`${name}\`)`,
    '',
    '| | median | p99 or max | middle half | samples |',
    '|---|--:|--:|--:|--:|',
    ...results.map(renderResult),
    '',
    ...verdicts.map(renderVerdict),
    ...(verdicts.length === 0 ? [] : ['']),
  ];
}

function renderVerdict({ text, found, verdict }: Verdict): string {
  return `- ${shown(verdict)}: ${text}; found ${found}`;
}

function renderResult(result: Result): string {
  if (result.kind !== 'measured')
    return `| ${result.peer} | ${result.kind}: ${inCell(result.reason)} | | | |`;
  const { median, high, quartiles, samples } = result.summary;
  const middle = quartiles.map(durationText).join(' – ');
  return `| ${result.peer} | ${durationText(median)} | ${high.kind} ${durationText(high.value)} | ${middle} | ${samples} |`;
}

export function renderSurvey(survey: Report['surveys'][number]): string[] {
  const head = [`**${titleOf(survey)}** (\`${survey.name}\`)`, ''];
  if (survey.kind === 'failed') return [...head, `failed: ${inCell(survey.reason)}`, ''];
  return [
    ...head,
    '| | | bar | |',
    '|---|--:|--:|---|',
    ...survey.figures.map((figure) => {
      const bar = figure.atMost === undefined ? '' : `at most ${figure.atMost}`;
      return `| ${figure.name} | ${valueText(figure.value)} ${figure.unit} | ${bar} | ${verdictOf(figure)} |`;
    }),
    '',
  ];
}

function valueText(value: number): string {
  return value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}

function inCell(text: string): string {
  return text.replace(/\s+/g, ' ').replaceAll('|', '\\|').slice(0, 200);
}

/** The text with the report between its markers; undefined where the markers are not there. */
export function insertReport(text: string, markdown: string): string | undefined {
  const start = text.indexOf(startMarker);
  const end = text.indexOf(endMarker);
  if (start < 0 || end < start) return undefined;
  return `${text.slice(0, start + startMarker.length)}\n${markdown.trim()}\n${text.slice(end)}`;
}
