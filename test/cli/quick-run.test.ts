import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { defaultConfig } from '../../src/cli/default-config.ts';
import { serviceOf } from '../../src/cli/quick-run.ts';
import { mainFile } from '../rig/program.ts';

describe('the plain command line of the service', () => {
  const plain = { config: defaultConfig, logFormat: 'text', logLevel: 'info' };
  const cases: [string, ReturnType<typeof serviceOf> | object][] = [
    ['run', plain],
    ['run --config /c.yml', { ...plain, config: '/c.yml' }],
    ['run --log-format json', { ...plain, logFormat: 'json' }],
    [
      'run --log-level debug --config c --log-format text',
      { config: 'c', logFormat: 'text', logLevel: 'debug' },
    ],
    ['run --help', undefined],
    ['run --config', undefined],
    ['run --config --log-level', undefined],
    ['run --config=/c.yml', undefined],
    ['run --log-format xml', undefined],
    ['run --log-level loud', undefined],
    ['run x', undefined],
    ['run --frob 1', undefined],
    ['status', undefined],
    ['', undefined],
  ];
  for (const [line, expected] of cases) {
    it(`${line || 'nothing'}: ${expected === undefined ? 'left to the parser' : 'taken'}`, () => {
      assert.deepEqual(serviceOf(line.split(' ')), expected);
    });
  }
});

describe('what is compiled', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bm-confsync-compiled-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const state = join(folder, 'state');
  const config = join(folder, 'config.yml');

  /** Ends at once, and with a failure: there is no seat. */
  function startsAndFails(): void {
    const { status, stderr } = spawnSync(process.execPath, [mainFile, 'run', '--config', config], {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'] },
      killSignal: 'SIGKILL',
      timeout: 20_000,
    });
    assert.equal(status, 2, stderr);
  }

  it('is kept in a state folder for its owner alone, nowhere where others may write', () => {
    writeFileSync(config, `node: mail1\nstate: ${state}\nruntime: ${folder}/run\n`, { mode: 0o600 });
    mkdirSync(state, { mode: 0o700 });
    for (const mode of [0o770, 0o707, 0o750]) {
      chmodSync(state, mode);
      startsAndFails();
      assert.equal(existsSync(join(state, 'compiled')), false, mode.toString(8));
    }
    chmodSync(state, 0o700);
    startsAndFails();
    assert.equal(existsSync(join(state, 'compiled')), true);
  });

  it('is kept nowhere where there is no state yet', () => {
    rmSync(state, { recursive: true });
    startsAndFails();
    assert.equal(existsSync(join(state, 'compiled')), false);
  });
});
