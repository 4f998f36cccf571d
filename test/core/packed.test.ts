import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Entry, identicalEntry, sameEntry } from '../../src/core/entry.ts';
import { packEntry, packedKey, unpackEntry } from '../../src/core/packed.ts';

const name = fc.oneof(
  fc.constantFrom('root', '0', 'a"b', 'a\\', '","'),
  fc.string({ minLength: 1, maxLength: 4 }),
);
const xattrs = fc
  .dictionary(
    fc.constantFrom('user.a', 'user.b"][', 'system.posix_acl_access', 'user.\n'),
    fc.constantFrom('', 'YQ==', 'u:x:rw-,g::r--', '"'),
  )
  .map((found) => ({ ...found }));
const mode = fc.constantFrom(0, 0o644, 0o4755, 0o7777);
const entry: fc.Arbitrary<Entry> = fc.oneof(
  fc.constant<Entry>({ kind: 'absent' }),
  fc.record({ kind: fc.constant('directory' as const), mode, owner: name, group: name, xattrs }),
  fc.record({ kind: fc.constant('symlink' as const), target: name, owner: name, group: name }),
  fc.record({
    kind: fc.constant('file' as const),
    digest: fc.constantFrom('a'.repeat(64), 'b'.repeat(64)),
    size: fc.constantFrom(0, 1, 2 ** 53 - 1),
    mode,
    owner: name,
    group: name,
    mtime: fc.constantFrom('1.000000000', '-1.000000001', '1714000000.123456789'),
    xattrs,
  }),
);

test('what is packed is unpacked as it was', () => {
  fc.assert(fc.property(entry, (one) => assert.deepEqual(unpackEntry(packEntry(one)), structuredClone(one))));
});

test('packed entries are the same exactly when entries are identical, and their keys when they agree', () => {
  fc.assert(
    fc.property(entry, entry, (a, b) => {
      const [one, two] = [packEntry(a), packEntry(b)];
      assert.equal(one === two, identicalEntry(a, b));
      assert.equal(packedKey(one) === packedKey(two), sameEntry(a, b));
    }),
  );
});

test('attributes in another order are the same', () => {
  const directory = { kind: 'directory', mode: 0o755, owner: 'root', group: 'root' } as const;
  const one = packEntry({ ...directory, xattrs: { a: '1', b: '2' } });
  assert.equal(one, packEntry({ ...directory, xattrs: { b: '2', a: '1' } }));
});

const digest = 'a'.repeat(64);
for (const text of [
  '',
  '--',
  'x',
  '{"kind":"absent"}',
  'd 755',
  'd 755 []',
  'd 755 ["root"]',
  'd 755 ["root",1]',
  'd 788 ["root","root"]',
  'd 755 ["root","root","user.a"]',
  'd 755 ["root","root","__proto__","x"]',
  'd 755 ["root","root"',
  'l ["root","root"]',
  'l ["root","root",""]',
  'l ["root","root","a","b"]',
  `f 1.000000000 ${digest} 1 644`,
  `f 1.0 ${digest} 1 644 ["root","root"]`,
  `f 1.000000000 ${digest.slice(1)} 1 644 ["root","root"]`,
  `f 1.000000000 ${digest} 9999999999999999 644 ["root","root"]`,
  `f 1.000000000 ${digest} -1 644 ["root","root"]`,
  `f 1.000000000 ${digest} 1 644 ["root","root"] `,
])
  test(`a text that nobody packed is none: ${text.slice(0, 40)}`, () => {
    assert.equal(unpackEntry(text), undefined);
  });
