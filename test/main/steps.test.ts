import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import type { Conflict } from '../../src/state/conflicts.ts';
import { sourceFile } from '../rig/program.ts';
import { eventually } from '../world/eventually.ts';
import { conflictsOn, seatOf, versionsOf } from '../world/kept.ts';
import { arm, died, mortal, mortalReceiver, runUntil } from '../world/killing.ts';
import { type NodeName, Pair, type Running } from '../world/pair.ts';
import { differences, leftovers } from '../world/tree.ts';

const both = ['active', 'passive'] as const;
const files = 20;
const lines = 2000;

let pair: Pair;
const daemons = new Map<NodeName, Running>();
/** Of the newest contents, which are on the node that was active last. */
let generation = 0;

/** Ends the daemon of a node, if it runs, and starts it again. */
async function restart(node: NodeName): Promise<void> {
  await daemons.get(node)?.stop();
  const daemon = pair.spawnDaemon(node, mortal(pair, node, 'daemon'));
  daemons.set(node, daemon);
  if (seatOf(pair, node).role === 'active') await pair.live(daemon);
  else await eventually('it watches', () => daemon.log().includes('watching'), { detail: daemon.log });
}

function conflictOf(node: NodeName, path: string): Conflict | undefined {
  return conflictsOn(pair, node).find((row) => row.path === path);
}

/** Contents that a node kept of a path, in short. */
function keptOf(node: NodeName, path: string): string[] {
  return versionsOf(pair, node, path).map(({ content }) => brief(content));
}

/** What is in a file, in short: the number that every line holds, or that it is torn. */
function held(node: NodeName, name: string): string {
  return brief(readFileSync(pair.at(node, name), 'utf8'));
}

function brief(content: string): string {
  const [first = ''] = content.split('\n');
  return content === full(first) ? first : `torn: ${content.length} bytes that begin with ${first}`;
}

function full(line: string): string {
  return `${line}\n`.repeat(lines);
}

/** Writes all files anew. */
function change(node: NodeName): void {
  generation += 1;
  for (let n = 0; n < files; n += 1) writeFileSync(pair.at(node, `etc/f${n}`), full(String(generation)));
}

/** What holds at each moment, whoever was killed: no split brain, and each file is one that was written, whole. */
function assertSound(): void {
  const [one, other] = both.map((node) => seatOf(pair, node));
  const split = one?.role === 'active' && other?.role === 'active' && one.epoch === other.epoch;
  assert.ok(!split, `two nodes are active with epoch ${one?.epoch}`);
  for (const node of both) {
    for (let n = 0; n < files; n += 1) {
      const content = held(node, `etc/f${n}`);
      assert.ok([generation, generation - 1].map(String).includes(content), `f${n} on ${node}: ${content}`);
    }
  }
}

/** The node has all that was written, and replicates. */
async function assertReplicates(active: NodeName): Promise<void> {
  for (let n = 0; n < files; n += 1) assert.equal(held(active, `etc/f${n}`), String(generation));
  await goOn(active);
}

/** What is written now arrives, the trees are the same and nothing is left over. */
async function goOn(active: NodeName): Promise<void> {
  const passive = otherOf(active);
  change(active);
  const flushed = await pair.run(active, ['flush', '--timeout', '30s']);
  assert.equal(flushed.code, 0, flushed.stdout + flushed.stderr + daemons.get(active)?.log());
  assert.equal(differences(pair.root(active), pair.root(passive)), '');
  assert.equal(leftovers(pair.folder), '');
  assert.deepEqual([seatOf(pair, active).role, seatOf(pair, passive).role], ['active', 'passive']);
  assert.equal(seatOf(pair, active).epoch, seatOf(pair, passive).epoch);
}

function otherOf(node: NodeName): NodeName {
  return node === 'active' ? 'passive' : 'active';
}

function activeNow(): NodeName {
  const found = both.find((node) => seatOf(pair, node).role === 'active');
  assert.ok(found, 'one node is active');
  return found;
}

before(async () => {
  pair = await Pair.open({ mutual: true, program: sourceFile, wrapReceive: mortalReceiver });
  change('active');
  await restart('passive');
  await restart('active');
  await assertReplicates('active');
});
after(() => pair[Symbol.asyncDispose]());

describe('kill -9 while the seat changes hands', () => {
  for (const step of ['peers asked', 'peer is passive']) {
    it(`of promote at "${step}": promote again completes it`, async () => {
      const from = activeNow();
      const to = otherOf(from);
      change(from);
      await runUntil(pair, to, ['promote'], { what: 'promote', step });
      assertSound();
      const again = await pair.run(to, ['promote']);
      assert.equal(again.code, 0, again.stderr);
      assertSound();
      await assertReplicates(to);
    });
  }

  for (const step of ['drained', 'seat given up']) {
    it(`of the active’s daemon at "${step}", while its peer is promoted: promote again completes it`, async () => {
      const from = activeNow();
      const to = otherOf(from);
      arm(pair, from, 'daemon', { what: 'demote', step });
      change(from);
      await pair.run(to, ['promote']);
      await died(pair, from, 'daemon');
      assertSound();
      const again = await pair.run(to, ['promote']);
      assert.equal(again.code, 0, again.stderr);
      assertSound();
      await restart(from);
      await assertReplicates(to);
    });

    it(`of the daemon at "${step}" of a demote by hand: demote again completes it`, async () => {
      const node = activeNow();
      arm(pair, node, 'daemon', { what: 'demote', step });
      change(node);
      const cut = await pair.run(node, ['demote']);
      assert.ok(cut.code !== 0 && cut.code !== 70, cut.stdout + cut.stderr);
      await died(pair, node, 'daemon');
      assertSound();
      await restart(node);
      const again = await pair.run(node, ['demote']);
      assert.equal(again.code, 0, again.stderr);
      assert.equal(seatOf(pair, node).role, 'passive');
      const promoted = await pair.run(node, ['promote']);
      assert.equal(promoted.code, 0, promoted.stderr);
      await assertReplicates(node);
    });
  }

  it('of demote without a daemon at "seat given up": it is given up', async () => {
    const node = activeNow();
    await daemons.get(node)?.stop();
    await runUntil(pair, node, ['demote'], { what: 'demote', step: 'seat given up' });
    assert.equal(seatOf(pair, node).role, 'passive');
    assert.equal((await pair.run(node, ['demote'])).code, 0);
    assert.equal((await pair.run(node, ['promote'])).code, 0);
    await restart(node);
    await assertReplicates(node);
  });
});

