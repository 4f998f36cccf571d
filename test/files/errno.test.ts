import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { errnoCode, errnoFailure } from '../../src/files/errno.ts';
import { temporaryFolder } from './fixture.ts';

const meanings = [
  ['ENOSPC', 'no-space'],
  ['EDQUOT', 'no-space'],
  ['EROFS', 'read-only'],
  ['EACCES', 'permission'],
  ['EPERM', 'permission'],
  ['ENOTSUP', 'no-xattrs'],
  ['EOPNOTSUPP', 'no-xattrs'],
  ['ENOTEMPTY', 'not-empty'],
  ['EMFILE', 'io'],
  ['EIO', 'io'],
  ['ERRNO526', 'io'],
] as const;
for (const [code, reason] of meanings) {
  test(`${code} is ${reason}`, () => {
    const error = Object.assign(new Error(`${code}: open '/proc/self/fd/3/a'`), { code, syscall: 'open' });
    assert.deepEqual(errnoFailure(error), { reason, detail: error.message });
    assert.deepEqual(errnoFailure(error, '/etc/a'), { reason, detail: `${code}: open /etc/a` });
  });
}

test('an error of the system is translated as it comes', () => {
  using folder = temporaryFolder();
  mkdirSync(folder.at('d'));
  writeFileSync(folder.at('d/a'), '');
  try {
    rmdirSync(folder.at('d'));
    assert.fail('a directory that is not empty was removed');
  } catch (error) {
    assert.equal(errnoCode(error), 'ENOTEMPTY');
    assert.equal(errnoFailure(error).reason, 'not-empty');
  }
});

test('a bug is thrown on', () => {
  const bugs: unknown[] = [
    new TypeError('bug'),
    'text',
    undefined,
    Object.assign(new Error('x'), { code: 7 }),
  ];
  for (const bug of bugs)
    assert.throws(
      () => errnoFailure(bug),
      (thrown) => thrown === bug || bug === undefined,
    );
  assert.throws(
    () => {
      try {
        readFileSync('/etc/\0');
      } catch (error) {
        errnoFailure(error);
      }
    },
    { code: 'ERR_INVALID_ARG_VALUE' },
  );
  assert.throws(() => errnoCode(new Error('no code')), /no code/);
  assert.throws(
    () => mkdtempSync('/nowhere/x'),
    (error) => errnoCode(error) === 'ENOENT',
  );
});
