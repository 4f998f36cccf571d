import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { kindAt } from '../../src/watch/kind.ts';

test('tells directories from everything else, links not followed, and what is not there or cannot be told', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'bmcs-test-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const at = (name: string): string => join(folder, name);
  mkdirSync(at('directory'));
  writeFileSync(at('file'), '');
  symlinkSync('directory', at('link'));
  execFileSync('mkfifo', [at('fifo')]);
  writeFileSync(at('old'), '');
  // Before 1970, which one call of the kernel is not trusted to tell.
  execFileSync('touch', ['--date=@-5.25', at('old')]);
  mkdirSync(at('old-directory'));
  execFileSync('touch', ['--date=@-5.25', at('old-directory')]);
  const found = ['directory', 'old-directory', 'file', 'link', 'fifo', 'old'].map((name) => kindAt(at(name)));
  assert.deepEqual(found, ['directory', 'directory', 'other', 'other', 'other', 'other']);
  assert.equal(kindAt(at('nothing')), 'absent');
  assert.equal(kindAt(at('link/below')), 'absent');
  // Below a file, too long for the kernel, and no path at all.
  assert.equal(kindAt(at('file/below')), 'unknown');
  assert.equal(kindAt(at('x'.repeat(300))), 'unknown');
  assert.equal(kindAt(at('a\0b')), 'unknown');
});
