import assert from 'node:assert/strict';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { eventually } from '../world/eventually.ts';
import { Pair, type Running } from '../world/pair.ts';
import { differences, leftovers, write } from '../world/tree.ts';

/** Where a move is declined each path is removed by itself, which would halt. */
const unguarded = { massDeletion: { paths: 1_000_000, percent: 100 } };
const count = 120;
const names = Array.from({ length: count }, (_, index) => `d${index % 6}/f${index}`);

/** The active's daemon, with the passive's beside it, once both nodes agree on something. */
async function begun(pair: Pair): Promise<Running> {
  pair.spawnDaemon('passive');
  write(pair.root('active'), { 'etc/first': 'x' });
  return pair.startActive();
}

/** A tree that was written long enough ago for its files to be known. */
async function planted(pair: Pair, top: string): Promise<void> {
  write(pair.root('active'), Object.fromEntries(names.map((name) => [`${top}/${name}`, `${top} ${name}\n`])));
  assert.equal((await pair.flush()).code, 0);
  // What changed a moment ago is not remembered.
  await pause(100);
  assert.equal((await pair.run('active', ['verify'])).code, 0);
}

async function assertSame(pair: Pair, daemon: Running): Promise<void> {
  const flushed = await pair.flush();
  assert.equal(flushed.code, 0, flushed.stdout + flushed.stderr + daemon.log().slice(-2000));
  assert.equal(differences(pair.root('active'), pair.root('passive')), '');
  assert.equal(leftovers(pair.root('passive')), '');
  const { code, stdout } = await pair.run('active', ['conflicts', 'list', '--json']);
  assert.equal(code, 0, stdout);
  const { stdout: others } = await pair.run('passive', ['conflicts', 'list', '--json']);
  assert.deepEqual(JSON.parse(others), []);
}

const move = (pair: Pair, from: string, to: string): void =>
  renameSync(pair.at('active', from), pair.at('active', to));
const inodesOf = (pair: Pair, top: string): number[] =>
  names.map((name) => lstatSync(pair.at('passive', `${top}/${name}`)).ino);

describe('a directory that is renamed on the active node', () => {
  let pair: Pair;
  let daemon: Running;
  before(async () => {
    pair = await Pair.open();
    daemon = await begun(pair);
    await planted(pair, 'etc/a');
  });
  after(() => pair[Symbol.asyncDispose]());

  it('is renamed on the passive node, with the very files, though so many deletions would halt', async () => {
    const inodes = inodesOf(pair, 'etc/a');
    move(pair, 'etc/a', 'etc/b');
    await eventually('it is renamed there', () => existsSync(pair.at('passive', 'etc/b')));
    assert.equal(existsSync(pair.at('passive', 'etc/a')), false, 'at no moment it has both names, or none');
    assert.deepEqual(inodesOf(pair, 'etc/b'), inodes);
    await assertSame(pair, daemon);
    assert.match(daemon.log(), /moved: \/etc\/a to \/etc\/b on mail2 \(127 paths\), \d+ ms/);
    const status = await pair.json('active', ['status']);
    assert.equal(status['halt'], null);
    // When the hold of the old names ends, there is nothing to be deleted.
    await pause(700);
    await assertSame(pair, daemon);
    assert.equal((await pair.json('active', ['status']))['halt'], null);
    assert.deepEqual(inodesOf(pair, 'etc/b'), inodes);
  });

  it('follows what is changed in it in the same moment, and what takes its old name later', async () => {
    move(pair, 'etc/b', 'etc/c');
    writeFileSync(pair.at('active', `etc/c/${names[0]}`), 'edited\n');
    write(pair.root('active'), { 'etc/c/new': 'new\n' });
    await assertSame(pair, daemon);
    rmSync(pair.at('active', `etc/c/${names[1]}`));
    write(pair.root('active'), { 'etc/b/again': 'again\n' });
    await assertSame(pair, daemon);
    write(pair.root('active'), { [`etc/c/${names[1]}`]: 'back\n' });
    await assertSame(pair, daemon);
  });

  it('is followed through several names', async () => {
    move(pair, 'etc/c', 'etc/d');
    move(pair, 'etc/d', 'etc/e');
    await assertSame(pair, daemon);
    mkdirSync(pair.at('active', 'etc/g'));
    await assertSame(pair, daemon);
    move(pair, 'etc/b', 'etc/g/b');
    await assertSame(pair, daemon);
    move(pair, 'etc/g/b', 'etc/b');
    await assertSame(pair, daemon);
  });
});

