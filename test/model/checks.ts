import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { closeSync, readFileSync } from 'node:fs';
import { openTree } from '../../src/cli/compose-active.ts';
import { sameEntry } from '../../src/core/entry.ts';
import type { ReplicaPath } from '../../src/core/path.ts';
import type { Version } from '../../src/state/version.ts';
import { contentOf, type Disk } from './disk.ts';
import { type Machine, type Name, otherThan } from './machine.ts';
import { at, type Expected } from './reference.ts';

export type Disks = Readonly<Record<Name, Disk>>;

/** Both disks are what they were, or what was expected. Paths that are `free` hold one side's entry or the other's. */
export function checkDisks(
  before: Disks,
  after: Disks,
  expected: (Expected & { readonly own?: Disk }) | undefined,
): void {
  for (const name of ['a', 'b'] as const) {
    const sends = expected?.active === name;
    const wanted =
      expected === undefined ? before[name] : sends ? (expected.own ?? before[name]) : expected.disk;
    for (const path of new Set([...wanted.keys(), ...after[name].keys(), ...before[name].keys()])) {
      const found = at(after[name], path);
      if (expected?.free.has(path) === true) {
        const either = [at(before[name], path), at(before[otherThan(name)], path), at(wanted, path)];
        assert.ok(either.includes(found), `${name} ${path}: neither side's: ${found}`);
      } else assert.equal(found, at(wanted, path), `${name} ${path} holds something else than expected`);
    }
  }
}

/**
 * What the program says is in conflict is what the model says, on both nodes. What has no place yet may still be listed
 * from before: as an edit by the node that was passive then, or by the policy that chose a side.
 */
export function checkConflicts(machines: readonly Machine[], expected: Expected): void {
  const unclear = (path: string): boolean => expected.free.has(path) || expected.held.has(path);
  for (const machine of machines) {
    const listed = [...listedOn(machine)].filter((path) => !unclear(path)).sort();
    assert.deepEqual(listed, [...expected.conflicts].sort(), `conflicts listed on ${machine.name}`);
  }
}

export function listedOn({ life, name }: Machine): Set<string> {
  const { node } = life;
  return new Set(node.conflicts.list().flatMap(({ peer, path }) => (peer === otherThan(name) ? [path] : [])));
}

/** Both trees are the same, as the program itself sees them. */
export function checkEqual([one, two]: readonly [Machine, Machine], paths: Iterable<string>): void {
  const look = ({ life }: Machine, path: string) => openTree(life.receiving).observe(path as ReplicaPath);
  for (const path of paths) {
    const [here, there] = [look(one, path), look(two, path)];
    const same = here.kind === 'entry' && there.kind === 'entry' && sameEntry(here.entry, there.entry);
    assert.ok(same, `${path}: the program sees ${JSON.stringify(here)} and ${JSON.stringify(there)}`);
  }
}

/** All versions that a node keeps of these paths. */
export function versionsOn({ life }: Machine, paths: Iterable<string>): Version[] {
  return [...paths].flatMap((path) => life.receiving.versions.list(path as ReplicaPath));
}

/** The entry of a version as disk.ts writes it; undefined for a directory. Reads what is kept. */
export function keptKey({ life }: Machine, { id, entry }: Version): string | undefined {
  if (entry.kind === 'symlink') return `l 0:0 ${entry.target}`;
  if (entry.kind !== 'file') return undefined;
  const fd = life.receiving.versions.read(id).openContent();
  try {
    return `f 0:0 ${entry.mode.toString(8)} ${readFileSync(fd, 'utf8')}`;
  } finally {
    closeSync(fd);
  }
}

/** What replication took off a disk; it has to be somewhere from then on. */
export class Remembered {
  readonly #contents = new Set<string>();

  note(before: Disks, after: Disks): void {
    for (const name of ['a', 'b'] as const) {
      for (const [path, key] of before[name]) {
        const content = contentOf(key);
        if (content !== undefined && contentOf(at(after[name], path)) !== content)
          this.#contents.add(content);
      }
    }
  }

  /** Somebody removed what may have been the only copy. */
  forgive(key: string): void {
    const content = contentOf(key);
    if (content !== undefined) this.#contents.delete(content);
  }

  /** Each is on a disk, under whatever name, or a version on either node. */
  check(machines: readonly Machine[], disks: readonly Disk[], paths: Iterable<string>): void {
    if (this.#contents.size === 0) return;
    const present = new Set(disks.flatMap((disk) => [...disk.values()].map(contentOf)));
    const all = [...paths];
    const digests = new Set<string>();
    for (const machine of machines) {
      for (const { entry } of versionsOn(machine, all)) {
        if (entry.kind === 'file') digests.add(entry.digest);
        if (entry.kind === 'symlink') present.add(`-> ${entry.target}`);
      }
    }
    for (const content of this.#contents) {
      const digest = createHash('sha256').update(content).digest('hex');
      assert.ok(present.has(content) || digests.has(digest), `gone for ever: ${JSON.stringify(content)}`);
    }
  }

  /** Each version can be read back as what it says it is. */
  checkReadable(machines: readonly Machine[], paths: Iterable<string>): void {
    const all = [...paths];
    for (const machine of machines) for (const version of versionsOn(machine, all)) keptKey(machine, version);
  }
}
