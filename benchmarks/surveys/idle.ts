import { setTimeout as pause } from 'node:timers/promises';
import type { Pair } from '../../test/rig/pair.ts';
import { type Both, runBoth } from '../peers/confsync.ts';
import type { Size } from '../row.ts';
import { many } from '../rows/first-copy.ts';
import { copyLocally, makeBenchPair, mustBeEqual, plant } from '../series.ts';
import type { Figure, Survey } from '../survey.ts';
import { type Usage, usageOf } from '../usage.ts';

/** After this there is nothing left to do from the start, and the memory of that is given back (cli/memory.ts). */
const calmMs = 8000;
const spanMs = 20_000;
const mebibyte = 2 ** 20;

/** Every process of this program, by what it is. */
export function processesOf(pair: Pair, { active, passive }: Both): Map<string, number> {
  const [receiver] = pair.sshd.sessions().commands.filter(({ name }) => /node|MainThread/.test(name));
  return new Map([
    ['active daemon', active.pid],
    ['passive daemon', passive.pid],
    ...(receiver === undefined ? [] : ([['receiver', receiver.pid]] as const)),
  ]);
}

type Bars = { readonly cpuPercent?: number; readonly mebibytes?: number };

async function take(size: Size, bars: Bars): Promise<Figure[]> {
  await using pair = await makeBenchPair();
  await plant(pair, size);
  await copyLocally(pair);
  await using both = await runBoth(pair);
  await mustBeEqual(pair);
  // The first reconcile of so many files that nobody has hashed yet is no rest.
  const seconds = Math.max(120, Math.ceil(size.files / 1000));
  const timeoutMs = (seconds + 10) * 1000;
  const flushed = await pair.bm('active', ['flush', '--timeout', `${seconds}s`], { timeoutMs });
  if (flushed.code !== 0) throw new Error(`flush ended with ${flushed.code}: ${flushed.stderr}`);
  await pause(Math.min(calmMs, size.files * 5));
  const lasting = Math.min(spanMs, size.files * 4);
  const processes = [...processesOf(pair, both)];
  const before = processes.map(([, pid]) => usageOf(pid));
  await pause(lasting);
  return processes.flatMap(([name, pid], index) => {
    const [then, now] = [before[index], usageOf(pid)];
    return then === undefined ? [] : figuresOf({ name, then, now, lasting }, bars);
  });
}

function figuresOf(
  { name, then, now, lasting }: { name: string; then: Usage; now: Usage; lasting: number },
  { cpuPercent, mebibytes }: Bars,
): Figure[] {
  const percent = ((now.cpuMs - then.cpuMs) / lasting) * 100;
  const perSecond = ((now.wakeUps - then.wakeUps) / lasting) * 1000;
  return [
    {
      name: `${name}: processor`,
      value: percent,
      unit: '% of a core',
      ...(cpuPercent === undefined ? {} : { atMost: cpuPercent }),
    },
    { name: `${name}: wake-ups of all threads`, value: perSecond, unit: 'a second' },
    {
      name: `${name}: memory`,
      value: now.residentBytes / mebibyte,
      unit: 'MiB',
      ...(mebibytes === undefined ? {} : { atMost: mebibytes }),
    },
    { name: `${name}: most memory since its start`, value: now.peakBytes / mebibyte, unit: 'MiB' },
  ];
}

const title = ({ files }: Size): string => `Idle, ${files} files`;

export const idle: Survey = {
  name: 'idle',
  title,
  take: (size) => take(size, { cpuPercent: 0.1, mebibytes: 100 }),
};

export const idleLarge: Survey = {
  name: 'idle-large',
  title,
  scale: many,
  take: (size) => take(size, { mebibytes: 200 }),
};

/** 1,000,000 files at the default size. */
export const idleMillion: Survey = {
  name: 'idle-million',
  title,
  long: true,
  scale: (size) => many({ ...size, files: size.files * 10, directories: size.directories * 10 }),
  take: (size) => take(size, {}),
};
