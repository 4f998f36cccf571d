import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import fc from 'fast-check';
import { absent, identicalEntry, type Present, sameEntry } from '../../src/core/entry.ts';
import { initialiseHash } from '../../src/files/hash.ts';
import { Manifest } from '../../src/files/manifest.ts';
import type { Observation } from '../../src/files/observation.ts';
import { replica } from './fixture.ts';

before(initialiseHash);

const owned = { owner: 'root', group: 'root' };
const directory: Present = { kind: 'directory', mode: 0o755, xattrs: {}, ...owned };

function link(target: string): Present {
  return { kind: 'symlink', target, ...owned };
}

function file(about: { digest?: string; mtime?: string } = {}): Present {
  const { digest = 'a', mtime = '1.000000000' } = about;
  return { kind: 'file', digest: digest.repeat(64), size: 1, mode: 0o644, mtime, xattrs: {}, ...owned };
}

function manifestOf(
  entries: readonly (readonly [string, Present | Exclude<Observation, { kind: 'entry' }>])[],
  mtime = false,
): Manifest {
  const manifest = new Manifest({ mtime });
  for (const [path, what] of entries) manifest.add(replica(path), observed(what));
  return manifest;
}

function observed(what: Present | Exclude<Observation, { kind: 'entry' }>): Observation {
  switch (what.kind) {
    case 'file':
    case 'directory':
    case 'symlink':
      return { kind: 'entry', entry: what, stamp: '' };
    default:
      return what;
  }
}

const unreadable = { kind: 'failed', failure: { reason: 'permission', detail: 'no' } } as const;

test('what was observed is there, everything else is absent', () => {
  const manifest = manifestOf([
    ['/etc', directory],
    ['/etc/a', file()],
  ]);
  manifest.add(replica('/etc/none'), { kind: 'entry', entry: absent, stamp: '' });
  assert.deepEqual(manifest.get(replica('/etc/a')), file());
  assert.deepEqual(manifest.get(replica('/etc/none')), absent);
  assert.deepEqual(
    [...manifest.entries()].map(([path]) => path),
    ['/etc', '/etc/a'],
  );
  assert.deepEqual(manifest.childrenOf(replica('/etc')), ['/etc/a']);
  assert.deepEqual(manifest.childrenOf(replica('/etc/a')), []);
});

test('each directory has the digest of its own children, and only those that differ differ', () => {
  const tree = [
    ['/etc', directory],
    ['/etc/a', file()],
    ['/etc/d', directory],
    ['/etc/d/b', file()],
    ['/etc/e', directory],
    ['/etc/e/c', file()],
  ] as const;
  const other = tree.map(
    ([path, entry]) => [path, path === '/etc/d/b' ? file({ digest: 'b' }) : entry] as const,
  );
  const one = new Map(manifestOf(tree).directories());
  const two = new Map(manifestOf(other).directories());
  assert.deepEqual([...one.keys()].sort(), ['/', '/etc', '/etc/d', '/etc/e']);
  assert.deepEqual(
    [...one.keys()].filter((path) => one.get(path) !== two.get(path)),
    ['/etc/d'],
  );
});

test('what could not be observed is a problem with a reason, and neither present nor absent', () => {
  const manifest = manifestOf([
    ['/etc', directory],
    ['/etc/secret', unreadable],
    ['/etc/fifo', { kind: 'unsupported', type: 'fifo' }],
    ['/etc/busy', { kind: 'unstable' }],
  ]);
  assert.deepEqual(
    [...manifest.problems].map(([path, { reason }]) => [path, reason]),
    [
      ['/etc/secret', 'permission'],
      ['/etc/fifo', 'unsupported-type'],
      ['/etc/busy', 'unstable'],
    ],
  );
  for (const path of ['/etc/secret', '/etc/secret/deep/below', '/etc/fifo', '/etc/busy'])
    assert.equal(manifest.isUnknown(replica(path)), true, path);
  for (const path of ['/', '/etc', '/etc/secretly', '/var'])
    assert.equal(manifest.isUnknown(replica(path)), false, path);
});

test('when the root itself could not be observed, nothing is known', () => {
  const manifest = manifestOf([['/', unreadable]]);
  assert.equal(manifest.isUnknown(replica('/any/thing')), true);
});

test('a problem on one side makes a difference, in whatever order the problems were met', () => {
  const tree = [['/etc', directory]] as const;
  const one = manifestOf([...tree, ['/etc/a', unreadable], ['/etc/b', { kind: 'unstable' }]]);
  const two = manifestOf([['/etc/b', { kind: 'unstable' }], ...tree, ['/etc/a', unreadable]]);
  assert.equal(one.digest(), two.digest());
  assert.notEqual(one.digest(), manifestOf(tree).digest());
  assert.notEqual(one.digest(), manifestOf([...tree, ['/etc/a', unreadable]]).digest());
});

