import type { Disk } from './disk.ts';
import { type Name, otherThan, type Policy } from './machine.ts';

/** An entry as disk.ts writes it; `-`: nothing is there; `?`: the nodes never agreed. */
type Value = string;

export const nothing = '-';
const never = '?';

/** What is known of one node. */
export type Known = {
  up: boolean;
  role: 'active' | 'passive';
  epoch: number;
  highest: number;
  enabled: boolean;
  disk: Disk;
  /** What this node may take for agreed: more than one where a crash or a lost ack leaves it open. */
  readonly agreed: Map<string, readonly Value[]>;
  /** Edited here without anybody having been told. */
  readonly hidden: Set<string>;
};

export type Expected = {
  readonly active: Name;
  readonly disk: Disk;
  readonly conflicts: Set<string>;
  /** Paths of which more than one outcome is right. */
  readonly free: Set<string>;
  /** Paths that could not be placed as the tree stands there. */
  readonly held: Set<string>;
};

/** The rules of replication over two trees, without any of what makes them hard: no wire, no time, no crash. */
export class Reference {
  readonly nodes: Record<Name, Known>;
  readonly policy: Policy;
  network = true;
  /** Both nodes are in contact since the last full comparison. */
  joined = false;
  conflicts = new Set<string>();
  held = new Set<string>();
  /** Placed by the passive before it crashed, by path. */
  readonly intended = new Map<string, Value>();

  constructor(policy: Policy) {
    this.policy = policy;
    this.nodes = { a: fresh('active', 1), b: fresh('passive', 0) };
  }

  /** The node that sends, while the two nodes are in contact. Seats are settled first: the older epoch steps down. */
  sender(): Name | undefined {
    const { a, b } = this.nodes;
    if (!this.network || ![a, b].every(({ up, enabled }) => up && enabled)) return undefined;
    if (a.role === 'active' && b.role === 'active') {
      const [older, newer] = a.epoch < b.epoch ? [a, b] : [b, a];
      Object.assign(older, { role: 'passive', epoch: newer.epoch, highest: newer.epoch });
    }
    if (a.role === b.role) return undefined;
    const name = a.role === 'active' ? 'a' : 'b';
    const [active, passive] = [this.nodes[name], this.nodes[otherThan(name)]];
    if (active.epoch < passive.epoch) {
      Object.assign(active, { role: 'passive', epoch: passive.epoch, highest: passive.epoch });
      return undefined;
    }
    passive.epoch = active.epoch;
    passive.highest = Math.max(passive.highest, active.epoch);
    return name;
  }

  /** What replication makes of these paths, or of all paths. */
  expect(active: Name, scope: ReadonlySet<string> | 'all'): Expected {
    const [O, D] = [this.nodes[active], this.nodes[otherThan(active)]];
    const full = scope === 'all';
    const paths = new Set([...(full ? this.paths() : scope), ...(full ? [] : this.held)]);
    const free = new Set<string>();
    const conflicts = full ? new Set<string>() : new Set(this.conflicts);
    const places = new Map<string, Value>();
    for (const path of paths) {
      conflicts.delete(path);
      const outcomes = this.#outcomes(active, path);
      const hidden = !full && (O.hidden.has(path) || D.hidden.has(path) || this.held.has(path));
      if (outcomes.size > 1 || hidden || belowLink(D.disk, path)) free.add(path);
      else if (outcomes.has('conflict')) conflicts.add(path);
      else if (outcomes.has('apply')) places.set(path, at(O.disk, path));
    }
    // A look that was planned for something else may find what nobody was told of.
    if (!full) for (const { hidden } of [O, D]) for (const path of hidden) free.add(path);
    for (const path of [...free]) for (const other of paths) if (related(path, other)) free.add(other);
    for (const path of free) conflicts.delete(path);
    const { disk, held } = place(D.disk, places);
    return { active, disk, conflicts, free, held };
  }

  /** Takes over what came of it. */
  adopt(
    { active, conflicts, free, held }: Expected,
    scope: ReadonlySet<string> | 'all',
    listed: ReadonlySet<string>,
  ): void {
    const [O, D] = [this.nodes[active], this.nodes[otherThan(active)]];
    for (const path of scope === 'all' ? this.paths() : new Set([...scope, ...free])) {
      const [here, there] = [at(O.disk, path), at(D.disk, path)];
      if (here !== there) continue;
      for (const node of [O, D]) {
        // That nothing is anywhere need not be remembered as agreed.
        const before = node.agreed.get(path) ?? [never];
        const known = free.has(path) || (here === nothing && before.includes(never)) ? before : [];
        node.agreed.set(path, [...new Set([...known, here])]);
      }
    }
    this.conflicts = new Set([...conflicts, ...[...free].filter((path) => listed.has(path))]);
    this.held = new Set([...held, ...free].filter((path) => at(O.disk, path) !== at(D.disk, path)));
    if (scope !== 'all') return;
    for (const { hidden } of [O, D]) hidden.clear();
  }

