import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { aclBytes, aclText } from '../../src/files/acl.ts';
import { getXattr, setXattr } from '../../src/files/native.ts';
import { run, temporaryFolder } from './fixture.ts';

const access = 'system.posix_acl_access';
const byDefault = 'system.posix_acl_default';

function bytesOf(text: string): Buffer {
  const acl = aclBytes(text);
  assert.ok(acl.kind === 'bytes', `${text}: ${JSON.stringify(acl)}`);
  return acl.bytes;
}

const cases: [string, string, string][] = [
  ['one user', 'u:daemon:r--', 'user::rw-,user:daemon:r--,group::r--,mask::r--,other::r--'],
  [
    'users and groups by name, not by id',
    'u:sys:r--,u:daemon:rwx,u:bin:---,g:sys:r-x,g:adm:r--',
    'user::rw-,user:bin:---,user:daemon:rwx,user:sys:r--,group::r--,group:adm:r--,group:sys:r-x,mask::rwx,other::r--',
  ],
  ['an id without a name', 'u:424242:rw-', 'user::rw-,user:424242:rw-,group::r--,mask::rw-,other::r--'],
  ['a mask', 'u:daemon:rwx,m::r--', 'user::rw-,user:daemon:rwx,group::r--,mask::r--,other::r--'],
];
for (const [name, set, text] of cases) {
  test(`an ACL with ${name} is read as setfacl wrote it, and written as getfacl reads it`, () => {
    using folder = temporaryFolder();
    writeFileSync(folder.at('a'), '', { mode: 0o644 });
    writeFileSync(folder.at('b'), '', { mode: 0o644 });
    run('setfacl', '-m', set, folder.at('a'));
    const value = getXattr(folder.at('a'), access);
    assert.ok(value !== undefined, 'this file system has no ACLs: set TMPDIR to one that has');
    assert.equal(aclText(value), text);
    assert.deepEqual(bytesOf(text), value);
    setXattr(folder.at('b'), access, bytesOf(text));
    const shown = (file: string): string => run('getfacl', '-cn', '--absolute-names', folder.at(file));
    assert.equal(shown('b'), shown('a'));
  });
}

test('a default ACL of a directory travels likewise', () => {
  using folder = temporaryFolder();
  mkdirSync(folder.at('d'), { mode: 0o755 });
  run('setfacl', '-d', '-m', 'g:adm:rwx', folder.at('d'));
  const value = getXattr(folder.at('d'), byDefault);
  assert.ok(value !== undefined);
  const text = 'user::rwx,group::r-x,group:adm:rwx,mask::rwx,other::r-x';
  assert.equal(aclText(value), text);
  assert.deepEqual(bytesOf(text), value);
});

const broken: [string, Buffer][] = [
  ['nothing', Buffer.alloc(0)],
  ['another version', Buffer.from([1, 0, 0, 0])],
  ['half an entry', Buffer.from([2, 0, 0, 0, 1, 0, 6, 0])],
  ['an unknown tag', Buffer.from([2, 0, 0, 0, 3, 0, 6, 0, 0, 0, 0, 0])],
  ['unknown permissions', Buffer.from([2, 0, 0, 0, 1, 0, 8, 0, 0, 0, 0, 0])],
];
for (const [name, bytes] of broken) {
  test(`bytes with ${name} are no ACL`, () => assert.equal(aclText(bytes), undefined));
}

const plain = 'user::rw-,group::r--,other::r--';
const malformed = [
  '',
  'dXNlcg==',
  plain.replace('user', 'User'),
  `${plain},`,
  'user::rw-,group::r--',
  `${plain},user::rw-`,
  `user:daemon:r--,${plain}`,
  `user:daemon:r--,user:daemon:rw-,mask::r--,${plain}`,
  `user:%zz:r--,mask::r--,${plain}`,
  `mask:daemon:r--,${plain}`,
  `${plain.replace('rw-', 'wr-')}`,
  `${plain}\n`,
];
for (const text of malformed) {
  test(`${JSON.stringify(text)} is no ACL`, () => assert.deepEqual(aclBytes(text), { kind: 'malformed' }));
}

test('an ACL for somebody unknown says for whom', () => {
  const text = `user:no%3Asuch%2Cuser:r--,mask::r--,${plain}`;
  assert.deepEqual(aclBytes(text), { kind: 'unknown', name: 'no:such,user' });
});

test('whatever the entries, text and bytes say the same', () => {
  const bits = fc.constantFrom('---', 'r--', 'rw-', 'rwx', '-wx', '--x');
  const ids = fc.uniqueArray(fc.nat(4_000_000_000), { maxLength: 6 });
  fc.assert(
    fc.property(ids, ids, bits, bits, (users, groups, named, other) => {
      const parts = [
        'user::rw-',
        ...users.map((id) => `user:${id}:${named}`),
        'group::r--',
        ...groups.map((id) => `group:${id}:${other}`),
        'mask::rwx',
        `other::${other}`,
      ];
      const bytes = bytesOf(parts.join(','));
      const text = aclText(bytes);
      assert.ok(text !== undefined);
      assert.deepEqual(bytesOf(text), bytes);
      assert.equal(aclText(bytesOf(text)), text);
      assert.equal(text.split(',').length, parts.length);
    }),
    { numRuns: 200 },
  );
});