describe('two directories that change their names', () => {
  it('have them on both nodes', async () => {
    // On a busy machine each path may go by itself, which the guard against mass deletion would stop.
    await using pair = await Pair.open({ active: { limits: unguarded } });
    const daemon = await begun(pair);
    await planted(pair, 'etc/one');
    await planted(pair, 'etc/two');
    for (let round = 0; round < 3; round += 1) {
      move(pair, 'etc/one', 'etc/three');
      move(pair, 'etc/two', 'etc/one');
      move(pair, 'etc/three', 'etc/two');
      await assertSame(pair, daemon);
    }
  });
});

describe('a directory that is renamed once more', () => {
  it('ends there on both nodes, however soon that was, and is never taken for a mass deletion', async () => {
    await using pair = await Pair.open();
    const daemon = await begun(pair);
    await planted(pair, 'etc/n0');
    for (const [round, afterMs] of [0, 4, 8, 12, 16, 25, 50, 100].entries()) {
      const [first, second, third] = [0, 1, 2].map((step) => `etc/n${2 * round + step}`);
      move(pair, first ?? '', second ?? '');
      // The daemon is to be in the midst of its work.
      const since = performance.now();
      while (performance.now() - since < afterMs);
      move(pair, second ?? '', third ?? '');
      await assertSame(pair, daemon);
      // When the hold of the old names ends, there is nothing to be deleted.
      await pause(600);
      assert.equal((await pair.json('active', ['status']))['halt'], null, `after ${afterMs} ms`);
    }
  });
});

describe('a directory that gets its old name back', () => {
  it('has it on both nodes, however soon that was', async () => {
    await using pair = await Pair.open({ active: { limits: unguarded } });
    const daemon = await begun(pair);
    await planted(pair, 'etc/there');
    for (const afterMs of [0, 8, 20, 40, 90]) {
      move(pair, 'etc/there', 'etc/and-back');
      await pause(afterMs);
      move(pair, 'etc/and-back', 'etc/there');
      await assertSame(pair, daemon);
    }
  });
});

describe('a peer that is slow to rename a directory', () => {
  const halted = async (pair: Pair): Promise<unknown> => (await pair.json('active', ['status']))['halt'];

  it('does not keep the guard from what is deleted meanwhile', async () => {
    await using pair = await Pair.open();
    const daemon = await begun(pair);
    await planted(pair, 'etc/a');
    await planted(pair, 'etc/other');
    pair.sshd.pauseSessions();
    move(pair, 'etc/a', 'etc/b');
    await pause(800);
    rmSync(pair.at('active', 'etc/b'), { recursive: true });
    await pause(100);
    pair.sshd.resumeSessions();
    await eventually('it halts', async () => (await halted(pair)) !== null, { detail: daemon.log });
    assert.match(daemon.log(), / moved: \/etc\/a to \/etc\/b/);
    for (const name of names) assert.ok(existsSync(pair.at('passive', `etc/b/${name}`)), name);
  });

  it('halts no other one', async () => {
    await using pair = await Pair.open({ third: true });
    pair.spawnDaemon('third');
    const daemon = await begun(pair);
    await eventually('both are connected', () => daemon.log().split(' reconciled: ').length > 2);
    await planted(pair, 'etc/a');
    await planted(pair, 'etc/other');
    const slow = pair.sshdOf('third');
    slow.pauseSessions();
    move(pair, 'etc/a', 'etc/b');
    await pause(1500);
    slow.resumeSessions();
    await eventually('both have followed', () => daemon.log().split(' moved: ').length > 2, {
      detail: daemon.log,
    });
    assert.equal((await pair.flush()).code, 0);
    assert.equal(await halted(pair), null);
    for (const node of ['passive', 'third'] as const)
      assert.equal(differences(pair.root('active'), pair.root(node)), '');
  });
});

