import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Peer } from '../../benchmarks/peer.ts';
import { rsync } from '../../benchmarks/peers/rsync.ts';
import { measure, type Result, type Row, type Size } from '../../benchmarks/row.ts';
import { burst } from '../../benchmarks/rows/burst.ts';
import { firstCopy } from '../../benchmarks/rows/first-copy.ts';
import { latencyReplace } from '../../benchmarks/rows/latency.ts';
import { verify } from '../../benchmarks/rows/verify.ts';

const size: Size = { files: 12, bytes: 12_000, directories: 3, changed: 4, seed: 5 };

async function results(row: Row, peers: readonly Peer[]): Promise<Result[]> {
  const measured = await measure({ ...row, peers }, { size, repeat: 2 });
  return [...measured.results];
}

function reasonOf(result: Result | undefined): string {
  return result?.kind === 'failed' ? result.reason : `no failure: ${JSON.stringify(result)}`;
}

/** Copies everything and leaves one file more. Its verify knows only one answer. */
const wrongPeer: Peer = {
  name: 'wrong',
  about: 'leaves a file',
  copy: async (pair) => {
    await rsync.copy?.(pair);
    writeFileSync(join(pair.passive.root, 'etc', 'left'), '');
  },
  verify: () => Promise.resolve(true),
};

test('a right peer is measured, a wrong one fails and does not stop it', async () => {
  const [right, wrong] = await results(firstCopy, [rsync, wrongPeer]);
  assert.equal(right?.kind, 'measured', reasonOf(right));
  assert.equal(right.samplesMs.length, 2);
  assert.ok(right.summary.median > 0);
  assert.match(reasonOf(wrong), /differences, first: .*left/);
});

test('a peer that fails gives its reason', async () => {
  const broken: Peer = { name: 'broken', about: '', copy: () => Promise.reject(new Error('no link')) };
  assert.equal(reasonOf((await results(firstCopy, [broken]))[0]), 'no link');
});

test('latency and burst count only when the whole tree is right', async () => {
  for (const row of [latencyReplace, burst]) {
    const [right, wrong] = await results(row, [rsync, wrongPeer]);
    assert.equal(right?.kind, 'measured', reasonOf(right));
    assert.match(reasonOf(wrong), /differences/);
  }
});

test('a verify that cannot say no has no time', async () => {
  const [right, wrong] = await results(verify, [rsync, wrongPeer]);
  assert.equal(right?.kind, 'measured', reasonOf(right));
  assert.equal(reasonOf(wrong), 'expected the verdict false, found true');
});
