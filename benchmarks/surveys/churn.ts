import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { now } from '../clock.ts';
import { runBoth } from '../peers/confsync.ts';
import type { Size } from '../row.ts';
import { copyLocally, makeBenchPair, mustBeEqual, plant } from '../series.ts';
import type { Figure, Survey } from '../survey.ts';
import { usageOf } from '../usage.ts';
import { processesOf } from './idle.ts';

const eventsPerTurn = 200;
const mebibyte = 2 ** 20;
/** A heap that has warmed up may differ by so much from one collection to the next. */
const flat = 1.25;

/** 1,000,000 at the default size. */
function eventsOf(size: Size): number {
  return size.files * 200;
}

async function take(size: Size): Promise<Figure[]> {
  await using pair = await makeBenchPair();
  const paths = await plant(pair, size);
  await copyLocally(pair);
  await using both = await runBoth(pair);
  const stage = join(pair.active.root, 'stage');
  mkdirSync(stage);
  const processes = [...processesOf(pair, both)];
  const samples = new Map<string, number[]>(processes.map(([name]) => [name, []]));
  const sample = (): void => {
    for (const [name, pid] of processes) samples.get(name)?.push(usageOf(pid).residentBytes / mebibyte);
  };

  const events = eventsOf(size);
  const start = now();
  for (let event = 0; event < events; event += 1) {
    const staged = join(stage, 'next');
    writeFileSync(staged, `event = ${event}\n`);
    renameSync(staged, join(pair.active.root, paths[(event * 7919) % paths.length] ?? ''));
    if (event % eventsPerTurn === 0) await nextTurn();
    if (event % Math.ceil(events / 100) === 0) sample();
  }
  const made = now();
  const flushed = await pair.bm('active', ['flush', '--timeout', '300s'], { timeoutMs: 310_000 });
  if (flushed.code !== 0) throw new Error(`flush ended with ${flushed.code}: ${flushed.stderr}`);
  const done = now();
  await mustBeEqual(pair);
  sample();
  return [
    { name: 'events', value: events, unit: '' },
    { name: 'events made in', value: (made - start) / 1000, unit: 's' },
    { name: 'then all durable after', value: (done - made) / 1000, unit: 's' },
    ...[...samples].flatMap(([name, values]) => growth(name, values)),
  ];
}

/** The most in the second half of the run against the most in the first. */
function growth(name: string, values: readonly number[]): Figure[] {
  const half = Math.floor(values.length / 2);
  const [first, second] = [Math.max(...values.slice(0, half)), Math.max(...values.slice(half))];
  return [
    { name: `${name}: most memory`, value: Math.max(first, second), unit: 'MiB' },
    { name: `${name}: second half to first half`, value: second / first, unit: '×', atMost: flat },
  ];
}

export const churn: Survey = {
  name: 'churn',
  title: (size) => `Churn: ${eventsOf(size)} files replaced one after the other in a tree of ${size.files}`,
  long: true,
  take,
};
