import assert from 'node:assert/strict';
import { demoteNode, promoteNode } from '../../src/cli/promotion.ts';
import type { ResolveReport } from '../../src/cli/resolve.ts';
import { restoreVersion } from '../../src/cli/restore.ts';
import { Failure } from '../../src/core/failure.ts';
import type { ReplicaPath } from '../../src/core/path.ts';
import { keptKey, versionsOn } from './checks.ts';
import { passTime, stepWall } from './clock.ts';
import { type Name, otherThan } from './machine.ts';
import type { Player } from './player.ts';
import { at, place } from './reference.ts';
import { askDaemon } from './stand-ins/control.ts';
import { cutLinks, setNetwork } from './stand-ins/link.ts';
import type { Step } from './steps.ts';
import { edits } from './trouble.ts';

const none: ReadonlySet<string> = new Set();

/** Does one step with the real nodes, and compares what came of it. A step that is impossible now is none. */
export async function act(player: Player, step: Step): Promise<void> {
  switch (step.kind) {
    case 'edits':
      return edits(player, step.edits, step.trouble);
    case 'crash':
      return crash(player, step.node, step.back);
    case 'start':
      return start(player, step.node);
    case 'network':
      return network(player, step.up);
    case 'switch':
      return turnSwitch(player, step);
    case 'promote':
      return promote(player, step.node, step.fenced);
    case 'demote':
      return demote(player, step.node);
    case 'resolve':
      return resolve(player, step);
    case 'restore':
      return restore(player, step.node, step.pick);
    case 'resync':
      return resync(player);
    case 'reconcile':
      return reconcile(player);
    case 'rumour':
      player.known(step.node).hidden.delete(step.path);
      player.world.machines[step.node].hint([step.path]);
      return player.replicate(new Set([step.path]));
    case 'clock':
      stepWall(step.ms);
      return player.replicate(none);
    case 'wait':
      // A little more than between two full reconciles.
      passTime(6 * 60_000);
      return player.replicate('all');
  }
}

/** Everything comes up, is connected and turned on; then both nodes agree, or say where they do not. */
export async function end(player: Player): Promise<void> {
  for (const name of ['a', 'b'] as const) {
    if (!player.known(name).up) await start(player, name);
    await turnSwitch(player, { node: name, on: true, local: true });
  }
  await network(player, true);
  if (player.reference.sender() === undefined) await promote(player, 'a', false);
  await reconcile(player);
  player.remembered.checkReadable(player.world.running, player.paths);
}

async function crash(player: Player, name: Name, back: boolean): Promise<void> {
  if (!player.known(name).up) return;
  player.world.machines[name].crash();
  player.crashed(name);
  await player.replicate(none);
  if (back) await start(player, name);
}

async function start(player: Player, name: Name): Promise<void> {
  if (player.known(name).up) return;
  await player.world.machines[name].start();
  player.known(name).up = true;
  await player.replicate(none);
}

async function network(player: Player, up: boolean): Promise<void> {
  player.reference.network = up;
  setNetwork(up);
  if (!up) cutLinks();
  await player.replicate(none);
}

async function turnSwitch(
  player: Player,
  { node, on, local }: { readonly node: Name; readonly on: boolean; readonly local: boolean },
): Promise<void> {
  const { reference, world } = player;
  if (!player.known(node).up) return;
  const reachable = !local && reference.network && player.known(otherThan(node)).up;
  player.known(node).enabled = on;
  if (reachable) player.known(otherThan(node)).enabled = on;
  await world.turnSwitch(node, on, reachable);
  await player.replicate(none);
}

async function promote(player: Player, name: Name, fenced: boolean): Promise<void> {
  const { reference, world } = player;
  const [own, other] = [player.known(name), player.known(otherThan(name))];
  if (!own.up) return;
  const reachable = reference.network && other.up;
  // Whoever states that a node is off has to know that no newer epoch was given away meanwhile.
  if (!reachable && fenced && (other.up || other.epoch > own.epoch)) return;
  const sender = reference.joined ? reference.sender() : undefined;
  const node = world.machines[name].life.receiving;
  const refused = await failureOf(world.run(promoteNode(node, { fenced })));
  if (own.role === 'active') return player.replicate(none);
  if (!reachable && !fenced) {
    assert.equal(refused, 'not-fenced');
    return player.replicate(none);
  }
  assert.equal(refused, undefined);
  const epoch = Math.max(own.epoch, reachable ? other.epoch : 0) + 1;
  Object.assign(own, { role: 'active', epoch });
  if (reachable) Object.assign(other, { role: 'passive', epoch });
  // The former active sent what it had, as far as it knew of it.
  const loose = new Set([...reference.held, ...own.hidden, ...other.hidden]);
  if (sender !== undefined) reference.forgetExactly(loose);
  reference.intended.clear();
  reference.joined = false;
  await player.replicate('all', sender === undefined ? {} : { free: loose });
}

