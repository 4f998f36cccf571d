import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { makeDurable, settleDisplaced } from '../../src/passive/durable.ts';
import { fileOf, Passive } from '../main/hostile-wire-rig.ts';
import { eventually } from '../world/eventually.ts';
import { callsDuring } from '../world/strace.ts';
import { write } from '../world/tree.ts';

type Asked = { readonly unsettled?: number; readonly displaced?: number; readonly paths: readonly string[] };

/** Versions that tell what became of them. */
function fake(folder: string, { unsettled = 0, displaced = 0, paths }: Asked) {
  const told: string[] = [];
  const versions = {
    folder,
    unsettled,
    unsettledPaths: () => {
      told.push('paths');
      return paths;
    },
    settled: () => void told.push('settled'),
    displaced,
    displacedPaths: () => {
      told.push('displaced paths');
      return paths;
    },
    displacedSettled: () => void told.push('displaced settled'),
  };
  return { told, versions };
}

describe('what a batch left to be made durable', () => {
  it('is synced piece by piece where it is little, and as a whole where it is much', async () => {
    await using passive = await Passive.open();
    const directory = openSync(passive.root, 'r');
    try {
      const few = fake(passive.root, { unsettled: 1, paths: [passive.config, join(passive.root, 'gone')] });
      makeDurable([directory], few.versions);
      assert.deepEqual(few.told, ['paths', 'settled']);
      for (const asked of [{ unsettled: 100 }, { displaced: 5000 }]) {
        const many = fake(passive.root, { ...asked, paths: [] });
        makeDurable([directory], many.versions);
        assert.deepEqual(many.told, ['settled', 'displaced settled']);
      }
    } finally {
      closeSync(directory);
    }
  });

  it('waits where it was displaced and is not much, until nobody waits', async () => {
    await using passive = await Passive.open();
    const told = (displaced: number): string[] => {
      const { told, versions } = fake(passive.root, { displaced, paths: [passive.config] });
      makeDurable([], versions);
      told.push('later');
      settleDisplaced(versions);
      return told;
    };
    assert.deepEqual(told(0), ['paths', 'settled', 'later']);
    assert.deepEqual(told(2), ['paths', 'settled', 'later', 'displaced paths', 'displaced settled']);
    assert.deepEqual(told(100), ['paths', 'settled', 'later', 'settled', 'displaced settled']);
  });

  it('is not taken for durable where it could not be synced', () => {
    for (const unsettled of [0, 1, 100]) {
      const { told, versions } = fake('/', { unsettled, paths: [] });
      assert.throws(() => makeDurable([999_999], versions), { code: 'EBADF' });
      assert.ok(!told.includes('settled'));
    }
  });
});

describe('an ack', { skip: spawnSync('strace', ['-V']).status !== 0 }, () => {
  it('comes after the content and its name are on the disk, and then the version', async () => {
    await using passive = await Passive.open();
    write(passive.root, { 'etc/hosts': 'old' });
    const sender = await passive.session();
    const output = join(passive.root, 'trace');
    const acked = '/acked';
    const digest = fileOf('old').digest;
    const shelf = `/objects/${digest.slice(0, 2)}`;
    const object = `${shelf}/${digest.slice(2)}`;
    const traced = { pids: [process.pid], calls: 'openat,renameat2,fsync,io_submit', output };
    const text = await callsDuring(traced, async () => {
      sender.push('/etc/hosts', 'new', { expect: fileOf('old'), put: fileOf('new') });
      const { result } = await sender.next('ack');
      openNowhere(acked);
      assert.equal(result.kind, 'applied');
      await eventually('the version is synced', () => readFileSync(output, 'utf8').includes(`${shelf}>`));
    });

    const calls = text.split('\n');
    const exchanged = calls.findIndex((call) => call.includes('RENAME_EXCHANGE'));
    const answered = calls.findIndex((call) => call.includes(acked));
    const synced = (from: number, to: number): string => calls.slice(from, to).filter(isSync).join('\n');
    assert.match(synced(0, exchanged), /etc\/\.hosts\.bmcs-/);
    assert.match(synced(exchanged, answered), /\/root\/etc>/);
    // The row before the content goes where only the row leads to it.
    const moved = calls.findIndex((call) => call.includes(`${object}"`) && call.includes('RENAME_NOREPLACE'));
    assert.match(synced(exchanged, moved), /\/state\.db-wal>/);
    const end = calls.length;
    for (const part of [`${object}>`, `${shelf}>`])
      assert.ok(synced(moved, end).includes(part), `${part} in ${synced(moved, end)}`);
  });
});

function isSync(call: string): boolean {
  return call.includes('fsync(') || call.includes('FSYNC');
}

/** Leaves a mark among the system calls. */
function openNowhere(path: string): void {
  assert.throws(() => openSync(path, 'r'), { code: 'ENOENT' });
}
