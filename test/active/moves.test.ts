import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { AgreedEntries } from '../../src/active/agreement.ts';
import { Moves } from '../../src/active/moves.ts';
import type { Answer, Question, Session } from '../../src/active/session.ts';
import { packEntry } from '../../src/core/packed.ts';
import { isBelow, type ReplicaPath } from '../../src/core/path.ts';

const at = (path: string): ReplicaPath => path as ReplicaPath;
const owners = { owner: 'root', group: 'root', xattrs: {} };
const directory = packEntry({ kind: 'directory', mode: 0o755, ...owners });
const link = packEntry({ kind: 'symlink', target: 'x', owner: 'root', group: 'root' });
const move = { from: at('/etc/a'), to: at('/etc/n') };

type Change = {
  readonly agreed?: readonly (readonly [string, string])[];
  readonly busy?: string;
  readonly excluded?: string;
  /** A path that is not on this node any more. */
  readonly gone?: string;
  readonly speaksAlike?: boolean;
};

function rig({
  agreed = [
    ['/etc/a', directory],
    ['/etc/a/x', link],
  ],
  busy,
  excluded,
  gone,
  speaksAlike = true,
}: Change = {}) {
  const told: unknown[] = [];
  const questions: Question[] = [];
  let answer: ((message: Answer | undefined) => void) | undefined;
  const session = {
    speaksAlike,
    epoch: 3,
    ask: (question: (id: number) => Question[], onAnswer: (message: Answer, body: Buffer) => string) => {
      questions.push(...question(7));
      return new Promise<boolean>((resolve) => {
        answer = (message) => {
          if (message !== undefined) onAnswer(message, Buffer.alloc(0));
          resolve(message !== undefined);
        };
      });
    },
  } as unknown as Session;
  const under = (top: ReplicaPath) =>
    agreed
      .filter(([path]) => path === top || isBelow(at(path), top))
      .map(([path, packed]) => [at(path), packed]);
  const ledger = {
    below: (top: ReplicaPath) => under(top).map(([path]) => path),
    packedBelow: under,
  } as unknown as AgreedEntries;
  const moves = new Moves({
    ledger,
    includes: (path) => path !== excluded,
    isAtRest: (path) => path !== busy,
    onMoved: (moved, since) => told.push(['moved', moved.map(({ to }) => to), since]),
    onLost: (moved) => told.push(['lost', moved.length]),
    onDeclined: (asked, why) => told.push(['declined', asked.to, why]),
    onOver: (asked, left) => told.push(['over', asked.from, left]),
    shows: (path) => path !== gone,
  });
  return { moves, session, told, questions, answer: (message?: Answer) => answer?.(message) };
}

