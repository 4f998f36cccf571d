import assert from 'node:assert/strict';
import { checkConflicts, checkDisks, checkEqual, type Disks, listedOn, Remembered } from './checks.ts';
import { takeStrays } from './clock.ts';
import { type Disk, edit, walk } from './disk.ts';
import { type Name, otherThan, type Settings } from './machine.ts';
import { type Expected, type Known, Reference } from './reference.ts';
import { anchor, type Edited } from './steps.ts';
import type { World } from './world.ts';

export type Scope = ReadonlySet<string> | 'all';

/** What a check is to be told of, beyond what replication makes of the scope. */
export type About = {
  /** Paths of which more than one outcome is right, besides those that the model finds itself. */
  readonly free?: Iterable<string>;
  /** What was seen of a disk that nothing may change from that moment on. */
  readonly frozen?: { readonly name: Name; readonly disk: Disk };
  /** The passive crashed: it is not sure of what it placed. */
  readonly forgetful?: boolean;
};

/** A history at work: the two real nodes, and the model that says what is right. */
export class Player {
  readonly world: World;
  readonly reference: Reference;
  readonly remembered = new Remembered();
  readonly #leftoversMayBe = new Set<Name>();
  readonly #seen = new Set<string>();
  #leftovers: Record<Name, Disk> = { a: new Map(), b: new Map() };
  #edits = 0;

  readonly #settings: Settings;

  constructor(world: World, settings: Settings) {
    this.world = world;
    this.#settings = settings;
    this.reference = new Reference(settings.policy);
  }

  known(name: Name): Known {
    return this.reference.nodes[name];
  }

  /** Every path that was ever on a disk. */
  get paths(): ReadonlySet<string> {
    return this.#seen;
  }

