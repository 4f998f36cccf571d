import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { loadConfig } from '../../src/config/load.ts';
import { defaultRuntime, defaultState, quickRuntime, quickState } from '../../src/config/runtime.ts';

describe('the quick reading of runtime', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bm-confsync-runtime-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const base = 'node: mail1\nwatchlists: [bluemind]\npeers: []\n';

  const cases: readonly [string, string, string | undefined][] = [
    ['no such key', base, defaultRuntime],
    ['a plain path', `${base}runtime: /tmp/r-1.d/x_y\n`, '/tmp/r-1.d/x_y'],
    ['the word in a comment', `# runtime: /tmp/no\n${base}`, defaultRuntime],
    ['a quoted path', `${base}runtime: "/tmp/r"\n`, undefined],
    ['a comment after it', `${base}runtime: /tmp/r # mine\n`, undefined],
    ['a value that goes on in the next line', `${base}runtime: /tmp/r\n  more\n`, undefined],
    ['a value that goes on after an empty line', `${base}runtime: /tmp/r\n\n  more\n`, undefined],
    ['a path that is not normalised', `${base}runtime: /tmp/s/../r/\n`, '/tmp/r'],
    ['another key after it', `runtime: /tmp/r\n\n${base}limits:\n  minFreeDisk: 1\n`, '/tmp/r'],
    ['a relative path', `${base}runtime: tmp/r\n`, undefined],
    ['an anchor', `${base}runtime: &r /tmp/r\n`, undefined],
    ['the key twice', `${base}runtime: /tmp/r\nruntime: /tmp/s\n`, undefined],
    ['space before the colon', `${base}runtime : /tmp/r\n`, undefined],
    ['all in one line', '{ node: mail1, runtime: /tmp/r, peers: [] }\n', undefined],
    ['a quoted key', `${base}"runtime": /tmp/r\n`, undefined],
    ['an explicit key', `${base}? runtime\n: /tmp/r\n`, undefined],
    ['two documents', `${base}---\nruntime: /tmp/r\n`, undefined],
    ['something else than a configuration', 'hello\n', undefined],
  ];
  for (const [what, text, expected] of cases) {
    it(`${what}: ${expected ?? 'left to the parser'}`, () => {
      const file = join(folder, 'config.yml');
      writeFileSync(file, text, { mode: 0o600 });
      assert.equal(quickRuntime(file), expected);
      if (expected !== undefined) assert.equal(loadConfig(file).runtime, expected);
    });
    const ofState = expected === defaultRuntime ? defaultState : expected;
    it(`the same of state: ${what}`, () => {
      const file = join(folder, 'config.yml');
      writeFileSync(file, text.replaceAll('runtime', 'state'), { mode: 0o600 });
      assert.equal(quickState(file), ofState);
      if (ofState !== undefined) assert.equal(loadConfig(file).state, ofState);
    });
  }

  it('a file that is not there is left to the parser, which says so', () => {
    assert.equal(quickRuntime(join(folder, 'none.yml')), undefined);
  });
});
