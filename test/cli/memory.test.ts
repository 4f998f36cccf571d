import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkout } from '../rig/pair.ts';

const memory = join(checkout, 'src', 'cli', 'memory.ts');

/**
 * V8's own search for garbage at rest comes half a minute after the start; here it does not take so long, but longer than a
 * busy machine takes until the script runs.
 */
const soon = ['--gc-memory-reducer-start-delay-ms=4000', '--memory-reducer-delay-ms=1'];

test('V8 does not look for garbage by itself while the process rests', async ({ signal }) => {
  const script = `require('${memory}').keepHeapSmall(); process.stdin.resume();`;
  const child = spawn(process.execPath, ['--trace-memory-reducer', ...soon, '--eval', script], { signal });
  let told = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    told += chunk;
    // It has woken, and decided by now whether it goes on.
    if (/Memory reducer: .*\n/.test(told)) child.stdin.end();
  });
  const [code] = await new Promise<[number | null]>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (ended: number | null) => resolve([ended]));
  });
  assert.equal(code, 0);
  assert.match(told, /Memory reducer: (low|high) alloc/);
  assert.doesNotMatch(told, /waiting|started GC/);
});
