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

test('a bulk of work has room in the heap, and all of it is given back at rest', async ({ signal }) => {
  const script = `
    const { getHeapSpaceStatistics } = require('node:v8');
    const { readFileSync } = require('node:fs');
    require('${memory}').keepHeapSmall();
    const told = [];
    const tell = () => told.push({
      residentKiB: Number(/VmRSS:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]),
      newSpace: getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space').space_size,
    });
    tell();
    let buffers = [];
    let young = [];
    (async () => {
      for (let turn = 0; turn < 200; turn += 1) {
        for (let n = 0; n < 10000; n += 1) young.push({ n, text: 'x' + n, later: Promise.resolve(n) });
        if (turn % 4 === 3) young = young.slice(30000);
        for (let n = 0; n < 100; n += 1) buffers.push(Buffer.allocUnsafeSlow(5000).fill(1));
        await new Promise(setImmediate);
      }
      tell();
      // What stays in between keeps the pieces apart.
      buffers = buffers.filter((_, n) => n % 50 === 0);
      young = [];
      setTimeout(() => { tell(); console.log(JSON.stringify(told)); process.exit(); }, 6000);
    })();`;
  const child = spawn(process.execPath, ['--eval', script], { signal, stdio: ['ignore', 'pipe', 'inherit'] });
  const [output] = await Promise.all([text(child.stdout), once(child, 'close')]);
  const told: unknown = JSON.parse(output);
  assert.ok(Array.isArray(told));
  const [atFirst, atWork, atRest] = told;
  assert.ok(atWork.newSpace > 4 * atFirst.newSpace, JSON.stringify(told));
  assert.ok(atRest.newSpace <= atFirst.newSpace, JSON.stringify(told));
  assert.ok(atRest.residentKiB < atFirst.residentKiB + 30_000, JSON.stringify(told));
});