describe('kill -9 while a conflict is resolved', () => {
  const moments = [
    ['passive', 'daemon', { what: 'resolve', step: 'fetched' }],
    ['passive', 'daemon', { what: 'resolve', step: 'placed' }],
    ['active', 'daemon', { kind: 'pushed' }],
    ['active', 'receiver', { kind: 'placed' }],
  ] as const;
  for (const [index, [take, where, step]] of moments.entries()) {
    const told = `--take ${take}, of the ${where} at ${JSON.stringify(step)}`;
    it(`${told}: it is resolved by itself or by the same command`, async () => {
      const active = activeNow();
      const passive = otherOf(active);
      const name = `etc/f${index}`;
      const path = `/${name}`;
      writeFileSync(pair.at(passive, name), full('edited'));
      await eventually('both know it', () => both.every((node) => conflictOf(node, path) !== undefined));
      const mine = held(active, name);
      const dying = where === 'receiver' ? passive : active;
      arm(pair, dying, where, { ...step, path });
      const id = conflictOf(active, path)?.id ?? '';
      const cut = await pair.run(active, ['conflicts', 'resolve', id, '--take', take]);
      // A receiver answers what is durable before it tells of it.
      const expected = where === 'receiver' ? cut.code !== 70 : cut.code !== 0 && cut.code !== 70;
      assert.ok(expected, cut.stdout + cut.stderr);
      await died(pair, dying, where);
      for (const node of both) assert.ok([mine, 'edited'].includes(held(node, name)), `${node} is whole`);

      if (where === 'daemon') await restart(active);
      else await pair.run(active, ['flush', '--timeout', '30s']);
      const left = conflictOf(active, path);
      if (left !== undefined) {
        const again = await pair.run(active, ['conflicts', 'resolve', left.id, '--take', take]);
        assert.ok(again.code === 0 || conflictOf(active, path) === undefined, again.stdout + again.stderr);
      }
      const flushed = await pair.run(active, ['flush', '--timeout', '30s']);
      assert.equal(flushed.code, 0, flushed.stdout + flushed.stderr);
      const wanted = take === 'active' ? mine : 'edited';
      for (const node of both) assert.equal(held(node, name), wanted);
      await eventually('both forget it', () => both.every((node) => conflictOf(node, path) === undefined));
      const [loser, lost] = take === 'active' ? [passive, 'edited'] : [active, mine];
      assert.ok(keptOf(loser, path).includes(lost), 'what was not taken is a version');
      await goOn(active);
    });
  }
});

describe('kill -9 while a version is restored', () => {
  const moments = [
    ['daemon', 'fetched'],
    ['daemon', 'placed'],
    ['command', 'fetched'],
    ['command', 'placed'],
  ] as const;
  for (const [index, [where, step]] of moments.entries()) {
    it(`of the ${where} at "${step}": it is as before or restored, whole; restore again completes it`, async () => {
      const active = activeNow();
      const passive = otherOf(active);
      const path = `/etc/f${10 + index}`;
      const replaced = held(active, path);
      const [version] = versionsOf(pair, passive, path);
      assert.ok(version, 'the passive kept what was overwritten');
      const wanted = brief(version.content);
      const restore = ['restore', path, '--version', version.id];
      if (where === 'daemon') {
        arm(pair, active, 'daemon', { what: 'restore', step });
        const cut = await pair.run(active, restore);
        assert.ok(cut.code !== 0 && cut.code !== 70, cut.stdout + cut.stderr);
        await died(pair, active, 'daemon');
      } else {
        await daemons.get(active)?.stop();
        await runUntil(pair, active, restore, { what: 'restore', step });
      }
      assert.equal(held(active, path), step === 'fetched' ? replaced : wanted);
      if (step === 'placed') assert.ok(keptOf(active, path).includes(replaced), 'it is kept');

      await restart(active);
      const again = await pair.run(active, restore);
      assert.equal(again.code, 0, again.stdout + again.stderr);
      assert.ok(keptOf(active, path).includes(replaced), 'what was replaced is kept');
      const flushed = await pair.run(active, ['flush', '--timeout', '30s']);
      assert.equal(flushed.code, 0, flushed.stdout + flushed.stderr);
      for (const node of both) assert.equal(held(node, path), wanted);
      await goOn(active);
    });
  }
});

describe('kill -9 of promote when it is over', () => {
  it('at "seat taken": promote again has the daemon follow', async () => {
    const from = activeNow();
    const to = otherOf(from);
    change(from);
    await runUntil(pair, to, ['promote'], { what: 'promote', step: 'seat taken' });
    assertSound();
    assert.equal(seatOf(pair, to).role, 'active');
    const again = await pair.run(to, ['promote']);
    assert.equal(again.code, 0, again.stderr);
    await assertReplicates(to);
  });
});