  /** Pushes broke off: each of these paths is placed or it is not, and the sender may know or not. */
  interrupt(active: Name, scope: Iterable<string>, before: Disk, forgetful: boolean): void {
    const [O, D] = [this.nodes[active], this.nodes[otherThan(active)]];
    for (const path of scope) {
      const put = at(O.disk, path);
      // What was sent is recognised by its value, wherever that shows up on the other side later.
      for (const node of [O, D])
        node.agreed.set(path, [...new Set([...(node.agreed.get(path) ?? [never]), put])]);
      if (at(D.disk, path) !== put || at(before, path) === put) continue;
      // What it placed itself it knows of; after a crash it finds that out if it is still there.
      if (forgetful) this.intended.set(path, put);
      else D.agreed.set(path, [put]);
    }
    this.held = new Set([...this.held, ...scope].filter((path) => at(O.disk, path) !== at(D.disk, path)));
  }

  /** The sender is back: what lies on the disk as it was placed right before a crash came from there. */
  recover(active: Name): void {
    const D = this.nodes[otherThan(active)];
    for (const [path, put] of this.intended) if (at(D.disk, path) === put) D.agreed.set(path, [put]);
    this.intended.clear();
  }

  /** Nobody can tell any more what was agreed of these paths. */
  forgetExactly(paths: Iterable<string>): void {
    for (const path of paths) {
      const values = (['a', 'b'] as const).flatMap((name) => [
        ...(this.nodes[name].agreed.get(path) ?? [never]),
        at(this.nodes[name].disk, path),
      ]);
      for (const node of Object.values(this.nodes)) node.agreed.set(path, [...new Set(values)]);
    }
  }

  paths(): Set<string> {
    const { a, b } = this.nodes;
    return new Set([...a.disk.keys(), ...b.disk.keys(), ...a.agreed.keys(), ...b.agreed.keys()].sort());
  }

  #outcomes(active: Name, path: string): Set<'agree' | 'apply' | 'conflict'> {
    const [O, D] = [this.nodes[active], this.nodes[otherThan(active)]];
    const [put, disk] = [at(O.disk, path), at(D.disk, path)];
    if (put === disk) return new Set(['agree']);
    const found = new Set<'apply' | 'conflict'>();
    for (const sent of O.agreed.get(path) ?? [never])
      for (const own of D.agreed.get(path) ?? [never]) found.add(this.#outcome(put, disk, sent, own));
    return found;
  }

  #outcome(put: Value, disk: Value, sent: Value, own: Value): 'apply' | 'conflict' {
    // Nobody loses what the sender knew to be there, or what the receiver itself took from the sender.
    if (disk === (sent === never ? nothing : sent) || disk === own) return 'apply';
    // What only the passive has, and nobody ever agreed on, no policy removes.
    const alone = sent === never && put === nothing;
    return this.policy === 'active-wins' && !alone ? 'apply' : 'conflict';
  }
}

function fresh(role: Known['role'], epoch: number): Known {
  return {
    up: true,
    role,
    epoch,
    highest: epoch,
    enabled: true,
    disk: new Map(),
    agreed: new Map(),
    hidden: new Set(),
  };
}

export function at(disk: Disk, path: string): Value {
  return disk.get(path) ?? nothing;
}

export function related(a: string, b: string): boolean {
  return a === b || a.startsWith(`${b}/`) || b.startsWith(`${a}/`);
}

/** Nothing can be put below a link; what becomes of such a path is clear at the next full comparison. */
function belowLink(disk: Disk, path: string): boolean {
  for (let cut = path.lastIndexOf('/'); cut > 0; cut = path.lastIndexOf('/', cut - 1))
    if (at(disk, path.slice(0, cut)).startsWith('l')) return true;
  return false;
}

/** Puts what can be put: a directory goes when it is empty, and a name needs a directory to be in. */
export function place(disk: Disk, places: ReadonlyMap<string, Value>): { disk: Disk; held: Set<string> } {
  const result = new Map(disk);
  const held = new Set<string>();
  const paths = [...places.keys()].sort();
  const isFull = (path: string): boolean => [...result.keys()].some((name) => name.startsWith(`${path}/`));
  for (const path of paths.toReversed()) {
    if (places.get(path) !== nothing) continue;
    if (isFull(path)) held.add(path);
    else result.delete(path);
  }
  for (const path of paths) {
    const put = places.get(path) ?? nothing;
    if (put === nothing) continue;
    const parent = path.slice(0, path.lastIndexOf('/'));
    const inDirectory = parent === '/etc' || result.get(parent)?.startsWith('d') === true;
    if (!inDirectory || (!put.startsWith('d') && isFull(path))) held.add(path);
    else result.set(path, put);
  }
  return { disk: result, held };
}
