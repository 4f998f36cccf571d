import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AgreedEntries } from '../../src/active/agreement.ts';
import type { Peer } from '../../src/active/peer.ts';
import { findRenamed, followRenamed, goneAgain } from '../../src/active/renamed.ts';
import type { Tree } from '../../src/active/tree.ts';
import { absent, type Entry } from '../../src/core/entry.ts';
import type { Move } from '../../src/core/move.ts';
import { isAtOrBelow, type ReplicaPath } from '../../src/core/path.ts';
import { A, entries } from '../core/fixture.ts';

const at = (path: string): ReplicaPath => path as ReplicaPath;

/** `agreed`: those that end with `/` are directories. `same`: which file is where now. */
function rig(agreed: readonly string[], same: Readonly<Record<string, string>>) {
  const agreedOn = new Map<ReplicaPath, Entry>(
    agreed.map((path) => (path.endsWith('/') ? [at(path.slice(0, -1)), entries.directory] : [at(path), A])),
  );
  let looks = 0;
  const ledger = {
    get: (path: ReplicaPath) => agreedOn.get(path),
    below: (top: ReplicaPath) => [...agreedOn.keys()].filter((path) => isAtOrBelow(path, top)),
  } as unknown as AgreedEntries;
  const moved: Move[] = [];
  const tree = {
    watchlists: { includes: () => true },
    isFileOf: (before: ReplicaPath, path: ReplicaPath) => {
      looks += 1;
      return same[before] === path;
    },
    moved: (move: Move) => moved.push(move),
  } as unknown as Tree;
  return { ledger, tree, moved, looks: () => looks };
}

const found = (rigged: ReturnType<typeof rig>, come: string[], gone: string[]): Move[] =>
  findRenamed({ come: come.map(at), gone: new Set(gone.map(at)) }, rigged);

describe('a directory that came', () => {
  const agreed = ['/etc/', '/etc/a/', '/etc/a/x', '/etc/a/d/', '/etc/a/d/y', '/etc/b/', '/etc/b/z'];

  it('is one that is gone, where a file of that is in it', () => {
    const rigged = rig(agreed, { '/etc/a/d/y': '/etc/n/d/y' });
    assert.deepEqual(found(rigged, ['/etc/n'], ['/etc/a', '/etc/a/x', '/etc/a/d', '/etc/b']), [
      { from: '/etc/a', to: '/etc/n' },
    ]);
  });

  it('is new where no file of what is gone is in it, or nothing is gone', () => {
    assert.deepEqual(found(rig(agreed, {}), ['/etc/n'], ['/etc/a', '/etc/b']), []);
    assert.deepEqual(found(rig(agreed, { '/etc/a/x': '/etc/n/x' }), ['/etc/n'], []), []);
  });

  it('is not what was below another one that is gone, nor a file', () => {
    const rigged = rig(agreed, { '/etc/a/d/y': '/etc/n/y', '/etc/a/x': '/etc/n' });
    assert.deepEqual(found(rigged, ['/etc/n'], ['/etc/a', '/etc/a/d', '/etc/a/x']), []);
    assert.deepEqual(found(rigged, ['/etc/n'], ['/etc/a/d']), [{ from: '/etc/a/d', to: '/etc/n' }]);
    assert.deepEqual(found(rigged, ['/etc/n'], ['/etc/a/x']), []);
  });

  it('is found by the first few files, or goes the long way', () => {
    const many = ['/etc/a/', ...Array.from({ length: 100 }, (_, index) => `/etc/a/${index}`)];
    const rigged = rig(many, { '/etc/a/99': '/etc/n/99' });
    assert.deepEqual(found(rigged, ['/etc/n'], ['/etc/a']), []);
    assert.equal(rigged.looks(), 8);
  });
});

describe('peers are asked to rename a directory', () => {
  function peerOf({ ledger }: ReturnType<typeof rig>, busy: readonly string[] = []) {
    const asked: [Move, number][] = [];
    const replicator = {
      ledger,
      isBusy: (path: ReplicaPath) => busy.includes(path),
      move: (move: Move, since: number) => asked.push([move, since]),
    };
    return { peer: { replicator } as unknown as Peer, asked };
  }
  const agreed = ['/etc/', '/etc/a/', '/etc/a/x', '/etc/a/d/', '/etc/a/d/y'];
  const same = { '/etc/a/x': '/etc/n/x', '/etc/a/d/y': '/etc/n/d/y' };

  it('once, by the topmost name, and what is known of its files goes with it', () => {
    const rigged = rig(agreed, same);
    const { peer, asked } = peerOf(rigged);
    const come = ['/etc/n', '/etc/n/d'].map(at);
    followRenamed({ come, gone: new Set(['/etc/a', '/etc/a/d'].map(at)), since: 5 }, [peer], rigged.tree);
    const move = { from: '/etc/a', to: '/etc/n' };
    assert.deepEqual([asked, rigged.moved], [[[move, 5]], [move]]);
  });

  it('each by what it was agreed with', () => {
    const knows = rig(agreed, same);
    const lacks = rig(['/etc/'], same);
    const [one, other] = [peerOf(knows), peerOf(lacks)];
    followRenamed(
      { come: [at('/etc/n')], gone: new Set([at('/etc/a')]), since: 5 },
      [one.peer, other.peer],
      knows.tree,
    );
    assert.deepEqual([one.asked.length, other.asked.length], [1, 0]);
  });

  it('not where the name was known before, or something is on its way there', () => {
    const rigged = rig([...agreed, '/etc/n/'], same);
    const busy = rig(agreed, same);
    const [one, other] = [peerOf(rigged), peerOf(busy, ['/etc/n'])];
    followRenamed(
      { come: [at('/etc/n')], gone: new Set([at('/etc/a')]), since: 5 },
      [one.peer, other.peer],
      busy.tree,
    );
    assert.deepEqual([one.asked, other.asked], [[], []]);
    assert.equal((rigged.ledger.get(at('/etc/none')) ?? absent).kind, 'absent');
  });
});

describe('what was read in a directory that has gone again', () => {
  const there = (...shown: string[]) => ({
    shows: (path: ReplicaPath, packed: string) => packed === 'd' && shown.includes(path),
  });
  const paths = ['/etc/n', '/etc/n/d', '/etc/n/d/y', '/etc/nn', '/etc/o', '/etc/o/x'].map(at);

  it('is all that is at or below it, and asked for by the topmost name alone', () => {
    const come = ['/etc/n', '/etc/n/d', '/etc/o'].map(at);
    assert.deepEqual(goneAgain(come, paths, there('/etc/o')), ['/etc/n', '/etc/n/d', '/etc/n/d/y']);
    assert.deepEqual(goneAgain(come, paths, there('/etc/o', '/etc/n/d')), [
      '/etc/n',
      '/etc/n/d',
      '/etc/n/d/y',
    ]);
  });

  it('is nothing where each of them is there still, or none came', () => {
    assert.deepEqual(goneAgain([at('/etc/n')], paths, there('/etc/n')), []);
    assert.deepEqual(goneAgain([], paths, there()), []);
  });
});