async function demote(player: Player, name: Name): Promise<void> {
  const { reference, world } = player;
  const own = player.known(name);
  if (!own.up) return;
  const sender = reference.joined ? reference.sender() : undefined;
  const loose = new Set([...own.hidden, ...reference.held]);
  await world.run(demoteNode(world.machines[name].life.receiving));
  own.role = 'passive';
  if (sender === name) {
    await world.meet();
    player.checkInterrupted(name, loose, {});
  }
  await player.replicate(none);
}

async function resolve(
  player: Player,
  { from, take, pick }: Extract<Step, { kind: 'resolve' }>,
): Promise<void> {
  const { reference, world } = player;
  const sender = reference.joined ? reference.sender() : undefined;
  if (sender === undefined) return;
  const node = world.machines[sender].life.receiving;
  const [own, other] = [player.known(sender), player.known(otherThan(sender))];
  const known = node.conflicts.list().filter(({ path }) => {
    const unclear = reference.held.has(path) || own.hidden.has(path) || other.hidden.has(path);
    return reference.conflicts.has(path) && !unclear;
  });
  const conflict = known.sort((a, b) => (a.path < b.path ? -1 : 1))[pick % Math.max(1, known.length)];
  if (conflict === undefined) return;
  const { path, id } = conflict;
  const { runtime } = world.machines[from].life.node.config;
  const asked = await world.run(askDaemon({ runtime, command: 'resolve', args: { ids: [id], take } }));
  const report = (asked.answered ? asked.value : undefined) as ResolveReport | undefined;
  const [goes, stays] = take === 'active' ? [own, other] : [other, own];
  const placed = place(stays.disk, new Map([[path, at(goes.disk, path)]]));
  const resolved = placed.held.size === 0;
  assert.deepEqual(report?.resolved, resolved ? [path] : [], `resolve ${path}: ${JSON.stringify(report)}`);
  if (take === 'passive') world.machines[sender].hint([path]);
  await world.meet();
  const plain = reference.expect(sender, none);
  if (resolved) plain.conflicts.delete(path);
  const disks = take === 'active' ? { disk: placed.disk } : { own: placed.disk };
  const expected = { ...plain, ...disks };
  player.check(expected);
  reference.adopt(expected, new Set(resolved ? [path] : []), plain.conflicts);
  // What was asked for and had no place is done as soon as it has one.
  if (!resolved) reference.held.add(path);
}

async function restore(player: Player, name: Name, pick: number): Promise<void> {
  const { world, reference } = player;
  const machine = world.machines[name];
  if (world.running.length < 2) return;
  const kept = world.running.flatMap((owner) =>
    versionsOn(owner, [...player.paths].sort()).map((version) => ({
      owner,
      version,
      key: keptKey(owner, version),
    })),
  );
  const chosen = kept[pick % Math.max(1, kept.length)];
  if (chosen?.key === undefined) return;
  const { path } = chosen.version;
  const own = player.known(name);
  const args = { path, id: chosen.version.id };
  const refused = await failureOf(world.run(restoreVersion(machine.life.receiving, args)));
  const placed = place(own.disk, new Map([[path as string, chosen.key]]));
  const there = chosen.owner === machine || reference.network;
  const mayBe = own.role === 'active' && own.enabled && there && placed.held.size === 0;
  assert.equal(refused === undefined, mayBe, `restore of ${path}: ${refused ?? 'done'}`);
  if (!mayBe) return player.replicate(none);
  const before = player.disks();
  own.disk = placed.disk;
  player.remembered.note(before, player.disks());
  own.hidden.delete(path);
  machine.hint([path as ReplicaPath]);
  await player.replicate(new Set([path]));
}

async function resync(player: Player): Promise<void> {
  const { reference, world } = player;
  const sender = reference.joined ? reference.sender() : undefined;
  if (sender === undefined) return;
  const { active } = world.machines[sender].life.daemon;
  const done = active?.resync([], { progress: () => undefined });
  await world.run(Promise.resolve(done).then(() => undefined));
  const own = player.known(sender);
  await world.meet();
  const expected = {
    active: sender,
    disk: new Map(own.disk),
    conflicts: new Set<string>(),
    free: new Set<string>(),
    held: new Set<string>(),
  };
  player.check(expected);
  reference.adopt(expected, 'all', none);
}

async function reconcile(player: Player): Promise<void> {
  const { reference, world } = player;
  const sender = reference.joined ? reference.sender() : undefined;
  if (sender !== undefined)
    for (const peer of world.machines[sender].life.daemon.active?.node.peers ?? [])
      await world.run(peer.reconcile('test'));
  await player.replicate('all');
}

async function failureOf(work: Promise<unknown>): Promise<string | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (error instanceof Failure) return error.code;
    throw error;
  }
}
