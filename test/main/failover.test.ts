import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { ActiveSide } from '../../src/cli/daemon/active-side.ts';
import { openNode } from '../../src/cli/node.ts';
import { openDatabase } from '../../src/state/database.ts';
import { SeatStore } from '../../src/state/seat.ts';
import { eventually } from '../world/eventually.ts';
import { conflictsOn, seatOf } from '../world/kept.ts';
import { type NodeName, Pair, type Running } from '../world/pair.ts';
import { differences, write } from '../world/tree.ts';

function conflictPaths(pair: Pair, node: NodeName): string[] {
  return conflictsOn(pair, node).map(({ path, kind }) => `${path} ${kind}`);
}

/** Both daemons, connected, with the same tree. */
async function running(pair: Pair): Promise<{ active: Running; passive: Running }> {
  const passive = pair.spawnDaemon('passive');
  const active = await pair.startActive();
  const flushed = await pair.flush();
  assert.equal(flushed.code, 0, flushed.stderr);
  await eventually('the passive’s daemon watches', () => passive.log().includes('watching'));
  return { active, passive };
}

/** Writes new files on a node without pause until told to stop; answers how many there are. */
function load(pair: Pair, node: NodeName, name: string): { stop(): Promise<number> } {
  let stopping = false;
  let written = 0;
  const work = (async () => {
    while (!stopping) {
      writeFileSync(pair.at(node, `etc/${name}-${written}.conf`), `${name} ${written}\n`);
      written += 1;
      await pause(3);
    }
  })();
  return {
    stop: async () => {
      stopping = true;
      await work;
      return written;
    },
  };
}

async function flushFrom(pair: Pair, node: NodeName): Promise<void> {
  const ran = await pair.run(node, ['flush', '--timeout', '60s']);
  assert.equal(ran.code, 0, ran.stdout + ran.stderr);
}

