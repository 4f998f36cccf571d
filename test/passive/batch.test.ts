import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmdirSync, statSync } from 'node:fs';
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

/** No file can replace what has the name of this content in the store then. */
function blockObject({ node }: Passive, content: string): string {
  const { digest } = fileOf(content);
  const object = join(node.config.state, 'objects', digest.slice(0, 2), digest.slice(2));
  mkdirSync(object, { recursive: true });
  return object;
}

describe('what a batch displaces', () => {
  it('becomes versions, and directories go that it leaves empty', async () => {
    await using passive = await Passive.open();
    prepare(passive);
    const sender = await passive.session();
    const ids = sender.together(() => pushAll(sender, passive));
    assert.deepEqual(await results(sender, ids), new Set(['applied']));
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

  it('waits beside its target where its content cannot be taken over, and the sweep keeps it', async () => {
    await using passive = await Passive.open();
    prepare(passive);
    const [, stuck = ''] = changed;
    const obstacle = blockObject(passive, old(stuck));
    const sender = await passive.session();
    assert.deepEqual(await results(sender, pushAll(sender, passive)), new Set(['applied']));
    assert.equal(readFileSync(join(passive.root, stuck), 'utf8'), `new ${stuck}`);
    const told = passive.events.filter(({ kind }) => kind === 'path-failed');
    assert.deepEqual(
      told.map((event) => 'path' in event && event.path),
      [stuck],
    );
    assert.deepEqual(versionsOf(passive, stuck), []);
    assert.match(leftovers(passive.root), /^\S*\.b\.bmcs-\S+\n$/);
    rmdirSync(obstacle);
    await sender.cut();
    await passive.session();
    assert.deepEqual(versionsOf(passive, stuck), [old(stuck)]);
    assert.equal(leftovers(passive.root), '');
  });

  it('is given back alone, and its push refused, once such a content could not be taken over', async () => {
    await using passive = await Passive.open();
    prepare(passive);
    const [first = '', stuck = '', third = '', fourth = ''] = changed;
    blockObject(passive, old(first));
    blockObject(passive, old(stuck));
    blockObject(passive, old(fourth));
    const sender = await passive.session();
    const kindOf = async (path: string): Promise<string> => {
      const expect = entryAt(passive, path);
      const id = sender.push(path, `new ${path}`, { expect, put: fileOf(`new ${path}`) });
      return (await sender.ack(id)).kind;
    };
    assert.equal(await kindOf(first), 'applied');
    assert.equal(await kindOf(stuck), 'refused');
    assert.equal(readFileSync(join(passive.root, stuck), 'utf8'), old(stuck));
    assert.equal(statSync(join(passive.root, stuck)).mode & 0o777, 0o640);
    assert.deepEqual(passive.node.versions.list(at(stuck)), []);
    // A new file displaces nothing, which proves nothing.
    sender.push('/etc/fresh', 'fresh');
    assert.equal((await sender.next('ack')).result.kind, 'applied');
    assert.equal(await kindOf(stuck), 'refused');
    assert.equal(await kindOf(third), 'applied');
    assert.deepEqual(versionsOf(passive, third), [old(third)]);
    assert.equal(await kindOf(fourth), 'applied', 'one could be kept since');
  });
});
