import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { it } from 'node:test';

const connection = new URL('../../src/wire/connection.ts', import.meta.url).href;

/** How often V8 collected the whole heap while 200 MB passed a connection, as a process of its own. */
function collections(bodyBytes: number): number {
  const script = `
    import { PerformanceObserver, constants } from 'node:perf_hooks';
    import { duplexPair } from 'node:stream';
    import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises';
    import { Connection } from ${JSON.stringify(connection)};
    let collected = 0;
    new PerformanceObserver((list) => {
      for (const { detail } of list.getEntries())
        if (detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR) collected += 1;
    }).observe({ entryTypes: ['gc'] });
    const keep = Array.from({ length: 100_000 }, (_, n) => ({ text: 'x' + n }));
    const [here, there] = duplexPair();
    const options = { parse: (message) => ({ ok: true, message }), onMessages: () => undefined };
    const connection = new Connection({ ...options, stream: here });
    new Connection({ ...options, stream: there });
    for (let sent = 0; sent < 200e6; sent += ${bodyBytes}) {
      await connection.sendLarge({ n: sent }, Buffer.allocUnsafeSlow(${bodyBytes}));
      await turn();
    }
    await pause(10);
    console.log(collected, keep.length);`;
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  assert.equal(child.status, 0, child.stderr);
  return Number.parseInt(child.stdout, 10);
}

it('the heap is not collected again and again while large bodies pass', () => {
  const large = collections(256 * 1024);
  assert.ok(large <= 4, `${large} collections`);
});
