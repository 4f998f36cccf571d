import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { checkout } from '../rig/pair.ts';

const memory = join(checkout, 'src', 'cli', 'memory.ts');

/**
 * V8's own search for garbage at rest comes half a minute after the start; here it does not take so long, but longer than a
 * busy machine takes until the script runs.
 */
const soon = ['--gc-memory-reducer-start-delay-ms=4000', '--memory-reducer-delay-ms=1'];

/** On a busy machine the search may come to nothing before it says a word. Milliseconds. */
const silentMs = 20_000;

/** What V8 tells of its search in a process that rests; nothing where it is silent for so long. */
async function searchAtRest(signal: AbortSignal): Promise<string> {
  const script = `require('${memory}').keepHeapSmall(); process.stdin.resume();`;
  const child = spawn(process.execPath, ['--trace-memory-reducer', ...soon, '--eval', script], { signal });
  let told = '';
  const silent = setTimeout(() => child.stdin.end(), silentMs);
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
  for (let attempt = 0; attempt < 3 && told === ''; attempt += 1) told = await searchAtRest(signal);
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
    const tell = () => ({
      residentKiB: Number(/VmRSS:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]),
      newSpace: getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space').space_size,
      wholeCollections,
    });
    let buffers = [];
    let alive = [];
    const work = async () => {
      // Each value lives long enough to leave the space for new ones.
      for (let turn = 0; turn < 200; turn += 1) {
        for (let n = 0; n < 10000; n += 1) alive.push({ n, text: 'x' + n, later: Promise.resolve(n) });
        alive = alive.slice(-20000);
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
    assert.ok(newSpace >= atFirst.newSpace && newSpace <= 2 * atFirst.newSpace, told);
});
