import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { ReplicaPath } from '../../src/core/path.ts';
import type { Seat } from '../../src/core/seat.ts';
import { type Conflict, ConflictStore } from '../../src/state/conflicts.ts';
import { openDatabase } from '../../src/state/database.ts';
import { SeatStore } from '../../src/state/seat.ts';
import { VersionStore } from '../../src/state/versions.ts';
import { eventually } from '../world/eventually.ts';
import { mainFile, type NodeName, Pair, type Running } from '../world/pair.ts';
import { differences, leftovers } from '../world/tree.ts';

const killAt = fileURLToPath(new URL('../world/kill-at.ts', import.meta.url));
const both = ['active', 'passive'] as const;
const files = 20;
const lines = 2000;

let pair: Pair;
const daemons = new Map<NodeName, Running>();
/** Of the newest contents, which are on the node that was active last. */
let generation = 0;

/** One step of the program, as it is logged. */
type Step = Readonly<Record<'what' | 'step' | 'kind' | 'path', string>>;
type Where = 'daemon' | 'command' | 'receiver';

/** The file that tells a process of a node where to die. */
function killFile(node: NodeName, where: Where): string {
  return `${pair.config(node)}.${where}`;
}

function environment(node: NodeName, where: Where): NodeJS.ProcessEnv {
  return { NODE_OPTIONS: `--import=${killAt}`, BMCS_KILL_FILE: killFile(node, where) };
}

/** From now on the process dies, once, where it logs this. */
function arm(node: NodeName, where: Where, step: Partial<Step>): void {
  writeFileSync(killFile(node, where), JSON.stringify(step));
}

/** Runs a command that dies at a step. */
async function runUntil(
  node: NodeName,
  [command = '', ...words]: string[],
  step: Partial<Step>,
): Promise<void> {
  arm(node, 'command', step);
  const child = spawn(process.execPath, [mainFile, command, '--config', pair.config(node), ...words], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...environment(node, 'command') },
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const [, signal] = await once(child, 'exit');
  assert.equal(signal, 'SIGKILL', `it did not come to ${JSON.stringify(step)}: ${said}`);
}

/** Ends the daemon of a node, if it runs, and starts it again. */
async function restart(node: NodeName): Promise<void> {
  await daemons.get(node)?.stop();
  const daemon = pair.spawnDaemon(node, environment(node, 'daemon'));
  daemons.set(node, daemon);
  if (seatOf(node).role === 'active') await pair.live(daemon);
  else await eventually('it watches', () => daemon.log().includes('watching'), { detail: daemon.log });
}

/** The process that was to die did. */
async function died(node: NodeName, where: Where): Promise<void> {
  await eventually(
    `the ${where} of ${node} comes to the step and dies`,
    () => !existsSync(killFile(node, where)),
    {
      detail: () => daemons.get(node)?.log() ?? '',
    },
  );
}

function seatOf(node: NodeName): Seat {
  using database = openDatabase(pair.state(node));
  const seat = new SeatStore(database).read();
  assert.ok(seat, `${node} has a seat`);
  return seat;
}

function conflictOf(node: NodeName, path: string): Conflict | undefined {
  using database = openDatabase(pair.state(node));
  return new ConflictStore(database).list().find((row) => row.path === path);
}

/** Contents that a node kept of a path, in short. */
function versionsOf(node: NodeName, path: string): string[] {
  using database = openDatabase(pair.state(node));
  const store = new VersionStore(database);
  return store.list(path as ReplicaPath).map(({ id }) => brief(contentOf(store, id)));
}

function newestVersion(node: NodeName, path: string): { readonly id: string; readonly wanted: string } {
  using database = openDatabase(pair.state(node));
  const store = new VersionStore(database);
  const [newest] = store.list(path as ReplicaPath);
  assert.ok(newest, `${node} kept what was overwritten`);
  return { id: newest.id, wanted: brief(contentOf(store, newest.id)) };
}

