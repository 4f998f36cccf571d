import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { afterMove, concerns, planMove } from '../../src/core/move.ts';
import { packEntry } from '../../src/core/packed.ts';
import type { ReplicaPath } from '../../src/core/path.ts';
import { A, entries } from './fixture.ts';

const at = (path: string): ReplicaPath => path as ReplicaPath;
const directory = packEntry(entries.directory);
const file = packEntry(A);
const rows: readonly [ReplicaPath, string][] = [
  [at('/etc/a/x'), file],
  [at('/etc/a'), directory],
  [at('/etc/a/d'), directory],
  [at('/etc/a/d/y'), file],
];
const everything = (): boolean => true;

describe('a directory that has another name', () => {
  it('takes with it all that is agreed below it, parents first', () => {
    const planned = planMove({ from: at('/etc/a'), to: at('/srv/b') }, rows, everything);
    assert.deepEqual(planned, [
      { from: '/etc/a', to: '/srv/b', packed: directory },
      { from: '/etc/a/d', to: '/srv/b/d', packed: directory },
      { from: '/etc/a/d/y', to: '/srv/b/d/y', packed: file },
      { from: '/etc/a/x', to: '/srv/b/x', packed: file },
    ]);
  });

  const declined: [string, string, string, readonly (readonly [ReplicaPath, string])[], RegExp, string?][] = [
    ['is the same one', '/etc/a', '/etc/a', rows, /not apart/],
    ['is below the old one', '/etc/a', '/etc/a/b', rows, /not apart/],
    ['is above the old one', '/etc/a', '/etc', rows, /not apart/],
    ['is agreed on by nobody', '/etc/b', '/etc/c', [], /\/etc\/b is not agreed on/],
    [
      'was a file',
      '/etc/a/x',
      '/etc/b',
      [[at('/etc/a/x'), file]],
      /no directory is agreed on above \/etc\/a\/x/,
    ],
    [
      'has a directory that nobody agreed on',
      '/etc/a',
      '/etc/b',
      rows.filter(([path]) => path !== '/etc/a/d'),
      /above \/etc\/a\/d\/y/,
    ],
    [
      'makes a path too long',
      '/etc/a',
      `/${'n'.repeat(255)}`.repeat(16).slice(0, 4093),
      rows,
      /path-too-long/,
    ],
    [
      'holds what the watchlist leaves out',
      '/etc/a',
      '/etc/b',
      rows,
      /\/etc\/a\/x is not replicated/,
      '/etc/a/x',
    ],
    [
      'holds what the watchlist leaves out there',
      '/etc/a',
      '/etc/b',
      rows,
      /\/etc\/b\/x is not replicated/,
      '/etc/b/x',
    ],
  ];
  for (const [what, from, to, agreed, why, excluded] of declined)
    it(`does not move as a whole where its name ${what}`, () => {
      const planned = planMove({ from: at(from), to: at(to) }, agreed, (path) => path !== excluded);
      assert.equal(typeof planned, 'string');
      assert.match(String(planned), why);
    });

  it('concerns what is at or below either name, and nothing beside them', () => {
    const move = { from: at('/etc/a'), to: at('/etc/b') };
    for (const path of ['/etc/a', '/etc/a/x', '/etc/b', '/etc/b/d/y'])
      assert.ok(concerns(at(path), move), path);
    for (const path of ['/etc', '/etc/ab', '/etc/c/a', '/etc/b2/x'])
      assert.ok(!concerns(at(path), move), path);
    assert.equal(afterMove(at('/etc/a/d/y'), move), '/etc/b/d/y');
  });
});