describe('a move that a peer is asked for', () => {
  it('leaves alone what is at or below both names until it is answered, and then has it looked at', async () => {
    const { moves, session, told, questions, answer } = rig();
    assert.equal(moves.begin(session, move, 5), true);
    assert.equal(moves.size, 2);
    const [question] = questions;
    assert.deepEqual(
      question !== undefined &&
        't' in question &&
        question.t === 'move' && [question.epoch, question.from, question.to, question.paths],
      [3, '/etc/a', '/etc/n', 2],
    );
    for (const path of ['/etc/a', '/etc/a/x', '/etc/n/y']) assert.ok(moves.defers(at(path)), path);
    assert.ok(moves.defers(at('/etc/a/z')));
    assert.equal(moves.defers(at('/etc/b')), false);
    assert.ok(moves.covers(at('/etc/n/more')));
    let idle = false;
    void moves.idle().then(() => {
      idle = true;
    });
    await turn();
    assert.deepEqual([told, idle], [[], false]);
    answer({ t: 'moved', id: 7 });
    await turn();
    assert.deepEqual(told, [
      ['moved', ['/etc/n', '/etc/n/x'], 5],
      ['over', '/etc/a', ['/etc/a', '/etc/a/x', '/etc/n/y', '/etc/a/z']],
    ]);
    assert.deepEqual([moves.size, moves.covers(at('/etc/a')), idle], [0, false, true]);
  });

  it('changes nothing where it is declined, but that all is looked at', async () => {
    const { moves, session, told, answer } = rig();
    moves.begin(session, move, 5);
    moves.defers(at('/etc/n'));
    answer({ t: 'moved', id: 7, declined: 'it is not as it was agreed' });
    await turn();
    assert.deepEqual(told, [
      ['declined', '/etc/n', 'it is not as it was agreed'],
      ['over', '/etc/a', ['/etc/n']],
    ]);
    assert.equal(
      moves.begin(session, move, 4000),
      false,
      'what is on its way by itself is not asked for again',
    );
    assert.equal(moves.begin(session, move, 6000), true);
  });

  it('may have been made where the link is lost', async () => {
    const { moves, session, told, answer } = rig();
    moves.begin(session, move, 5);
    answer(undefined);
    await turn();
    assert.deepEqual(told, [
      ['lost', 2],
      ['over', '/etc/a', []],
    ]);
  });

  const impossible: [string, Change][] = [
    [
      'something is agreed to be at the new name',
      {
        agreed: [
          ['/etc/a', directory],
          ['/etc/n', link],
        ],
      },
    ],
    ['nothing is agreed to be at the old one', { agreed: [] }],
    ['it was no directory', { agreed: [['/etc/a', link]] }],
    ['something of it is on its way', { busy: '/etc/a/x' }],
    ['something at its new name is on its way', { busy: '/etc/n/x' }],
    ['a part of it is not replicated', { excluded: '/etc/n/x' }],
    ['a part of it did not come to its new name', { gone: '/etc/n/x' }],
    ['the peer is of another version', { speaksAlike: false }],
    [
      'there are very many paths',
      {
        agreed: [
          ['/etc/a', directory],
          ...Array.from({ length: 20_000 }, (_, n): [string, string] => [`/etc/a/${n}`, link]),
        ],
      },
    ],
  ];
  for (const [what, change] of impossible)
    it(`is not asked for where ${what}`, () => {
      const { moves, session, questions } = rig(change);
      assert.equal(moves.begin(session, move, 5), false);
      assert.deepEqual([questions, moves.size, moves.covers(move.from)], [[], 0, false]);
    });

  it('is not asked for while one of its names is under way', () => {
    const { moves, session, questions } = rig();
    moves.begin(session, move, 5);
    assert.equal(moves.begin(session, { from: at('/etc/n'), to: at('/etc/m') }, 6), false);
    assert.equal(questions.length, 1);
    assert.equal(moves.covers(at('/etc/m')), false);
  });

  it('has what is renamed once more meanwhile wait for the answer under each of its names', async () => {
    const { moves, session, told, questions, answer } = rig();
    moves.begin(session, move, 5);
    for (const name of ['/etc/m', '/etc/o'])
      assert.equal(moves.begin(session, { from: move.from, to: at(name) }, 6), true);
    assert.equal(questions.length, 1);
    for (const path of ['/etc/m', '/etc/m/x', '/etc/o/x']) assert.ok(moves.defers(at(path)), path);
    assert.equal(moves.defers(at('/etc/mm')), false);
    answer({ t: 'moved', id: 7 });
    await turn();
    assert.deepEqual(told.at(-1), ['over', '/etc/a', ['/etc/m', '/etc/m/x', '/etc/o/x']]);
    assert.equal(moves.covers(at('/etc/m')), false);
  });

  it('does not hold back what has the name of something that is agreed on', () => {
    const agreed = [
      ['/etc/a', directory],
      ['/etc/a/x', link],
      ['/etc/m/y', link],
    ] as const;
    const { moves, session } = rig({ agreed });
    moves.begin(session, move, 5);
    assert.equal(moves.begin(session, { from: move.from, to: at('/etc/m') }, 6), false);
    assert.equal(moves.covers(at('/etc/m')), false);
  });
});