describe('a directory that only a part of another one came to', () => {
  it('never holds on the passive node what it did not hold here', async () => {
    await using pair = await Pair.open({ active: { limits: unguarded } });
    const daemon = await begun(pair);
    await planted(pair, 'etc/a');
    pair.sshd.pauseSessions();
    mkdirSync(pair.at('active', 'etc/b'));
    move(pair, 'etc/a/d0', 'etc/b/d0');
    rmSync(pair.at('active', 'etc/a'), { recursive: true });
    await pause(300);
    pair.sshd.resumeSessions();
    for (let looks = 0; looks < 40; looks += 1) {
      assert.equal(existsSync(pair.at('passive', 'etc/b/d1')), false);
      await pause(10);
    }
    await assertSame(pair, daemon);
  });
});

describe('a directory that is not the same on both nodes', () => {
  it('keeps what somebody made in it on the passive node', async () => {
    await using pair = await Pair.open({ active: { limits: unguarded } });
    const daemon = await begun(pair);
    await planted(pair, 'etc/b');
    writeFileSync(pair.at('passive', 'etc/b/d0/local'), 'ours\n');
    const { stdout } = await pair.run('active', ['conflicts', 'list']);
    move(pair, 'etc/b', 'etc/h');
    const isThere = (): boolean => existsSync(pair.at('passive', `etc/h/${names.at(-1)}`));
    await eventually('its files are under the new name', isThere, { detail: daemon.log });
    assert.equal(readFileSync(pair.at('passive', 'etc/b/d0/local'), 'utf8'), 'ours\n', stdout);
    assert.equal(existsSync(pair.at('passive', 'etc/h/d0/local')), false);
    rmSync(pair.at('passive', 'etc/b/d0/local'));
    await eventually('the old name is gone there', () => !existsSync(pair.at('passive', 'etc/b')), {
      detail: daemon.log,
    });
    // That it was somebody's edit is over once the passive node has noticed that it is gone.
    for (const node of ['active', 'passive'] as const)
      await eventually(`${node} has no conflict`, async () => {
        return (await pair.run(node, ['conflicts', 'list'])).code === 0;
      });
    await assertSame(pair, daemon);
  });
});

describe('directories that are renamed all the time', () => {
  it('end up the same on both nodes, with kill -9 of the receiver in between', async () => {
    await using pair = await Pair.open({ active: { limits: unguarded } });
    const daemon = await begun(pair);
    const tops = ['etc/p', 'etc/q', 'etc/r'];
    for (const top of tops) await planted(pair, top);
    let seed = 7;
    const random = (below: number): number => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
      return Math.floor((seed / 2 ** 31) * below);
    };
    for (let round = 0; round < 24; round += 1) {
      const which = random(tops.length);
      const from = tops[which] ?? '';
      const to = `etc/n${round}`;
      move(pair, from, to);
      tops[which] = to;
      if (random(3) === 0) {
        const inner = join(pair.at('active', to), readdirSync(pair.at('active', to))[0] ?? '');
        renameSync(inner, `${inner}x`);
      }
      if (random(3) === 0) writeFileSync(pair.at('active', `${to}/extra`), `${round}\n`);
      await pause(random(60));
      if (round % 4 !== 0) continue;
      pair.killReceivers();
      await pause(random(200));
      if (round % 8 === 0) assert.equal((await pair.flush()).code, 0);
    }
    await assertSame(pair, daemon);
    assert.match(daemon.log(), / moved: /, 'some were moved in one step');
  });
});
