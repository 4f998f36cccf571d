import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Tree } from '../../src/active/tree.ts';
import { absent, type Entry } from '../../src/core/entry.ts';
import type { ReplicaPath } from '../../src/core/path.ts';

const path = '/a' as ReplicaPath;

function treeOf(root: string): Tree {
  const watchlists = {
    roots: ['/' as ReplicaPath],
    includes: () => true,
    mayContain: () => true,
    impliedDirectory: () => false,
  };
  const cache = {
    get: () => undefined,
    packed: () => undefined,
    knows: () => false,
    learn: () => undefined,
    set: () => undefined,
    delete: () => undefined,
    moved: () => undefined,
    folder: () => undefined,
    keep: () => undefined,
    retain: () => undefined,
    commit: () => undefined,
  };
  return new Tree({ root, watchlists, cache, maxFileSizeBytes: 1e6 });
}

function entryOf(tree: Tree): Entry {
  const seen = tree.observe(path);
  if (seen.kind !== 'entry') throw new Error(`expected an entry, found ${seen.kind}`);
  return seen.entry;
}

function sent(tree: Tree, put: Entry): string | undefined {
  const content = tree.content(path, absent, put);
  return content?.kind === 'inline' ? content.bytes.toString() : undefined;
}

test('what was seen is sent with the bytes that were seen, and the next turn looks anew', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'bmcs-looks-'));
  t.after(() => rmSync(root, { recursive: true }));
  const tree = treeOf(root);
  writeFileSync(join(root, 'a'), 'one');
  tree.lookToSend([path], () => undefined);
  const one = entryOf(tree);
  writeFileSync(join(root, 'b'), 'two');
  renameSync(join(root, 'b'), join(root, 'a'));
  assert.deepEqual(entryOf(tree), one);
  assert.equal(sent(tree, one), 'one');

  await nextTurn();
  const two = entryOf(tree);
  assert.notDeepEqual(two, one);
  assert.equal(sent(tree, two), 'two');
  assert.equal(sent(tree, one), undefined, 'the bytes of one entry never pass for those of another');
});

test('a file that somebody writes to is not kept for the turn', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'bmcs-looks-'));
  t.after(() => rmSync(root, { recursive: true }));
  const tree = treeOf(root);
  writeFileSync(join(root, 'a'), 'one');
  const writer = openSync(join(root, 'a'), 'a');
  assert.equal(tree.observe(path).kind, 'unstable');
  closeSync(writer);
  assert.equal(sent(tree, entryOf(tree)), 'one');
  await nextTurn();
});

test('each of many contents of one turn stays what it was, and those of the next turn are theirs', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'bmcs-looks-'));
  t.after(() => rmSync(root, { recursive: true }));
  const tree = treeOf(root);
  // More than lies in memory that is used again.
  const paths = Array.from({ length: 12 }, (_, at) => `/f${at}` as ReplicaPath);
  for (const digit of ['1', '2']) {
    const textOf = (at: number): string => `${at} ${digit.repeat(110_000 + at)}`;
    for (const [at, one] of paths.entries()) writeFileSync(join(root, one), textOf(at));
    tree.lookToSend(paths, () => undefined);
    const contents = paths.map((one) => {
      const seen = tree.observe(one);
      return seen.kind === 'entry' ? tree.content(one, absent, seen.entry) : undefined;
    });
    for (const [at, content] of contents.entries())
      assert.equal(content?.kind === 'inline' && content.bytes.toString() === textOf(at), true, `${at}`);
    await nextTurn();
  }
});
