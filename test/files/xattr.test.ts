import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Xattrs } from '../../src/core/entry.ts';
import { applyXattrs, namesAccounts, readXattrs } from '../../src/files/xattr.ts';
import { run, temporaryFolder } from './fixture.ts';

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

const acl = 'user::rw-,user:daemon:r--,group::r--,mask::r--,other::r--';

/** A file with one attribute of each kind that travels, and one of each that does not. */
function decorate(file: string): void {
  writeFileSync(file, '', { mode: 0o644 });
  run('setfattr', '-n', 'user.b', '-v', 'two', file);
  run('setfattr', '-n', 'user.a', '-v', '0x00ff', file);
  run('setfattr', '-n', 'security.selinux', '-v', 'system_u:object_r:etc_t:s0', file);
  run('setfattr', '-n', 'trusted.machine', '-v', 'local', file);
  run('setcap', 'cap_net_bind_service+ep', file);
  run('setfacl', '-m', 'u:daemon:r--', file);
}

test('attributes that travel are read in order, the machine’s own are not', () => {
  using folder = temporaryFolder();
  decorate(folder.at('a'));
  const { 'security.capability': capability, ...rest } = readXattrs(folder.at('a'));
  assert.match(capability ?? '', /^AQAAAg/);
  assert.deepEqual(rest, {
    'security.selinux': base64('system_u:object_r:etc_t:s0'),
    'system.posix_acl_access': acl,
    'user.a': 'AP8=',
    'user.b': base64('two'),
  });
  assert.deepEqual(Object.keys(rest), Object.keys(rest).sort());
});

test('attributes are carried over whole, and what is too many is removed', () => {
  using folder = temporaryFolder();
  decorate(folder.at('a'));
  writeFileSync(folder.at('b'), '', { mode: 0o644 });
  run('setfattr', '-n', 'user.c', '-v', 'too many', folder.at('b'));
  run('setfattr', '-n', 'trusted.machine', '-v', 'mine', folder.at('b'));
  assert.equal(applyXattrs(folder.at('b'), readXattrs(folder.at('a'))), undefined);
  assert.deepEqual(readXattrs(folder.at('b')), readXattrs(folder.at('a')));
  assert.match(run('getcap', folder.at('b')), /cap_net_bind_service=ep/);
  assert.match(run('getfattr', '-n', 'trusted.machine', '--absolute-names', folder.at('b')), /="mine"/);
  assert.match(run('getfacl', '--absolute-names', folder.at('b')), /^user:daemon:r--$/m);

  assert.equal(applyXattrs(folder.at('b'), {}), undefined);
  assert.deepEqual(readXattrs(folder.at('b')), {});
  assert.equal(run('getcap', folder.at('b')), '');
  assert.match(run('getfattr', '-n', 'trusted.machine', '--absolute-names', folder.at('b')), /="mine"/);
});

test('a directory has an access and a default ACL', () => {
  using folder = temporaryFolder();
  for (const name of ['a', 'b']) mkdirSync(folder.at(name), { mode: 0o755 });
  run('setfacl', '-m', 'u:daemon:rwx,d:g:adm:r-x', folder.at('a'));
  const read = readXattrs(folder.at('a'));
  assert.deepEqual(Object.keys(read), ['system.posix_acl_access', 'system.posix_acl_default']);
  assert.ok(namesAccounts(read));
  assert.equal(applyXattrs(folder.at('b'), read), undefined);
  const shown = (name: string): string => run('getfacl', '-c', '--absolute-names', folder.at(name));
  assert.equal(shown('b'), shown('a'));
  assert.equal(applyXattrs(folder.at('b'), {}), undefined);
  assert.deepEqual(readXattrs(folder.at('b')), {});
});

test('a link’s target is not touched', () => {
  using folder = temporaryFolder();
  decorate(folder.at('a'));
  symlinkSync('a', folder.at('link'));
  assert.deepEqual(readXattrs(folder.at('link')), {});
  assert.equal(applyXattrs(folder.at('link'), { 'user.x': '' })?.reason, 'permission');
  assert.ok(!('user.x' in readXattrs(folder.at('a'))));
});

test('where there are no attributes none are read, and only wanted ones fail', () => {
  assert.deepEqual(readXattrs('/proc/self/status'), {});
  assert.equal(applyXattrs('/proc/self/status', {}), undefined);
  assert.equal(applyXattrs('/proc/self/status', { 'user.a': base64('x') })?.reason, 'no-xattrs');
});

const refused: [string, Xattrs, string, RegExp][] = [
  ['another namespace', { 'trusted.overlay.opaque': 'eQ==' }, 'no-xattrs', /trusted\.overlay\.opaque/],
  ['a name with NUL', { 'user.a\0b': 'eQ==' }, 'no-xattrs', /user\.a/],
  ['a broken value', { 'user.x': '!!' }, 'no-xattrs', /base64/],
  ['a broken ACL', { 'system.posix_acl_access': 'eQ==' }, 'no-xattrs', /expected an ACL/],
  [
    'an ACL for somebody unknown',
    { 'system.posix_acl_access': acl.replace('daemon', 'no-such-user') },
    'unknown-owner',
    /no-such-user/,
  ],
  ['an empty name', { 'user.': 'eQ==' }, 'io', /EINVAL/],
];
for (const [name, wanted, reason, detail] of refused) {
  test(`${name} is refused`, () => {
    using folder = temporaryFolder();
    writeFileSync(folder.at('a'), '');
    const failure = applyXattrs(folder.at('a'), wanted);
    assert.equal(failure?.reason, reason);
    assert.match(failure.detail, detail);
    assert.deepEqual(readXattrs(folder.at('a')), {});
  });
}

test('nothing is changed when a part of it is refused', () => {
  using folder = temporaryFolder();
  decorate(folder.at('a'));
  const before = readXattrs(folder.at('a'));
  const failure = applyXattrs(folder.at('a'), { 'user.new': 'eQ==', 'user.x': '!!' });
  assert.equal(failure?.reason, 'no-xattrs');
  assert.deepEqual(readXattrs(folder.at('a')), before);
});

test('a path that is gone is a failure', () => {
  using folder = temporaryFolder();
  assert.throws(() => readXattrs(folder.at('none')), { code: 'ENOENT' });
  assert.equal(applyXattrs(folder.at('none'), {})?.reason, 'io');
});
