import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type DriftKind, driftKind } from '../../src/core/drift.ts';
import {
  absent,
  type DirectoryEntry,
  type Entry,
  type FileEntry,
  identicalEntry,
  type SymlinkEntry,
  sameEntry,
  type Xattrs,
} from '../../src/core/entry.ts';

const file: FileEntry = {
  kind: 'file',
  digest: 'a'.repeat(64),
  size: 5,
  mode: 0o644,
  owner: 'root',
  group: 'mail',
  mtime: '1.000000000',
  xattrs: {},
};
const directory: DirectoryEntry = {
  kind: 'directory',
  mode: 0o755,
  owner: 'root',
  group: 'mail',
  xattrs: {},
};
const symlink: SymlinkEntry = { kind: 'symlink', target: 'a', owner: 'root', group: 'mail' };
const acl = { 'system.posix_acl_access': 'user:cyrus:r--' };
const other = {
  digest: 'b'.repeat(64),
  mode: 0o600,
  owner: 'cyrus',
  group: 'root',
  xattrs: acl,
  mtime: '2.000000000',
};

const table: [string, Entry, Entry, DriftKind | undefined][] = [
  ['nothing on both', absent, absent, undefined],
  ['the same file', file, { ...file }, undefined],
  ['the same directory', directory, { ...directory }, undefined],
  ['the same link', symlink, { ...symlink }, undefined],
  ['a file that the passive lacks', file, absent, 'missing'],
  ['a directory that the passive lacks', directory, absent, 'missing'],
  ['a link that the passive lacks', symlink, absent, 'missing'],
  ['a file that only the passive has', absent, file, 'extra'],
  ['a link that only the passive has', absent, symlink, 'extra'],
  ['a file that is a directory there', file, directory, 'type'],
  ['a file that is a link there', file, symlink, 'type'],
  ['a directory that is a file there', directory, file, 'type'],
  ['a directory that is a link there', directory, symlink, 'type'],
  ['a link that is a file there', symlink, file, 'type'],
  ['a link that is a directory there', symlink, directory, 'type'],
  ['another content', file, { ...file, digest: other.digest }, 'content'],
  ['another size', file, { ...file, size: 6 }, 'content'],
  ['another mode', file, { ...file, mode: 0o600 }, 'mode'],
  ['another mode of a directory', directory, { ...directory, mode: 0o700 }, 'mode'],
  ['setgid lost', { ...file, mode: 0o2755 }, { ...file, mode: 0o755 }, 'mode'],
  ['another owner', file, { ...file, owner: 'cyrus' }, 'owner'],
  ['another group', file, { ...file, group: 'root' }, 'owner'],
  ['another group of a directory', directory, { ...directory, group: 'root' }, 'owner'],
  ['another owner of a link', symlink, { ...symlink, owner: 'cyrus' }, 'owner'],
  ['another target', symlink, { ...symlink, target: 'b' }, 'target'],
  ['an ACL more', file, { ...file, xattrs: acl }, 'xattr'],
  ['an ACL less on a directory', { ...directory, xattrs: acl }, directory, 'xattr'],
  ['all at once: the content tells most', file, { ...file, ...other }, 'content'],
  ['all but content: the mode', file, { ...file, ...other, digest: file.digest }, 'mode'],
  ['all of a link: the target', symlink, { ...symlink, target: 'b', owner: 'cyrus' }, 'target'],
  ['owner and ACL: the owner', file, { ...file, owner: 'cyrus', xattrs: acl }, 'owner'],
];

describe('the kind of drift', () => {
  for (const [sentence, active, passive, expected] of table) {
    it(`${sentence}: ${expected ?? 'none'}`, () => {
      assert.equal(driftKind(active, passive, { mtime: false }), expected);
      assert.equal(driftKind(active, passive, { mtime: true }), expected);
    });
  }

  it('a mtime is drift only where it is asked for, and only if nothing else is', () => {
    const touched = { ...file, mtime: '2.000000000' };
    assert.equal(driftKind(file, touched, { mtime: false }), undefined);
    assert.equal(driftKind(file, touched, { mtime: true }), 'mtime');
    assert.equal(driftKind(file, { ...touched, mode: 0 }, { mtime: true }), 'mode');
  });
});

const either = <T>(one: T, two: T) => fc.constantFrom(one, two);
const shared = { owner: either('root', 'cyrus'), group: either('root', 'mail') };
const modeAndXattrs = { mode: either(0o644, 0o600), xattrs: either<Xattrs>({}, acl) };
const anyEntry: fc.Arbitrary<Entry> = fc.oneof(
  fc.constant(absent),
  fc.record({
    kind: fc.constant('file' as const),
    digest: either(file.digest, other.digest),
    size: either(0, 1),
    mtime: either(file.mtime, other.mtime),
    ...shared,
    ...modeAndXattrs,
  }),
  fc.record({ kind: fc.constant('directory' as const), ...shared, ...modeAndXattrs }),
  fc.record({ kind: fc.constant('symlink' as const), target: either('a', 'b'), ...shared }),
);

describe('properties of drift', () => {
  it('there is drift exactly where entries are not the same; with mtime, not identical', () => {
    fc.assert(
      fc.property(anyEntry, anyEntry, (active, passive) => {
        assert.equal(driftKind(active, passive, { mtime: false }) === undefined, sameEntry(active, passive));
        assert.equal(
          driftKind(active, passive, { mtime: true }) === undefined,
          identicalEntry(active, passive),
        );
      }),
      { numRuns: 1000 },
    );
  });

  it('seen from the other node it is the same kind, missing and extra swapped', () => {
    fc.assert(
      fc.property(anyEntry, anyEntry, fc.boolean(), (active, passive, mtime) => {
        const there = driftKind(active, passive, { mtime });
        const back = driftKind(passive, active, { mtime });
        assert.equal(back, there === 'missing' ? 'extra' : there === 'extra' ? 'missing' : there);
      }),
    );
  });
});
