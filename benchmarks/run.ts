import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { checkout } from '../test/rig/program.ts';
import { describeMachine, describeVersions } from './machine.ts';
import { renderPlot } from './plot.ts';
import {
  describe,
  insertReport,
  type Report,
  renderReport,
  renderRow,
  renderSummary,
  renderSurvey,
  takeOver,
} from './report.ts';
import { measure, type Row, type RowResult, type Size } from './row.ts';
import { rows, surveys } from './suite.ts';
import { type Survey, type SurveyResult, takeSurvey } from './survey.ts';

const usage = `usage: npm run bench -- [ROW...] [--files N] [--peers P,P] [--repeat N] [--share N] [--quick] [--long] [--update] [--list]
rows: ${[...rows, ...surveys].map(({ name }) => name).join(', ')}
--files N   files in the tree, 5 KB each; default 5000; rows that speak of more have a multiple of it
--peers P,P only these, by their names, no space after a comma between two; bars that name others are left out
--repeat N  samples of each peer; default depends on the row
--share N   percent of each row's samples, at least 2; default 100
--quick     250 files, 2 samples
--long      with the rows that take minutes each: ${namesOf(surveys.filter(({ long }) => long === true))}
--update    writes these rows, at their default size, among those that are in benchmarks/results, which stay as they are
--list      what each row does, and nothing else
All rows at the default size are written to benchmarks/results and into README.md; less is only printed, unless --update.
`;

const bytesPerFile = 5000;
const filesPerDirectory = 20;
const defaultFiles = 5000;

type Asked = {
  readonly list: boolean;
  readonly rows: readonly Row[];
  readonly surveys: readonly Survey[];
  readonly size: Size;
  readonly repeat: number | undefined;
  /** All rows at their default size: what is worth publishing. */
  readonly whole: boolean;
  /** To be published among older ones. */
  readonly update: boolean;
};

function namesOf(all: readonly { readonly name: string }[]): string {
  return all.map(({ name }) => name).join(', ');
}

/** Undefined where the arguments are wrong. */
function parse(argv: string[]): Asked | undefined {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      files: { type: 'string' },
      peers: { type: 'string' },
      repeat: { type: 'string' },
      share: { type: 'string', default: '100' },
      quick: { type: 'boolean', default: false },
      long: { type: 'boolean', default: false },
      update: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
    },
  });
  const files = Number(values.files ?? (values.quick ? 250 : defaultFiles));
  const repeat = values.repeat === undefined ? (values.quick ? 2 : undefined) : Number(values.repeat);
  const share = Number(values.share);
  const known = positionals.every((name) => [...rows, ...surveys].some((row) => row.name === name));
  if (!known || ![files, repeat ?? 1, share].every((value) => Number.isInteger(value) && value > 0))
    return undefined;
  const all = positionals.length === 0;
  const wanted = values.peers?.split(/,(?! )/);
  return {
    list: values.list,
    rows: rows
      .filter(({ name }) => all || positionals.includes(name))
      .map((row) => (wanted === undefined ? row : among(row, wanted)))
      .map((row) => ({ ...row, repeat: Math.max(2, Math.round((row.repeat * share) / 100)) })),
    surveys: surveys.filter(({ name, long }) =>
      all ? long !== true || values.long || values.list : positionals.includes(name),
    ),
    size: {
      files,
      bytes: files * bytesPerFile,
      directories: Math.ceil(files / filesPerDirectory),
      changed: Math.min(1000, Math.ceil(files / 5)),
      seed: 1,
    },
    repeat,
    whole: all && wanted === undefined && files === defaultFiles && repeat === undefined,
    update: values.update && wanted === undefined && files === defaultFiles,
  };
}

function among(row: Row, wanted: readonly string[]): Row {
  return {
    ...row,
    peers: row.peers.filter(({ name }) => wanted.includes(name)),
    bars: row.bars.filter(({ against }) => wanted.includes(against)),
  };
}

function list({ rows, surveys, size }: Asked): string {
  const lines = [...rows, ...surveys].map((row) => {
    const title = row.title(row.scale?.(size) ?? size);
    return `${row.name.padEnd(22)} ${title}${'long' in row && row.long === true ? ' (long)' : ''}\n`;
  });
  return lines.join('');
}

const folder = join(checkout, 'benchmarks', 'results');

function readLatest(): Report {
  return JSON.parse(readFileSync(join(folder, 'latest.json'), 'utf8')) as Report;
}

function publish(report: Report): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'latest.json'), `${JSON.stringify(report, null, 1)}\n`);
  writeFileSync(join(folder, 'latest.md'), renderReport(report));
  const plot = renderPlot(report.rows);
  if (plot !== undefined) writeFileSync(join(folder, 'latest.svg'), plot);
  const files = { plot: 'benchmarks/results/latest.svg', all: 'benchmarks/results/latest.md' };
  const readme = join(checkout, 'README.md');
  const text = existsSync(readme)
    ? insertReport(readFileSync(readme, 'utf8'), renderSummary(report, files))
    : undefined;
  if (text === undefined) process.stderr.write('README.md has no place for the report\n');
  else writeFileSync(readme, text);
}

async function take(asked: Asked, signal: AbortSignal): Promise<Report> {
  const start = performance.now();
  const said = (name: string, more: string): boolean => {
    const seconds = ((performance.now() - start) / 1000).toFixed(0);
    return process.stderr.write(`${seconds.padStart(5)} s  ${name}: ${more}\n`);
  };
  // First, since it builds what is measured.
  const about = { machine: describeMachine(), versions: describeVersions() };
  const measured: RowResult[] = [];
  for (const row of asked.rows) {
    said(row.name, namesOf(row.peers));
    const result = await measure(row, { ...asked, signal });
    measured.push(result);
    process.stdout.write(`${renderRow(result).join('\n')}\n`);
  }
  const taken: SurveyResult[] = [];
  for (const survey of asked.surveys) {
    signal.throwIfAborted();
    said(survey.name, survey.title(survey.scale?.(asked.size) ?? asked.size));
    const result = await takeSurvey(survey, asked.size);
    taken.push(result);
    process.stdout.write(`${renderSurvey(result).join('\n')}\n`);
  }
  said('all', 'done; what was measured is removed now, which takes minutes after a whole run');
  const tookSeconds = (performance.now() - start) / 1000;
  const made = new Date().toISOString();
  return { made, tookSeconds, ...about, size: asked.size, rows: measured, surveys: taken };
}

async function main(): Promise<number> {
  const asked = parse(process.argv.slice(2));
  if (asked === undefined) {
    process.stderr.write(usage);
    return 2;
  }
  if (asked.list) {
    process.stdout.write(list(asked));
    return 0;
  }
  // Daemons, trees and network namespaces do not outlive the run. A second signal ends it at once.
  const stopping = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.once(name, () => stopping.abort(new Error(`stopped by ${name}`)));
  const report = await take(asked, stopping.signal);
  process.stdout.write(`${describe(report)}\n`);
  if (asked.whole) publish(report);
  else if (asked.update) publish(takeOver(report, readLatest()));
  // A missed bar is a result. A peer that could not be measured is a fault of the bench, or of the peer.
  const failed = [...report.rows.flatMap(({ results }) => results), ...report.surveys];
  return failed.some(({ kind }) => kind === 'failed') ? 1 : 0;
}

process.exitCode = await main();
