import assert from 'node:assert/strict';
import { readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import type { Peer } from '../../benchmarks/peer.ts';
import { bare } from '../../benchmarks/peers/bare.ts';
import { confsync } from '../../benchmarks/peers/confsync.ts';
import { csync2Plain } from '../../benchmarks/peers/csync2.ts';
import { rsync } from '../../benchmarks/peers/rsync.ts';
import { unison } from '../../benchmarks/peers/unison.ts';
import { measure, type Result, type Row, type Size } from '../../benchmarks/row.ts';
import { burst } from '../../benchmarks/rows/burst.ts';
import { firstCopy } from '../../benchmarks/rows/first-copy.ts';
import { latencyReplace } from '../../benchmarks/rows/latency.ts';
import { deleteTree, renameTree } from '../../benchmarks/rows/subtree.ts';
import { verify } from '../../benchmarks/rows/verify.ts';

// The sources are tested; a bundle of them is not what this is about.
process.env['BM_CONFSYNC_BENCH_PROGRAM'] = 'sources';

const size: Size = { files: 12, bytes: 12_000, directories: 3, changed: 4, seed: 5 };

async function results(row: Row, peers: readonly Peer[], repeat = 1): Promise<Result[]> {
  const measured = await measure({ ...row, peers }, { size, repeat });
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
  const [right, wrong] = await results(firstCopy, [rsync, wrongPeer], 2);
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

/** Copies everything, and one byte of one file wrongly, with the same size and time, however often it copies. */
const manglingPeer: Peer = {
  name: 'mangling',
  about: 'changes a byte',
  copy: async (pair) => {
    await rsync.copy?.(pair);
    const [path = ''] = (await findFiles(join(pair.passive.root, 'etc'))).toSorted();
    const { atime, mtime } = statSync(path);
    const content = readFileSync(join(pair.active.root, relative(pair.passive.root, path)));
    content.writeUInt8(content.readUInt8(0) ^ 1, 0);
    writeFileSync(path, content);
    utimesSync(path, atime, mtime);
  },
};

const losingPeer: Peer = {
  name: 'losing',
  about: 'loses a file',
  copy: async (pair) => {
    await rsync.copy?.(pair);
    const [path = ''] = await findFiles(join(pair.passive.root, 'etc'));
    rmSync(path);
  },
};

async function findFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

test('a peer that loses or mangles one file has no time', async () => {
  for (const row of [renameTree, deleteTree]) {
    const [mangled, lost] = await results(row, [manglingPeer, losingPeer]);
    assert.match(reasonOf(mangled), /differences/, `${row.name}, mangled`);
    assert.match(reasonOf(lost), /differences/, `${row.name}, lost`);
  }
});

test('ours, the limit, csync2 and unison are measured', async () => {
  for (const [row, peers] of [
    [latencyReplace, [confsync, bare, csync2Plain, unison]],
    [firstCopy, [confsync, bare]],
    [renameTree, [bare]],
    [deleteTree, [bare]],
  ] as const) {
    for (const result of await results(row, peers, 2))
      assert.equal(result.kind, 'measured', reasonOf(result));
  }
});
