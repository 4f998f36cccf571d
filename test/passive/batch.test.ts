import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { ReplicaPath } from '../../src/core/path.ts';
import { observeAt } from '../../src/files/observe.ts';
import { fileOf, Passive, type Sender } from '../main/hostile-wire-rig.ts';
import { leftovers, write } from '../world/tree.ts';
import { Receiver } from './receiver-process.ts';

const at = (path: string): ReplicaPath => path as ReplicaPath;
const changed = ['a', 'b', 'c', 'd', 'e'].map((name) => `/etc/${name}`);
const removed = ['/etc/gone/x', '/etc/gone/deep/y'];
const directories = ['/etc/gone/deep', '/etc/gone'];
const old = (path: string): string => `old ${path}`;

function prepare({ root }: Passive): void {
  write(root, Object.fromEntries([...changed, ...removed].map((path) => [path.slice(1), old(path)])));
  for (const path of [...changed, ...removed]) chmodSync(join(root, path), 0o640);
}

function entryAt({ root }: Passive, path: string) {
  const seen = observeAt(join(root, path), at(path), { maxFileSizeBytes: 1e9, checkWriters: false });
  if (seen.kind !== 'entry') throw new Error(`expected an entry at ${path}, found ${seen.kind}`);
  return seen.entry;
}

/** Files that change, one of which only its owner, and a directory that goes with all in it. In one batch. */
function pushAll(sender: Sender, passive: Passive): number[] {
  const ids = changed.slice(1).map((path) => {
    const put = fileOf(`new ${path}`);
    return sender.push(path, `new ${path}`, { expect: entryAt(passive, path), put });
  });
  const [given = ''] = changed;
  const put = { ...entryAt(passive, given), owner: 'daemon' };
  ids.push(sender.push(given, '', { expect: entryAt(passive, given), put, content: 'local' }));
  for (const path of [...directories.toReversed(), ...removed]) {
    const expect = entryAt(passive, path);
    ids.push(sender.push(path, '', { expect, put: { kind: 'absent' }, content: 'none' }));
  }
  return ids;
}

async function results(sender: Sender, ids: readonly number[]): Promise<Set<string>> {
  const kinds = new Set<string>();
  for (const _ of ids) {
    const { result } = await sender.until('ack');
    kinds.add(result.kind === 'refused' ? result.reason : result.kind);
  }
  return kinds;
}

/** The contents that can be read from the versions of a path; fails where one cannot. */
function versionsOf({ node }: Passive, path: string): string[] {
  return node.versions
    .list(at(path))
    .map(({ id }) => readFileSync(node.versions.read(id).openContent(), 'utf8'));
}

describe('what a batch displaces', () => {
  it('becomes versions, and directories go that it leaves empty', async () => {
    await using passive = await Passive.open();
    prepare(passive);
    const sender = await passive.session();
    assert.deepEqual(await results(sender, pushAll(sender, passive)), new Set(['applied']));
    for (const path of [...changed, ...removed]) assert.deepEqual(versionsOf(passive, path), [old(path)]);
    assert.equal(existsSync(join(passive.root, 'etc/gone')), false);
    assert.equal(leftovers(passive.root), '');
  });

  it('is at its place or a version that can be read, wherever the receiver is killed', async () => {
    const seen = new Set<string>();
    for (let point = 1; ; point += 1) {
      await using passive = await Passive.open();
      prepare(passive);
      await using receiver = await Receiver.start(passive.config, { CRASH_AT: String(point) });
      pushAll(receiver.sender, passive);
      const survived = await receiver.answersOrDies();
      if (survived) break;
      await passive.session();
      for (const path of [...changed, ...removed]) {
        const full = join(passive.root, path);
        const inPlace = existsSync(full) && readFileSync(full, 'utf8') === old(path);
        const kept = versionsOf(passive, path);
        assert.ok(inPlace || kept.includes(old(path)), `${path}, killed at point ${point}`);
        seen.add(kept.length === 0 ? 'none' : 'kept');
      }
      assert.equal(leftovers(passive.root), '', `killed at point ${point}`);
    }
    assert.deepEqual(seen, new Set(['none', 'kept']));
  });

  it('is given back alone where its own content cannot be taken over', async () => {
    await using passive = await Passive.open();
    prepare(passive);
    const [, stuck = ''] = changed;
    const { digest } = fileOf(old(stuck));
    // No file can replace what has the name of its content.
    mkdirSync(join(passive.node.config.state, 'objects', digest.slice(0, 2), digest.slice(2)), {
      recursive: true,
    });
    const sender = await passive.session();
    const acks = new Map<number, string>();
    const ids = pushAll(sender, passive);
    for (const _ of ids) {
      const { id, result } = await sender.until('ack');
      acks.set(id, result.kind);
    }
    const [first, ...others] = ids.map((id) => acks.get(id));
    assert.equal(first, 'refused');
    assert.deepEqual(new Set(others), new Set(['applied']));
    assert.equal(readFileSync(join(passive.root, stuck), 'utf8'), old(stuck));
    assert.equal(statSync(join(passive.root, stuck)).mode & 0o777, 0o640);
    assert.deepEqual(passive.node.versions.list(at(stuck)), []);
    assert.equal(leftovers(passive.root), '');
  });
});