describe('failover between real processes over a real sshd', () => {
  it('there and back under load: the direction reverses, nothing is lost, epochs grow', async () => {
    await using pair = await Pair.open({ mutual: true });
    write(pair.root('active'), { 'etc/a.conf': 'a\n' });
    await running(pair);

    const before = load(pair, 'active', 'before');
    await eventually('some files were written', () => existsSync(pair.at('active', 'etc/before-20.conf')));
    const there = await pair.run('passive', ['promote']);
    assert.equal(there.code, 0, there.stderr);
    assert.match(there.stdout, /mail2 is active now, epoch 2/);
    assert.match(there.stdout, /mail1 was active and is passive now/);
    const count = await before.stop();
    assert.deepEqual(seatOf(pair, 'active'), { role: 'passive', epoch: 2 });
    assert.deepEqual(seatOf(pair, 'passive'), { role: 'active', epoch: 2 });

    const after = load(pair, 'passive', 'after');
    await eventually('the new active replicates', () => existsSync(pair.at('active', 'etc/after-5.conf')), {
      deadlineMs: 30_000,
    });
    await after.stop();
    // What was written on mail1 after it gave up its seat waits as conflicts there, on disk and untouched.
    for (let n = 0; n < count; n += 1)
      assert.equal(readFileSync(pair.at('active', `etc/before-${n}.conf`), 'utf8'), `before ${n}\n`);
    // The last of it is told by the daemon of mail1, which notices an edit within a second.
    await eventually('each of them is here, or a conflict', () => {
      const told = new Set(conflictsOn(pair, 'passive').map(({ path }): string => path));
      const names = Array.from({ length: count }, (_, n) => `etc/before-${n}.conf`);
      return names.every((name) => existsSync(pair.at('passive', name)) || told.has(`/${name}`));
    });
    const late = conflictPaths(pair, 'passive');
    for (const row of late) assert.match(row, /^\/etc\/before-\d+\.conf edited-on-passive$/);
    if (late.length > 0) {
      const ids = conflictsOn(pair, 'passive').map(({ id }) => id);
      const taken = await pair.run('passive', ['conflicts', 'resolve', ...ids, '--take', 'passive']);
      assert.equal(taken.code, 0, taken.stdout + taken.stderr);
    }
    await flushFrom(pair, 'passive');
    assert.equal(differences(pair.root('active'), pair.root('passive')), '');

    const back = await pair.run('active', ['promote']);
    assert.equal(back.code, 0, back.stderr);
    assert.deepEqual(seatOf(pair, 'active'), { role: 'active', epoch: 3 });
    writeFileSync(pair.at('active', 'etc/a.conf'), 'again from mail1\n');
    await eventually(
      'the first active replicates again',
      () => readFileSync(pair.at('passive', 'etc/a.conf'), 'utf8') === 'again from mail1\n',
    );
    await flushFrom(pair, 'active');
    assert.equal(differences(pair.root('active'), pair.root('passive')), '');
    const again = await pair.run('active', ['promote']);
    assert.match(again.stdout, /is active already, epoch 3/);
  });

  it('after a crash of the active: --fenced is needed; what it had not sent is a conflict when it returns', async () => {
    await using pair = await Pair.open({ mutual: true });
    write(pair.root('active'), { 'etc/a.conf': 'a\n', 'etc/b.conf': 'b\n', 'etc/c.conf': 'c\n' });
    const { active, passive } = await running(pair);
    await active.kill9();
    await pair.sshdOf('active').pause();
    writeFileSync(pair.at('active', 'etc/a.conf'), 'not sent\n');
    writeFileSync(pair.at('active', 'etc/c.conf'), 'not sent either\n');

    const refused = await pair.run('passive', ['promote']);
    assert.equal(refused.code, 4, refused.stdout);
    assert.match(refused.stderr, /mail1/);
    assert.match(refused.stderr, /--fenced/);
    assert.deepEqual(seatOf(pair, 'passive'), { role: 'passive', epoch: 1 });
    const promoted = await pair.run('passive', ['promote', '--fenced']);
    assert.equal(promoted.code, 0, promoted.stderr);
    writeFileSync(pair.at('passive', 'etc/b.conf'), 'from mail2\n');
    writeFileSync(pair.at('passive', 'etc/c.conf'), 'from mail2 too\n');

    await pair.sshdOf('active').restart();
    const returned = pair.spawnDaemon('active');
    // By its daemon, or by a receiver before that has started.
    await eventually('the stale active steps down', () => seatOf(pair, 'active').role === 'passive', {
      deadlineMs: 40_000,
      detail: returned.log,
    });
    assert.deepEqual(seatOf(pair, 'active'), { role: 'passive', epoch: 2 });
    await eventually(
      'the new active brings what it changed',
      () => readFileSync(pair.at('active', 'etc/b.conf'), 'utf8') === 'from mail2\n',
      { deadlineMs: 40_000, detail: () => `${returned.log()}\n${passive.log()}` },
    );
    await eventually(
      'both nodes list what was not sent',
      () =>
        (['active', 'passive'] as const).every(
          (node) =>
            conflictPaths(pair, node).join() === '/etc/a.conf edited-on-passive,/etc/c.conf edited-on-both',
        ),
      { detail: () => JSON.stringify([conflictPaths(pair, 'active'), conflictPaths(pair, 'passive')]) },
    );
    assert.equal(readFileSync(pair.at('active', 'etc/a.conf'), 'utf8'), 'not sent\n');
    assert.equal(readFileSync(pair.at('passive', 'etc/a.conf'), 'utf8'), 'a\n');
  });

  it('a stale active whose receiver gave up the seat still greets with the epoch that it sends with', async () => {
    await using pair = await Pair.open();
    const node = await openNode(pair.config('active'), () => undefined);
    const told = new Promise<string>((resolve) => {
      const side = new ActiveSide(node, node.seat(), {
        onRefused: (_peer, reason) => {
          resolve(reason);
          void side.stop();
        },
        onDisabled: () => undefined,
        onCanary: () => undefined,
        onLive: () => undefined,
      });
      // Before the daemon follows: the other node was promoted, and has just told the receiver of this one.
      for (const [name, role] of [
        ['passive', 'active'],
        ['active', 'passive'],
      ] as const) {
        using database = openDatabase(pair.state(name));
        new SeatStore(database).write({ role, epoch: 2 });
      }
      side.start();
    });
    assert.equal(await told, 'stale-epoch');
    node.database.close();
  });

  it('two actives with one epoch halt both and shout; a promotion ends it', async () => {
    await using pair = await Pair.open({ mutual: true });
    write(pair.root('active'), { 'etc/a.conf': 'a\n' });
    const { active, passive } = await running(pair);
    await active.stop();
    await passive.stop();
    for (const node of ['active', 'passive'] as const) {
      using database = openDatabase(pair.state(node));
      new SeatStore(database).write({ role: 'active', epoch: 7 });
    }
    writeFileSync(pair.at('active', 'etc/a.conf'), 'one\n');
    writeFileSync(pair.at('passive', 'etc/a.conf'), 'two\n');
    const daemons = [pair.spawnDaemon('active'), pair.spawnDaemon('passive')];
    for (const daemon of daemons) {
      await eventually('it halts', () => /halted.*split-brain/.test(daemon.log()), {
        deadlineMs: 40_000,
        detail: daemon.log,
      });
    }
    for (const node of ['active', 'passive'] as const) {
      const status = await pair.run(node, ['status']);
      assert.equal(status.code, 5, status.stdout);
      assert.match(status.stdout, /HALTED.*same epoch/);
    }
    assert.equal(readFileSync(pair.at('active', 'etc/a.conf'), 'utf8'), 'one\n');
    assert.equal(readFileSync(pair.at('passive', 'etc/a.conf'), 'utf8'), 'two\n');

    const ended = await pair.run('active', ['promote']);
    assert.equal(ended.code, 0, ended.stderr);
    assert.match(ended.stdout, /epoch 8/);
    assert.deepEqual(seatOf(pair, 'passive'), { role: 'passive', epoch: 8 });
    await eventually('the loser’s edit is a conflict', () => conflictPaths(pair, 'active').length === 1, {
      deadlineMs: 30_000,
      detail: () => daemons.map((daemon) => daemon.log()).join('\n'),
    });
    assert.equal(readFileSync(pair.at('passive', 'etc/a.conf'), 'utf8'), 'two\n');
    const status = await pair.run('active', ['status']);
    assert.equal(status.code, 1, status.stdout);
  });

  it('a promotion right after a handover by demote; without an active nothing is sent', async () => {
    await using pair = await Pair.open({ mutual: true });
    write(pair.root('active'), { 'etc/a.conf': 'a\n' });
    await running(pair);
    writeFileSync(pair.at('active', 'etc/a.conf'), 'last words\n');
    const demoted = await pair.run('active', ['demote']);
    assert.equal(demoted.code, 0, demoted.stderr);
    assert.match(demoted.stdout, /mail1 is passive now/);
    // What it had was sent first.
    assert.equal(readFileSync(pair.at('passive', 'etc/a.conf'), 'utf8'), 'last words\n');
    const flush = await pair.run('active', ['flush']);
    assert.equal(flush.code, 4);
    const promoted = await pair.run('passive', ['promote']);
    assert.equal(promoted.code, 0, promoted.stderr);
    writeFileSync(pair.at('passive', 'etc/a.conf'), 'other way\n');
    await eventually(
      'the new direction works',
      () => readFileSync(pair.at('active', 'etc/a.conf'), 'utf8') === 'other way\n',
    );
  });
});
