import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { checkout } from '../rig/program.ts';

const memory = join(checkout, 'src', 'cli', 'memory.ts');

/** How soon V8 looks for garbage by itself; later where a busy machine took longer until the script ran. Milliseconds. */
const delaysMs = [4000, 8000, 16_000];
/** On a busy machine the search may come to nothing before it says a word. Milliseconds after the delay. */
const silentMs = 16_000;

/** What V8 tells of its search in a process that rests, and when that began to; nothing of it where V8 is silent for so long. */
async function searchAtRest(delayMs: number, signal: AbortSignal): Promise<string> {
  const script = `require('${memory}').keepHeapSmall();
    console.log('at rest after', Math.round(performance.now()), 'ms');
    process.stdin.resume();`;
  const soon = [`--gc-memory-reducer-start-delay-ms=${delayMs}`, '--memory-reducer-delay-ms=1'];
  const child = spawn(process.execPath, ['--trace-memory-reducer', ...soon, '--eval', script], { signal });
  let told = '';
  const silent = setTimeout(() => child.stdin.end(), delayMs + silentMs);
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    told += chunk;
    // It has woken, and decided by now whether it goes on.
    if (/Memory reducer: .*\n/.test(told)) child.stdin.end();
  });
  const [code] = await new Promise<[number | null]>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (ended: number | null) => resolve([ended]));
  });
  clearTimeout(silent);
  assert.equal(code, 0);
  return told;
}

test('V8 does not look for garbage by itself while the process rests', async ({ signal }) => {
  let told = '';
  for (const delayMs of delaysMs)
    if (!told.includes('Memory reducer')) told += await searchAtRest(delayMs, signal);
  assert.match(told, /Memory reducer: (low|high) alloc/);
  assert.doesNotMatch(told, /waiting|started GC/);
});

type Seen = { readonly residentKiB: number; readonly newSpace: number; readonly wholeCollections: number };
/** V8's house at first, at the end of a bulk of work, some seconds after it, and at the end of another one. */
type InBulk = { readonly atFirst: Seen; readonly atWork: Seen; readonly atRest: Seen; readonly again: Seen };

/** `keep`: how the house is kept, a script. */
async function seenInBulk(keep: string, signal: AbortSignal): Promise<InBulk> {
  const script = `
    const { constants, PerformanceObserver } = require('node:perf_hooks');
    const { getHeapSpaceStatistics, setFlagsFromString } = require('node:v8');
    const { readFileSync } = require('node:fs');
    ${keep};
    let wholeCollections = 0;
    const isWhole = ({ detail }) => detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR;
    const count = (list) => { wholeCollections += list.getEntries().filter(isWhole).length; };
    new PerformanceObserver(count).observe({ entryTypes: ['gc'] });
    // Its size moves with each collection, by pages that come one by one and by some that are kept until the next: the median tells.
    let newSpaces = [];
    const look = () => {
      const { space_size: now } = getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space');
      newSpaces.push(now);
    };
    const tell = () => {
      look();
      const newSpace = newSpaces.sort((a, b) => a - b)[Math.floor(newSpaces.length / 2)];
      newSpaces = [];
      const residentKiB = Number(/VmRSS:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
      return { residentKiB, newSpace, wholeCollections };
    };
    let buffers = [];
    let alive = [];
    const work = async () => {
      // Each value lives long enough to leave the space for new ones.
      for (let turn = 0; turn < 200; turn += 1) {
        for (let n = 0; n < 10000; n += 1) alive.push({ n, text: 'x' + n, later: Promise.resolve(n) });
        alive = alive.slice(-20000);
        look();
        await new Promise(setImmediate);
      }
    };
    (async () => {
      const atFirst = tell();
      await work();
      const atWork = tell();
      for (let n = 0; n < 20000; n += 1) buffers.push(Buffer.allocUnsafeSlow(5000).fill(1));
      // What stays in between keeps the pieces apart.
      buffers = buffers.filter((_, n) => n % 50 === 0);
      alive = [];
      await new Promise((resolve) => setTimeout(resolve, 6000));
      const atRest = tell();
      await work();
      console.log(JSON.stringify({ atFirst, atWork, atRest, again: tell() }));
      process.exit();
    })();`;
  const child = spawn(process.execPath, ['--eval', script], { signal, stdio: ['ignore', 'pipe', 'inherit'] });
  const [output] = await Promise.all([text(child.stdout), once(child, 'close')]);
  return JSON.parse(output) as InBulk;
}

test('a bulk of work has room in the heap, and all of it is given back at rest', async ({ signal }) => {
  const thrifty = ['--heap-growing-percent=20', '--semi-space-growth-factor=1'];
  const [ours, never] = await Promise.all([
    seenInBulk(`require('${memory}').keepHeapSmall()`, signal),
    seenInBulk(thrifty.map((flag) => `setFlagsFromString('${flag}')`).join(';'), signal),
  ]);
  const { atFirst, atWork, atRest, again } = ours;
  const told = JSON.stringify([ours, never]);
  assert.ok(atWork.wholeCollections * 2 < never.atWork.wholeCollections, told);
  assert.ok(atRest.residentKiB < atFirst.residentKiB + 30_000, told);
  // The space for new values, which is small at rest, is the same in every bulk.
  assert.ok(atRest.newSpace * 4 <= atFirst.newSpace, told);
  for (const { newSpace } of [atWork, again])
    assert.ok(2 * newSpace >= atFirst.newSpace && newSpace <= 4 * atFirst.newSpace, told);
});