function contentOf(store: VersionStore, id: string): string {
  const fd = store.read(id).openContent();
  try {
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
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
  const [one, other] = both.map(seatOf);
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
  assert.deepEqual([seatOf(active).role, seatOf(passive).role], ['active', 'passive']);
  assert.equal(seatOf(active).epoch, seatOf(passive).epoch);
}

function otherOf(node: NodeName): NodeName {
  return node === 'active' ? 'passive' : 'active';
}

function activeNow(): NodeName {
  const found = both.find((node) => seatOf(node).role === 'active');
  assert.ok(found, 'one node is active');
  return found;
}

before(async () => {
  const wrapReceive = (command: string): string => {
    const file = `${command.split(' ').at(-1)}.receiver`;
    return `env NODE_OPTIONS=--import=${killAt} BMCS_KILL_FILE=${file} ${command}`;
  };
  pair = await Pair.open({ mutual: true, wrapReceive });
  change('active');
  await restart('passive');
  await restart('active');
  await assertReplicates('active');
});
after(() => pair[Symbol.asyncDispose]());

describe('kill -9 while the seat changes hands', () => {
  for (const step of ['peers asked', 'peer is passive', 'seat taken']) {
    it(`of promote at "${step}": promote again completes it`, async () => {
      const from = activeNow();
      const to = otherOf(from);
      change(from);
      await runUntil(to, ['promote'], { what: 'promote', step });
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
      arm(from, 'daemon', { what: 'demote', step });
      change(from);
      await pair.run(to, ['promote']);
      await died(from, 'daemon');
      assertSound();
      const again = await pair.run(to, ['promote']);
      assert.equal(again.code, 0, again.stderr);
      assertSound();
      await restart(from);
      await assertReplicates(to);
    });

    it(`of the daemon at "${step}" of a demote by hand: demote again completes it`, async () => {
      const node = activeNow();
      arm(node, 'daemon', { what: 'demote', step });
      change(node);
      const cut = await pair.run(node, ['demote']);
      assert.ok(cut.code !== 0 && cut.code !== 70, cut.stdout + cut.stderr);
      await died(node, 'daemon');
      assertSound();
      await restart(node);
      const again = await pair.run(node, ['demote']);
      assert.equal(again.code, 0, again.stderr);
      assert.equal(seatOf(node).role, 'passive');
      const promoted = await pair.run(node, ['promote']);
      assert.equal(promoted.code, 0, promoted.stderr);
      await assertReplicates(node);
    });
  }

  it('of demote without a daemon at "seat given up": it is given up', async () => {
    const node = activeNow();
    await daemons.get(node)?.stop();
    await runUntil(node, ['demote'], { what: 'demote', step: 'seat given up' });
    assert.equal(seatOf(node).role, 'passive');
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
      arm(dying, where, { ...step, path });
      const id = conflictOf(active, path)?.id ?? '';
      const cut = await pair.run(active, ['conflicts', 'resolve', id, '--take', take]);
      assert.ok(cut.code !== 0 && cut.code !== 70, cut.stdout + cut.stderr);
      await died(dying, where);
      for (const node of both) assert.ok([mine, 'edited'].includes(held(node, name)), `${node} is whole`);

      if (where === 'daemon') await restart(active);
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
      assert.ok(versionsOf(loser, path).includes(lost), 'what was not taken is a version');
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
      const { id, wanted } = newestVersion(passive, path);
      const restore = ['restore', path, '--version', id];
      if (where === 'daemon') {
        arm(active, 'daemon', { what: 'restore', step });
        const cut = await pair.run(active, restore);
        assert.ok(cut.code !== 0 && cut.code !== 70, cut.stdout + cut.stderr);
        await died(active, 'daemon');
      } else {
        await daemons.get(active)?.stop();
        await runUntil(active, restore, { what: 'restore', step });
      }
      assert.equal(held(active, path), step === 'fetched' ? replaced : wanted);
      if (step === 'placed') assert.ok(versionsOf(active, path).includes(replaced), 'it is kept');

      await restart(active);
      const again = await pair.run(active, restore);
      assert.equal(again.code, 0, again.stdout + again.stderr);
      assert.ok(versionsOf(active, path).includes(replaced), 'what was replaced is kept');
      const flushed = await pair.run(active, ['flush', '--timeout', '30s']);
      assert.equal(flushed.code, 0, flushed.stdout + flushed.stderr);
      for (const node of both) assert.equal(held(node, path), wanted);
      await goOn(active);
    });
  }
});
