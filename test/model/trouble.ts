import assert from 'node:assert/strict';
import { tellDaemon } from '../../src/cli/node.ts';
import { disableHere } from '../../src/cli/peer-requests.ts';
import { onStray, passTime } from './clock.ts';
import { type Disk, walk } from './disk.ts';
import { type Name, otherThan } from './machine.ts';
import type { Player } from './player.ts';
import { at } from './reference.ts';
import { armLinks, cutLinks, disarmLinks, setNetwork } from './stand-ins/link.ts';
import { type Edited, longestHoldMs, type Trouble } from './steps.ts';

/** Somebody edits, the watchers tell of it, and while the changes are on their way there may be trouble. */
export async function edits(
  player: Player,
  all: readonly Edited[],
  trouble: Trouble | undefined,
): Promise<void> {
  const { reference, world } = player;
  const sender = reference.joined ? reference.sender() : undefined;
  const told = player.edit(all);
  const scope = new Set([...told.a, ...told.b]);
  const hint = (): void => {
    for (const name of ['a', 'b'] as const) world.machines[name].hint(told[name]);
  };
  if (trouble === undefined || sender === undefined) {
    hint();
    return player.replicate(scope);
  }
  const blown: { frozen?: { name: Name; disk: Disk }; done?: boolean } = {};
  arm(player, sender, trouble, blown);
  hint();
  await world.quiet();
  passTime(longestHoldMs);
  await world.quiet();
  disarmLinks();
  for (const machine of Object.values(world.machines)) machine.disarm();
  if (blown.done !== true) return player.replicate(scope);
  const about = blown.frozen === undefined ? {} : { frozen: blown.frozen };
  if (trouble.kind === 'seat') return usurped(player, sender, scope, about);
  await world.meet();
  player.checkInterrupted(sender, scope, { ...about, forgetful: trouble.kind === 'crash-passive' });
}

/** Lays the trouble out; what it does is noted in the model in the same instant. */
function arm(
  player: Player,
  sender: Name,
  { kind, after }: Trouble,
  blown: { frozen?: { name: Name; disk: Disk }; done?: boolean },
): void {
  const { world, reference } = player;
  const name = otherThan(sender);
  const machine = world.machines[name];
  const freeze = (): void => {
    blown.frozen = { name, disk: walk(machine.root) };
  };
  const blow: Record<Trouble['kind'], () => void> = {
    cut: () => {
      reference.network = false;
      setNetwork(false);
      cutLinks();
    },
    'crash-active': () => {
      world.machines[sender].crash();
      player.crashed(sender);
    },
    'crash-passive': () => player.crashed(name),
    switch: () => {
      disableHere(machine.life.receiving, { reason: 'upgrade', by: 'root' }).catch(onStray);
      player.known(name).enabled = false;
      freeze();
    },
    seat: () => {
      const { receiving } = machine.life;
      const epoch = player.known(name).epoch + 1;
      receiving.seats.write({ role: 'active', epoch });
      tellDaemon(receiving).catch(onStray);
      Object.assign(player.known(name), { role: 'active', epoch });
      freeze();
    },
  };
  const explode = (): void => {
    blown.done = true;
    blow[kind]();
  };
  if (kind === 'crash-passive') machine.crashAfter(after, explode);
  else armLinks(after, explode);
}

/** The passive took the seat while pushes were on their way: the former active steps down and gets what is here. */
async function usurped(
  player: Player,
  sender: Name,
  scope: Iterable<string>,
  about: { readonly frozen?: { name: Name; disk: Disk } },
): Promise<void> {
  const { reference } = player;
  const frozen = about.frozen;
  // What arrived before that instant has been placed there.
  const loose = new Set([...scope, ...reference.held]);
  reference.forgetExactly(loose);
  if (frozen !== undefined) {
    for (const path of reference.paths()) {
      const found = at(frozen.disk, path);
      if (found === at(player.known(frozen.name).disk, path)) continue;
      assert.equal(
        found,
        at(player.known(sender).disk, path),
        `${frozen.name} ${path}: placed what nobody sent`,
      );
      loose.add(path);
    }
    player.remembered.note(player.disks(), { ...player.disks(), [frozen.name]: frozen.disk });
    player.known(frozen.name).disk = frozen.disk;
    reference.forgetExactly(loose);
  }
  reference.joined = false;
  await player.replicate('all', { ...about, free: loose });
}
