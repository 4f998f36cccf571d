import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { exitCodes } from '../../src/core/failure.ts';

const folder = new URL('../../systemd/', import.meta.url);
const units = readdirSync(folder).filter((name) => /\.(service|timer)$/.test(name));
const help = spawnSync('systemd-analyze', ['--help'], { encoding: 'utf8' });
const skipVerify = help.error === undefined ? false : 'systemd-analyze is not installed';
const skipSecurity = help.stdout?.includes('--offline=') ? false : 'systemd-analyze cannot review files';

/** The units where systemd-analyze finds the program: it is not installed on the machine of a test. */
function copies(t: TestContext): string {
  const copy = mkdtempSync(join(tmpdir(), 'bmcs-test-'));
  t.after(() => rmSync(copy, { recursive: true, force: true }));
  for (const name of units) {
    const text = readFileSync(new URL(name, folder), 'utf8');
    writeFileSync(join(copy, name), text.replaceAll('/usr/bin/bm-confsync ', '/bin/true '));
  }
  return copy;
}

/** The values of a key, in the order of the file. */
function values(unit: string, key: string): string[] {
  const lines = readFileSync(new URL(unit, folder), 'utf8').split('\n');
  return lines.filter((line) => line.startsWith(`${key}=`)).map((line) => line.slice(key.length + 1));
}

test('there are the daemon, the check and its timer', () => {
  assert.deepEqual(units.sort(), [
    'bm-confsync-verify.service',
    'bm-confsync-verify.timer',
    'bm-confsync.service',
  ]);
});

test('systemd has nothing to say about the units', { skip: skipVerify }, (t) => {
  const copy = copies(t);
  const files = units.map((name) => join(copy, name));
  const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', ...files], {
    encoding: 'utf8',
  });
  assert.equal(`${stdout}${stderr}`, '');
  assert.equal(status, 0);
});

for (const unit of ['bm-confsync.service', 'bm-confsync-verify.service']) {
  test(`${unit}: exposure is at most 3.0`, { skip: skipSecurity }, (t) => {
    const args = ['security', '--offline=true', '--threshold=30', '--no-pager', join(copies(t), unit)];
    const { status, stdout } = spawnSync('systemd-analyze', args, { encoding: 'utf8' });
    assert.equal(status, 0, stdout.split('\n').slice(-3).join('\n'));
  });
}

test('a restart follows the exit codes that it can help against', () => {
  const prevented = (values('bm-confsync.service', 'RestartPreventExitStatus')[0] ?? '')
    .split(' ')
    .map(Number);
  const { drift, usage, refused, halted } = exitCodes;
  assert.deepEqual(prevented, [drift, usage, refused, halted]);
});

test('the program, its notification and its folders are those of the daemon', () => {
  const expected = {
    Type: 'notify',
    NotifyAccess: 'main',
    ExecStart: '/usr/bin/bm-confsync run',
    StateDirectory: 'bm-confsync',
    StateDirectoryMode: '0700',
    RuntimeDirectory: 'bm-confsync',
    RuntimeDirectoryMode: '0700',
  };
  for (const [key, value] of Object.entries(expected)) {
    assert.deepEqual(values('bm-confsync.service', key), [value], key);
  }
});

test('no unit forbids what V8 needs, nor hides a folder that a watchlist may name', () => {
  for (const unit of units) {
    assert.deepEqual(values(unit, 'MemoryDenyWriteExecute'), []);
    assert.ok(!values(unit, 'ProtectHome').some((value) => value !== 'read-only'), unit);
  }
});
