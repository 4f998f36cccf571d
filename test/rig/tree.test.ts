import assert from 'node:assert/strict';
import { chmodSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { type Written, write } from '../world/tree.ts';
import { compareTrees, makeTree, replaceFile } from './tree.ts';

let folder = '';
const side = (name: string): string => join(folder, name);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bmcs-tree-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const mtime = new Date('2024-05-06T07:08:09Z');
const base: Record<string, Written> = {
  'etc/a.conf': { content: 'text\n', mode: 0o640, mtime },
  'etc/empty': { directory: true, mode: 0o750 },
  'etc/link': { symlink: 'a.conf' },
};

test('write puts what is described', () => {
  write(folder, { ...base, 'etc/plain': 'words', 'etc/gone': 'x' });
  write(folder, { 'etc/gone': null });
  assert.equal(readFileSync(side('etc/a.conf'), 'utf8'), 'text\n');
  assert.equal(statSync(side('etc/a.conf')).mode & 0o7777, 0o640);
  assert.equal(statSync(side('etc/a.conf')).mtimeMs, mtime.getTime());
  assert.ok(lstatSync(side('etc/link')).isSymbolicLink());
  assert.deepEqual(readdirSync(side('etc')).sort(), ['a.conf', 'empty', 'link', 'plain']);
});

test('equal trees have no differences', async () => {
  for (const name of ['a', 'b']) write(side(name), base);
  assert.deepEqual(await compareTrees(side('a'), side('b')), []);
});

const changes: [string, Record<string, Written>][] = [
  ['content of the same size and time', { 'etc/a.conf': { content: 'TEXT\n', mode: 0o640, mtime } }],
  ['mode', { 'etc/a.conf': { content: 'text\n', mode: 0o600, mtime } }],
  ['mtime', { 'etc/a.conf': { content: 'text\n', mode: 0o640, mtime: new Date(0) } }],
  ['a missing file', { 'etc/a.conf': null }],
  ['an extra file', { 'etc/b.conf': 'more' }],
  ['a missing empty directory', { 'etc/empty': null }],
  ['a link target', { 'etc/link': { symlink: 'b.conf' } }],
  ['the type', { 'etc/link': null, 'etc/link/x': '' }],
];
for (const [name, change] of changes) {
  test(`the comparison finds ${name}`, async () => {
    for (const root of ['a', 'b']) write(side(root), base);
    write(side('b'), change);
    assert.notDeepEqual(await compareTrees(side('a'), side('b')), []);
  });
}

test('what is excluded is not compared, its neighbours are', async () => {
  for (const root of ['a', 'b']) write(side(root), base);
  write(side('b'), { 'etc/skip': 'x', 'etc/skip.d/y': 'y' });
  assert.deepEqual(await compareTrees(side('a'), side('b'), { excludes: ['etc/skip', 'etc/skip.d'] }), []);
  assert.notDeepEqual(await compareTrees(side('a'), side('b'), { excludes: ['etc/ski'] }), []);
});

test('a tree that cannot be read is an error, not equality', async () => {
  write(side('a'), base);
  await assert.rejects(compareTrees(side('nowhere'), side('a')), /rsync ended with/);
});

test('a made tree is determined by its seed', async () => {
  const options = { files: 30, bytes: 30_000, directories: 6, seed: 7 };
  const paths = makeTree(side('a'), options);
  assert.deepEqual(makeTree(side('b'), options), paths);
  assert.equal(new Set(paths).size, 30);
  assert.deepEqual(await compareTrees(side('a'), side('b')), []);
  makeTree(side('c'), { ...options, seed: 8 });
  assert.notDeepEqual(await compareTrees(side('a'), side('c')), []);
  const bytes = paths.reduce((sum, path) => sum + statSync(join(side('a'), path)).size, 0);
  assert.ok(bytes > 20_000 && bytes < 40_000, `${bytes} bytes`);
});

test('replacing gives a new inode and leaves nothing beside it', () => {
  write(folder, base);
  chmodSync(side('etc/a.conf'), 0o644);
  const before = statSync(side('etc/a.conf')).ino;
  replaceFile(folder, 'etc/a.conf', 'new');
  assert.equal(readFileSync(side('etc/a.conf'), 'utf8'), 'new');
  assert.notEqual(statSync(side('etc/a.conf')).ino, before);
  assert.deepEqual(readdirSync(side('stage')), []);
});