test('what is observed again counts once, as it was last', () => {
  const once = manifestOf([['/a', file({ digest: 'b' })]]);
  const twice = manifestOf([
    ['/a', file()],
    ['/a', file({ digest: 'b' })],
  ]);
  assert.equal(twice.digest(), once.digest());
  assert.deepEqual(twice.childrenOf(replica('/')), ['/a']);
  const problems = [
    ['/a', unreadable],
    ['/a', unreadable],
  ] as const;
  assert.equal(manifestOf(problems).digest(), manifestOf([['/a', unreadable]]).digest());
});

test('times count only where that is asked for', () => {
  const one = [['/a', file({ mtime: '1.000000000' })]] as const;
  const two = [['/a', file({ mtime: '1.000000001' })]] as const;
  assert.equal(manifestOf(one).digest(), manifestOf(two).digest());
  assert.notEqual(manifestOf(one, true).digest(), manifestOf(two, true).digest());
});

test('a name with a line break does not pass for two', () => {
  const one = manifestOf([['/a\n/b', link('x')]]);
  const two = manifestOf([
    ['/a', link('x')],
    ['/b', link('x')],
  ]);
  assert.notEqual(one.digest(), two.digest());
});

describe('properties', () => {
  const paths = fc.constantFrom('/a', '/b', '/b/c', '/b/d', '/b/d/e', '/b\n', '/?', '/a b');
  const ownership = fc.record({
    owner: fc.constantFrom('root', 'a b', '1'),
    group: fc.constantFrom('root', '"'),
  });
  const xattrs = fc.constantFrom({}, { 'user.a': 'AA==' }, { 'user.a': '', 'user.b': 'AA==' });
  const attributes = fc.record({ mode: fc.constantFrom(0o644, 0o4644), xattrs });
  const digests = fc.constantFrom('a'.repeat(64), 'b'.repeat(64));
  const times = fc.constantFrom('1.000000000', '-1.000000001');
  const present: fc.Arbitrary<Present> = fc.oneof(
    fc
      .tuple(ownership, attributes, digests, fc.constantFrom(0, 1), times)
      .map(([o, a, digest, size, mtime]) => ({ kind: 'file', digest, size, mtime, ...o, ...a }) as const),
    fc.tuple(ownership, attributes).map(([o, a]) => ({ kind: 'directory', ...o, ...a }) as const),
    fc
      .tuple(ownership, fc.constantFrom('x', 'x\n', 'é'))
      .map(([o, target]) => ({ kind: 'symlink', target, ...o }) as const),
  );
  const trees = fc.uniqueArray(fc.tuple(paths, present), { maxLength: 4, selector: ([path]) => path });
  type Tree = [string, Present][];

  /** A second tree that often is the first with one entry changed, removed or in another order. */
  const pairs: fc.Arbitrary<[Tree, Tree]> = fc.oneof(
    fc.tuple(trees, trees),
    trees.chain((tree) => fc.tuple(fc.constant(tree), fc.shuffledSubarray(tree, { minLength: tree.length }))),
    trees.chain((tree) => fc.tuple(fc.constant(tree), fc.shuffledSubarray(tree))),
    fc.tuple(trees, present).map(([tree, entry]) => {
      const [first, ...rest] = tree;
      return [tree, first === undefined ? [] : [...rest, [first[0], entry]]] as [Tree, Tree];
    }),
  );

  for (const mtime of [false, true]) {
    const same = mtime ? identicalEntry : sameEntry;

    test(`digests are equal exactly when all entries are, ${mtime ? 'with' : 'without'} times`, () => {
      fc.assert(
        fc.property(pairs, ([a, b]) => {
          const [one, two] = [manifestOf(a, mtime), manifestOf(b, mtime)];
          const all = new Set([...one.entries(), ...two.entries()].map(([path]) => path));
          const equal = [...all].every((path) => same(one.get(path), two.get(path)));
          assert.equal(one.digest() === two.digest(), equal);
        }),
        { numRuns: 300 },
      );
    });

    test(`all differences lie in directories whose digests differ, ${mtime ? 'with' : 'without'} times`, () => {
      fc.assert(
        fc.property(pairs, ([a, b]) => {
          const manifests = [manifestOf(a, mtime), manifestOf(b, mtime)] as const;
          const [one, two] = manifests.map((manifest) => new Map(manifest.directories()));
          const all = new Set([...(one?.keys() ?? []), ...(two?.keys() ?? [])]);
          for (const path of all) {
            const children = manifests.flatMap((manifest) => manifest.childrenOf(path));
            const differs = children.some((child) => !same(manifests[0].get(child), manifests[1].get(child)));
            assert.equal(one?.get(path) !== two?.get(path), differs, path);
          }
        }),
        { numRuns: 300 },
      );
    });
  }
});