  async begin(first: readonly Edited[]): Promise<void> {
    const { a, b } = this.world.machines;
    await this.world.reset();
    a.prepare({ role: 'active', epoch: 1 }, this.#settings);
    b.prepare({ role: 'passive', epoch: 0 }, this.#settings);
    edit(a.root, { kind: 'write', path: anchor, how: 'replace' }, 'anchor\n');
    this.#see({ a: walk(a.root), b: walk(b.root) });
    this.edit(first);
    await b.start();
    await a.start();
    await this.replicate('all');
  }

  /** Somebody edits; answers which paths that changed and somebody hears of. */
  edit(edits: readonly Edited[]): Record<Name, Set<string>> {
    const told: Record<Name, Set<string>> = { a: new Set(), b: new Set() };
    for (const { on, what, hint } of edits) {
      const { root } = this.world.machines[on];
      const before = this.known(on).disk;
      const leftovers: Disk = new Map();
      this.#edits += 1;
      edit(root, what, `${String(this.#edits).padStart(4, '0')} by ${on}`);
      const after = walk(root, leftovers);
      this.known(on).disk = after;
      // Who removes a directory removes what a crash left in it.
      for (const [path, key] of this.#leftovers[on]) if (!leftovers.has(path)) this.remembered.forgive(key);
      this.#leftovers[on] = leftovers;
      for (const path of changed(before, after)) {
        if (hint) told[on].add(path);
        if (hint) this.known(on).hidden.delete(path);
        else if (!told[on].has(path)) this.known(on).hidden.add(path);
      }
    }
    this.#see(this.disks());
    return told;
  }

  /** Takes over what is on the disks: from here on that is what replication may not lose. */
  #see(disks: Disks): void {
    for (const name of ['a', 'b'] as const) {
      this.known(name).disk = disks[name];
      for (const path of disks[name].keys()) this.#seen.add(path);
    }
  }

  disks(): Disks {
    return { a: this.known('a').disk, b: this.known('b').disk };
  }

  crashed(name: Name): void {
    this.known(name).up = false;
    this.reference.joined = false;
    this.#leftoversMayBe.add(name);
  }

  /** Lets replication do what it does with these paths, or with all if the nodes were apart; then looks whether that is right. */
  async replicate(scope: Scope, about: About = {}): Promise<void> {
    const { reference } = this;
    const sender = reference.sender();
    if (sender === undefined) {
      reference.joined = false;
      await this.world.meet();
      return this.check(undefined, about);
    }
    const full = reference.joined ? scope : 'all';
    if (!reference.joined) reference.recover(sender);
    const expected = withFree(reference.expect(sender, full), about.free ?? [], this.#seen);
    await this.world.meet();
    this.check(expected, about);
    reference.adopt(expected, full, listedOn(this.world.machines[sender]));
    reference.joined = true;
  }

  /** Compares everything that can be seen with what was expected; without `expected` nothing may have changed. */
  check(expected: (Expected & { readonly own?: Disk }) | undefined, { frozen }: About = {}): void {
    const strays = takeStrays();
    if (strays.length > 0) throw strays[0];
    const before = this.disks();
    const temporaries: Record<Name, Disk> = { a: new Map(), b: new Map() };
    const { machines, running } = this.world;
    const after = { a: walk(machines.a.root, temporaries.a), b: walk(machines.b.root, temporaries.b) };
    if (frozen !== undefined)
      assert.deepEqual(after[frozen.name], frozen.disk, `${frozen.name} was changed after it refused to be`);
    checkDisks(before, after, expected);
    this.#checkSeats();
    this.remembered.note(before, after);
    if (running.length === 2)
      this.remembered.check(running, [...Object.values(after), ...Object.values(temporaries)], this.#seen);
    if (expected !== undefined) {
      checkConflicts(running, expected);
      if (running.length === 2) this.#leftoversMayBe.clear();
      const settled = expected.conflicts.size + expected.free.size + expected.held.size === 0;
      const hidden = this.known('a').hidden.size + this.known('b').hidden.size;
      if (settled && hidden === 0) checkEqual([machines.a, machines.b], this.#seen);
    }
    for (const name of ['a', 'b'] as const) {
      if (this.#leftoversMayBe.has(name)) continue;
      assert.deepEqual([...temporaries[name].keys()], [], `temporary names are left on ${name}`);
    }
    this.#leftovers = temporaries;
    this.#see(after);
  }

  /** Roles and epochs are what the model says, which never lets one go back. */
  #checkSeats(): void {
    for (const { name, life } of this.world.running) {
      const { role, epoch } = life.node.seat();
      const known = this.known(name);
      assert.deepEqual({ role, epoch }, { role: known.role, epoch: known.epoch }, `the seat of ${name}`);
    }
    const { a, b } = this.reference.nodes;
    const split = a.role === 'active' && b.role === 'active' && a.epoch === b.epoch;
    assert.ok(!split, 'both nodes are active with one epoch');
  }

  /** Pushes broke off at some point: the sender's paths are on the other disk, or they are not yet. */
  checkInterrupted(sender: Name, scope: Iterable<string>, about: About): void {
    const before = this.disks()[otherThan(sender)];
    const expected = this.reference.expect(sender, new Set(scope));
    const loose = new Set([...expected.free, ...expected.held, ...expected.conflicts, ...scope]);
    for (const path of [...expected.disk.keys(), ...before.keys()])
      if (expected.disk.get(path) !== before.get(path)) loose.add(path);
    const running = this.world.running;
    const partly = withFree({ ...expected, conflicts: new Set() }, loose, this.#seen);
    this.check(undefinedConflicts(partly, running.map(listedOn)), about);
    this.reference.interrupt(sender, loose, before, about.forgetful === true);
    this.reference.joined = false;
  }
}

/** Whatever is listed is right: which conflicts were found before it broke off is nobody's business. */
function undefinedConflicts(expected: Expected, listed: readonly ReadonlySet<string>[]): Expected {
  return { ...expected, free: new Set([...expected.free, ...listed.flatMap((paths) => [...paths])]) };
}

/** Also frees what lies above and below. */
function withFree(expected: Expected, free: Iterable<string>, all: Iterable<string>): Expected {
  const loose = new Set(expected.free);
  for (const path of free)
    for (const other of [path, ...all])
      if (path === other || path.startsWith(`${other}/`) || other.startsWith(`${path}/`)) loose.add(other);
  const conflicts = new Set([...expected.conflicts].filter((path) => !loose.has(path)));
  return { ...expected, conflicts, free: loose };
}

function changed(before: Disk, after: Disk): string[] {
  return [...new Set([...before.keys(), ...after.keys()])].filter(
    (path) => before.get(path) !== after.get(path),
  );
}
