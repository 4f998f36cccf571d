import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { stations } from '../src/log/trace.ts';
import { makePair } from '../test/rig/pair.ts';
import { now } from './clock.ts';
import { runBoth } from './peers/confsync.ts';
import { program } from './program.ts';
import { copyLocally, plant } from './series.ts';
import { durationText, quantile } from './statistics.ts';
import { type Passed, TraceFile } from './trace-file.ts';

const usage = `usage: npm run trace -- [--changes N] [--files N] [--in-place]
Where one change spends its time on its way, station by station: medians of N changes (default 200).
`;
const deadlineMs = 10_000;
const between = { leastMs: 20, mostMs: 60 };

/** When a change passed each station, milliseconds after its first step. */
type Way = ReadonlyMap<string, number>;

async function takeWays(changes: number, files: number, inPlace: boolean): Promise<Way[]> {
  await using pair = await makePair({
    program: program().file,
    // The product's default.
    active: { canary: { interval: '60s' } },
    env: (folder) => ({ BM_CONFSYNC_TRACE: join(folder, 'trace') }),
  });
  const size = { files, bytes: files * 5000, directories: Math.ceil(files / 20), changed: 1, seed: 1 };
  const paths = await plant(pair, size);
  await copyLocally(pair);
  const stage = join(pair.active.root, 'stage');
  mkdirSync(stage);
  await using _both = await runBoth(pair);
  using trace = new TraceFile(join(pair.folder, 'trace'));
  const ways: Way[] = [];
  for (let change = 0; change < changes; change += 1) {
    const path = paths[(change * 37) % paths.length] ?? '';
    const content = `changed = ${change}\n`.repeat(250);
    const target = join(pair.active.root, path);
    if (!inPlace) writeFileSync(join(stage, 'next'), content);
    trace.read();
    const start = now();
    if (inPlace) writeFileSync(target, content);
    else renameSync(join(stage, 'next'), target);
    ways.push(await wayOf(trace, `/${path}`, start));
    // The next one comes at any phase of whatever clock there is.
    await pause(between.leastMs + Math.random() * (between.mostMs - between.leastMs));
  }
  return ways;
}

async function wayOf(trace: TraceFile, path: string, start: number): Promise<Way> {
  const passed: Passed[] = [];
  while (!passed.some(({ station }) => station === 'acked')) {
    if (now() > start + deadlineMs) throw new Error(`${path} was not acked within ${deadlineMs} ms`);
    await pause(1);
    passed.push(...trace.read().filter((one) => one.path === path));
  }
  const way = new Map<string, number>([['changed', 0]]);
  // Backwards from the ack: what belongs to the push that was acked. A second event may cause more looks.
  let before = passed.length;
  for (const station of stations.toReversed()) {
    const first = passed.findIndex((one) => one.station === station);
    const last = passed.slice(0, before).findLastIndex((one) => one.station === station);
    const found = station === 'event' ? first : last;
    if (found < 0) continue;
    way.set(station, (passed[found]?.atMs ?? start) - start);
    before = found;
  }
  return way;
}

function table(ways: readonly Way[]): string {
  const names = ['changed', ...stations];
  const total = quantile(sorted(ways.map((way) => way.get('acked') ?? 0)), 0.5);
  const lines = names.slice(1).map((station, index) => {
    const before = names[index] ?? '';
    const steps = sorted(
      ways.flatMap((way) => {
        const [from, to] = [way.get(before), way.get(station)];
        return from === undefined || to === undefined ? [] : [to - from];
      }),
    );
    if (steps.length === 0) return `${station.padEnd(12)} not passed`;
    const median = quantile(steps, 0.5);
    const share = `${((median / total) * 100).toFixed(0)} %`;
    const cells = [durationText(median), durationText(quantile(steps, 0.99)), share];
    return `${station.padEnd(12)}${cells.map((cell) => cell.padStart(12)).join('')}`;
  });
  const head = `${'station'.padEnd(12)}${['median', 'p99', 'share'].map((cell) => cell.padStart(12)).join('')}`;
  const all = sorted(ways.map((way) => way.get('acked') ?? 0));
  const sum = `${'all'.padEnd(12)}${[durationText(total), durationText(quantile(all, 0.99)), ''].map((cell) => cell.padStart(12)).join('')}`;
  return [head, ...lines, sum, ''].join('\n');
}

function sorted(values: readonly number[]): number[] {
  return values.toSorted((a, b) => a - b);
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      changes: { type: 'string', default: '200' },
      files: { type: 'string', default: '5000' },
      'in-place': { type: 'boolean', default: false },
    },
  });
  const [changes, files] = [Number(values.changes), Number(values.files)];
  if (![changes, files].every((value) => Number.isInteger(value) && value > 0)) {
    process.stderr.write(usage);
    return 2;
  }
  const ways = await takeWays(changes, files, values['in-place']);
  process.stdout.write(
    `${changes} changes in a tree of ${files} files, from the step before to each station\n`,
  );
  process.stdout.write(table(ways));
  return 0;
}

process.exitCode = await main();
