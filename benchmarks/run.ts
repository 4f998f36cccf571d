import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { checkout } from '../test/rig/pair.ts';
import { describeMachine, describeVersions } from './machine.ts';
import { insertReport, type Report, renderReport } from './report.ts';
import { measure, type Row, type RowResult, type Size } from './row.ts';
import { burst } from './rows/burst.ts';
import { firstCopy } from './rows/first-copy.ts';
import { latencyInPlace, latencyReplace } from './rows/latency.ts';
import { verify } from './rows/verify.ts';

const rows: readonly Row[] = [latencyReplace, latencyInPlace, burst, firstCopy, verify];

const usage = `usage: npm run bench -- [ROW...] [--files N] [--repeat N] [--quick]
rows: ${rows.map(({ name }) => name).join(', ')}
--files N   files in the tree, 5 KB each; default 5000
--repeat N  samples of each peer; default depends on the row
--quick     500 files, 3 samples
All rows at the default size are written to benchmarks/results and into README.md; less is only printed.
`;

const bytesPerFile = 5000;
const filesPerDirectory = 20;

type Asked = { readonly rows: readonly Row[]; readonly size: Size; readonly repeat: number | undefined };

/** Undefined where the arguments are wrong. */
function parse(argv: string[]): Asked | undefined {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      files: { type: 'string' },
      repeat: { type: 'string' },
      quick: { type: 'boolean', default: false },
    },
  });
  const files = Number(values.files ?? (values.quick ? 500 : 5000));
  const repeat = values.repeat === undefined ? (values.quick ? 3 : undefined) : Number(values.repeat);
  const known = positionals.every((name) => rows.some((row) => row.name === name));
  if (!known || ![files, repeat ?? 1].every((value) => Number.isInteger(value) && value > 0))
    return undefined;
  return {
    rows: positionals.length === 0 ? rows : rows.filter(({ name }) => positionals.includes(name)),
    size: {
      files,
      bytes: files * bytesPerFile,
      directories: Math.ceil(files / filesPerDirectory),
      changed: Math.min(1000, Math.ceil(files / 5)),
      seed: 1,
    },
    repeat,
  };
}

function publish(report: Report, markdown: string): void {
  const folder = join(checkout, 'benchmarks', 'results');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'latest.json'), `${JSON.stringify(report, null, 2)}\n`);
  writeFileSync(join(folder, 'latest.md'), markdown);
  const readme = join(checkout, 'README.md');
  const text = existsSync(readme) ? insertReport(readFileSync(readme, 'utf8'), markdown) : undefined;
  if (text === undefined) process.stderr.write('README.md has no place for the report\n');
  else writeFileSync(readme, text);
}

async function main(): Promise<number> {
  const asked = parse(process.argv.slice(2));
  if (asked === undefined) {
    process.stderr.write(usage);
    return 2;
  }
  const measured: RowResult[] = [];
  for (const row of asked.rows) {
    process.stderr.write(`${row.name}: ${row.peers.map(({ name }) => name).join(', ')}\n`);
    measured.push(await measure(row, asked));
  }
  const report: Report = {
    made: new Date().toISOString(),
    machine: describeMachine(),
    versions: describeVersions(),
    size: asked.size,
    rows: measured,
  };
  const markdown = renderReport(report);
  process.stdout.write(markdown);
  const failed = measured.some(({ results }) => results.some(({ kind }) => kind === 'failed'));
  const whole = asked.rows.length === rows.length && asked.size.files === 5000 && asked.repeat === undefined;
  if (whole && !failed) publish(report, markdown);
  return failed ? 1 : 0;
}

process.exitCode = await main();
