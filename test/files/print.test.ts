import assert from 'node:assert/strict';
import { chmodSync, lchownSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { everything, makeScopes } from '../../src/config/scopes.ts';
import type { ReplicaPath } from '../../src/core/path.ts';
import { initialiseHash } from '../../src/files/hash.ts';
import { printsOf } from '../../src/files/print.ts';
import { scan } from '../../src/files/scan.ts';
import type { Scanned } from '../../src/files/walk.ts';
import { temporaryFolder } from '../world/tree.ts';

/** What stands at a name of /etc: small numbers, so that two draws are often the same. */
type Thing = {
  readonly kind: 'file' | 'directory' | 'symlink';
  readonly content: number;
  readonly mode: number;
  readonly owner: number;
};
type Tree = Readonly<Record<string, Thing>>;

const thing: fc.Arbitrary<Thing> = fc.record({
  kind: fc.constantFrom('file', 'directory', 'symlink'),
  content: fc.nat(2),
  mode: fc.constantFrom(0o644, 0o600),
  owner: fc.constantFrom(0, 1),
});
const tree: fc.Arbitrary<Tree> = fc.dictionary(fc.constantFrom('a', 'b', 'a\nb', 'ä'), thing, {
  maxKeys: 3,
  noNullPrototype: true,
});

/** What of a thing both nodes must agree in. */
function replicated(of: Tree): unknown {
  return Object.entries(of)
    .map(([name, { kind, content, mode, owner }]) => [
      name,
      kind,
      owner,
      kind === 'directory' ? '' : content,
      kind === 'symlink' ? 0 : mode,
    ])
    .sort();
}

function build(root: string, of: Tree, order: 'as drawn' | 'backwards'): void {
  rmSync(root, { recursive: true, force: true });
  mkdirSync(join(root, 'etc'), { recursive: true });
  const names = Object.keys(of);
  for (const name of order === 'as drawn' ? names : names.reverse()) {
    const { kind, content, mode, owner } = of[name] ?? assert.fail(name);
    const path = join(root, 'etc', name);
    if (kind === 'file') writeFileSync(path, `content ${content}\n`);
    else if (kind === 'directory') mkdirSync(path);
    else symlinkSync(`target ${content}`, path);
    if (kind !== 'symlink') chmodSync(path, mode);
    lchownSync(path, owner, owner);
  }
}

async function printOf(root: string): Promise<string> {
  const roots = ['/etc' as ReplicaPath];
  const watchlists = { roots, includes: () => true, mayContain: () => true };
  const [print] = await printsOf(scan({ root, watchlists, maxFileSizeBytes: 1024 }), [everything]);
  return print?.fingerprint ?? assert.fail('no fingerprint');
}

describe('a fingerprint', () => {
  let folder: string;
  before(async () => {
    await initialiseHash();
    folder = temporaryFolder('print');
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('is the same exactly when both trees are the same in what is replicated', async () => {
    const [one, two] = [join(folder, 'one'), join(folder, 'two')];
    let alike = 0;
    await fc.assert(
      fc.asyncProperty(tree, tree, fc.boolean(), async (first, other, again) => {
        const second = again ? first : other;
        build(one, first, 'as drawn');
        build(two, second, 'backwards');
        const same = JSON.stringify(replicated(first)) === JSON.stringify(replicated(second));
        alike += same ? 1 : 0;
        assert.equal((await printOf(one)) === (await printOf(two)), same);
      }),
      { numRuns: 150 },
    );
    assert.ok(alike > 20 && alike < 140, `${alike} of 150 alike`);
  });

  it('can be read aloud', async () => {
    build(join(folder, 'one'), {}, 'as drawn');
    assert.match(await printOf(join(folder, 'one')), /^[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){3}$/);
  });
});

const failing = (path: string, reason: 'io' | 'too-large'): Scanned => ({
  path: path as ReplicaPath,
  observation: { kind: 'failed', failure: { reason, detail: '' } },
});
const absent = (path: string): Scanned => ({
  path: path as ReplicaPath,
  observation: { kind: 'entry', entry: { kind: 'absent' }, stamp: '' },
});
const fifo = (path: string): Scanned => ({
  path: path as ReplicaPath,
  observation: { kind: 'unsupported', type: 'fifo' },
});

async function* walked(...all: Scanned[]): AsyncGenerator<Scanned[]> {
  yield all;
}

describe('what cannot be compared', () => {
  const scopes = makeScopes([]);
  const prints = (...all: Scanned[]) => printsOf(walked(...all), scopes);

  it('does not count where it is never replicated', async () => {
    const none = await prints();
    assert.deepEqual(await prints(fifo('/etc/a'), failing('/etc/b', 'too-large'), absent('/etc/c')), none);
  });

  it('makes a difference where it could not be read, in the scopes that it may belong to', async () => {
    const none = await prints();
    const found = await prints(failing('/etc/nginx', 'io'));
    const differing = found.filter(({ fingerprint }, at) => fingerprint !== none[at]?.fingerprint);
    assert.deepEqual(
      differing.map(({ name, unread }) => [name, unread]),
      [
        ['all', ['/etc/nginx']],
        ['nginx', ['/etc/nginx']],
      ],
    );
  });
});

describe('scopes', () => {
  const inScope = (name: string, path: string): boolean =>
    makeScopes([])
      .find((scope) => scope.name === name)
      ?.includes(path as ReplicaPath) ?? assert.fail(name);
  const table: [string, string, boolean][] = [
    ['all', '/etc/anything', true],
    ['bm', '/etc/bm/bm.ini', true],
    ['bm', '/etc/bm-node/x', true],
    ['bm', '/etc/bmw', false],
    ['nginx', '/etc/nginx', true],
    ['nginx', '/etc/nginx/nginx.conf', true],
    ['nginx', '/etc/nginx.bak', false],
    ['postfix', '/etc/aliases.db', true],
    ['postfix', '/etc/postfix/main.cf', true],
    ['certs', '/etc/ssl/certs/bm_cert.pem', true],
    ['certs', '/etc/postfix/main.cf', false],
  ];
  for (const [name, path, included] of table)
    it(`${name} ${included ? 'holds' : 'does not hold'} ${path}`, () =>
      assert.equal(inScope(name, path), included));
});
