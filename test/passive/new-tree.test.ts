import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { describe, it } from 'node:test';
import type { ReplicaPath } from '../../src/core/path.ts';
import { kernelRenames, type Renames } from '../../src/files/place.ts';
import { fileOf, Passive, type Sender } from '../main/hostile-wire-rig.ts';
import { eventually } from '../world/eventually.ts';
import { leftovers, temporaryFolder } from '../world/tree.ts';
import { Receiver } from './receiver-process.ts';

const owned = { owner: 'root', group: 'root', xattrs: {} };
const directory = (mode = 0o755) => ({ put: { kind: 'directory', mode, ...owned }, content: 'none' });
const link = { put: { kind: 'symlink', target: 'a.conf', owner: 'root', group: 'root' }, content: 'none' };

/** A directory with a file, a link, and another directory with a file. */
function pushTree(sender: Sender): number[] {
  return [
    sender.push('/etc/new', '', directory(0o750)),
    sender.push('/etc/new/a.conf', 'text of a', { put: fileOf('text of a', { mode: 0o640 }) }),
    sender.push('/etc/new/link', '', link),
    sender.push('/etc/new/deep', '', directory(0o700)),
    sender.push('/etc/new/deep/b.conf', 'text of b'),
  ];
}

/** The tree with two contents in parts, in one batch: all of one has come, and nothing of `slow`. */
function pushInParts(sender: Sender): { readonly whole: number[]; readonly slow: number } {
  const stream = { put: fileOf('in parts'), content: 'stream' };
  return sender.together(() => {
    const ids = pushTree(sender);
    const quick = sender.push('/etc/new/deep/quick', '', stream);
    const slow = sender.push('/etc/new/deep/slow', '', stream);
    sender.say({ t: 'chunk', id: quick, last: true }, Buffer.from('in parts'));
    return { whole: [...ids, quick], slow };
  });
}

function isWhole({ root }: Passive): void {
  const at = (name: string): string => join(root, 'etc/new', name);
  assert.equal(readFileSync(at('a.conf'), 'utf8'), 'text of a');
  assert.equal(readFileSync(at('deep/b.conf'), 'utf8'), 'text of b');
  assert.equal(readlinkSync(at('link')), 'a.conf');
  const modes = ['.', 'a.conf', 'deep', 'deep/b.conf'].map((name) => statSync(at(name)).mode & 0o7777);
  assert.deepEqual(modes, [0o750, 0o640, 0o700, 0o644]);
  assert.equal(leftovers(root), '');
}

/** By id, `applied` or the reason. */
async function outcomes(sender: Sender, ids: readonly number[]): Promise<string[]> {
  const found = new Map<number, string>();
  while (found.size < ids.length) {
    const { id, result } = await sender.until('ack');
    found.set(id, result.kind === 'refused' ? result.reason : result.kind);
  }
  return ids.map((id) => found.get(id) ?? assert.fail(`no ack of ${id}`));
}

/** Kernel renames: which names they gave, and something that happens right before each. */
function watched(happens: (from: string, to: string) => void = () => undefined) {
  const given: string[] = [];
  const noReplace: Renames['noReplace'] = (from, to) => {
    happens(from, to);
    given.push(basename(to));
    return kernelRenames.noReplace(from, to);
  };
  return { given, renames: { exchange: kernelRenames.exchange, noReplace } };
}

describe('a directory that is new', () => {
  it('comes into place with all that is in it by one rename', async () => {
    const { given, renames } = watched((from) => {
      if (!from.endsWith('~')) return;
      const inIt = readdirSync(from, { recursive: true }).map(String).sort();
      assert.deepEqual(inIt, ['a.conf', 'deep', 'deep/b.conf', 'link']);
    });
    await using passive = await Passive.open({ renames });
    const sender = await passive.session();
    const ids = sender.together(() => pushTree(sender));
    assert.deepEqual(
      await outcomes(sender, ids),
      ids.map(() => 'applied'),
    );
    assert.deepEqual(given, ['new']);
    isWhole(passive);
  });

  it('takes what comes for it in a later batch, each file by itself', async () => {
    const { given, renames } = watched();
    await using passive = await Passive.open({ renames });
    const sender = await passive.session();
    await outcomes(
      sender,
      sender.together(() => pushTree(sender)),
    );
    assert.deepEqual(await sender.ack(sender.push('/etc/new/deep/later', 'later')), { kind: 'applied' });
    assert.deepEqual(given, ['new', 'later']);
    isWhole(passive);
  });

  it('is a conflict where its name is taken in the last instant, and nothing of it stays', async () => {
    const { renames } = watched((_from, to) => {
      if (basename(to) !== 'new' || existsSync(to)) return;
      mkdirSync(to);
      writeFileSync(join(to, 'a.conf'), 'somebody’s own');
    });
    await using passive = await Passive.open({ renames });
    const sender = await passive.session();
    const ids = sender.together(() => pushTree(sender));
    const [top, ...rest] = await outcomes(sender, ids);
    assert.equal(top, 'conflict');
    assert.deepEqual(new Set(rest), new Set(['busy']));
    assert.equal(leftovers(passive.root), '');
    assert.deepEqual(readdirSync(join(passive.root, 'etc/new')), ['a.conf']);
    assert.equal(readFileSync(join(passive.root, 'etc/new/a.conf'), 'utf8'), 'somebody’s own');
    // The sender comes again, and finds the directory that is there.
    assert.deepEqual(await sender.ack(sender.push('/etc/new/c.conf', 'c')), { kind: 'applied' });
  });

  it('leaves what somebody put into it meanwhile for the sweep, which keeps it', async () => {
    const { renames } = watched((from, to) => {
      if (basename(to) !== 'new' || existsSync(to)) return;
      writeFileSync(join(from, 'deep/strange'), 'somebody was quick');
      mkdirSync(to);
    });
    await using passive = await Passive.open({ renames });
    const sender = await passive.session();
    await outcomes(
      sender,
      sender.together(() => pushTree(sender)),
    );
    assert.match(leftovers(passive.root), /^\S*\/\.new\.bmcs-\S+\n$/);
    await sender.cut();
    await passive.session();
    assert.equal(leftovers(passive.root), '');
    const [kept] = passive.node.versions.list('/etc/new/deep/strange' as ReplicaPath);
    assert.ok(kept !== undefined);
    assert.equal(
      readFileSync(passive.node.versions.read(kept.id).openContent(), 'utf8'),
      'somebody was quick',
    );
  });

  it('takes a content that comes in parts, in the same batch and over several', async () => {
    await using passive = await Passive.open();
    const sender = await passive.session();
    const { whole, slow } = pushInParts(sender);
    const placed = await outcomes(sender, whole);
    assert.ok(
      placed.every((one) => one === 'applied'),
      placed.join(' '),
    );
    sender.say({ t: 'chunk', id: slow, last: false }, Buffer.from('in '));
    sender.say({ t: 'chunk', id: slow, last: true }, Buffer.from('parts'));
    assert.deepEqual(await sender.ack(slow), { kind: 'applied' });
    for (const name of ['quick', 'slow'])
      assert.equal(readFileSync(join(passive.root, 'etc/new/deep', name), 'utf8'), 'in parts');
    isWhole(passive);
  });

  it('that does not come into place takes a content in parts with it: nothing is said to be placed', async () => {
    const { renames } = watched((_from, to) => {
      if (basename(to) === 'new' && !existsSync(to)) writeFileSync(to, 'a file');
    });
    await using passive = await Passive.open({ renames });
    const sender = await passive.session();
    const { whole, slow } = pushInParts(sender);
    const found = await outcomes(sender, whole);
    assert.ok(!found.includes('applied'), found.join(' '));
    sender.say({ t: 'chunk', id: slow, last: true }, Buffer.from('in parts'));
    assert.equal((await sender.ack(slow)).kind, 'refused');
    assert.equal(readFileSync(join(passive.root, 'etc/new'), 'utf8'), 'a file');
    await sender.cut();
    await passive.session();
    assert.equal(leftovers(passive.root), '');
  });

  it('takes a group', async () => {
    await using passive = await Passive.open();
    const sender = await passive.session();
    const set = { id: 1, of: 2 };
    const ids = sender.together(() => [
      ...pushTree(sender),
      sender.push('/etc/new/deep/key', 'key', { set }),
      sender.push('/etc/new/deep/cert', 'cert', { set }),
    ]);
    const found = await outcomes(sender, ids);
    assert.ok(
      found.every((one) => one === 'applied'),
      found.join(' '),
    );
    assert.equal(readFileSync(join(passive.root, 'etc/new/deep/cert'), 'utf8'), 'cert');
    isWhole(passive);
  });

  it('takes each name once', async () => {
    await using passive = await Passive.open();
    const sender = await passive.session();
    const ids = sender.together(() => [...pushTree(sender), ...pushTree(sender)]);
    const found = await outcomes(sender, ids);
    assert.deepEqual(new Set(found.slice(0, 5)), new Set(['applied']));
    assert.ok(
      found.slice(5).every((one) => one === 'busy' || one === 'not-empty'),
      found.join(' '),
    );
    isWhole(passive);
  });

  for (const end of ['HA is disabled', 'the session ends'] as const) {
    it(`goes where ${end} before it is placed`, async (t) => {
      const folder = temporaryFolder('new-tree');
      t.after(() => rmSync(folder, { recursive: true }));
      const go = join(folder, 'go');
      const run = ['sh', '-c', 'until test -e "$0"; do sleep 0.02; done', go];
      const validate = [{ match: '/etc/new/a.conf', run, timeout: '30s' }];
      await using passive = await Passive.open({ watchlist: { validate } });
      const before = passive.tree();
      const sender = await passive.session();
      const ids = sender.together(() => pushTree(sender));
      await eventually('a tree that is built', () => leftovers(passive.root) !== '');
      if (end === 'the session ends') await sender.cut();
      else {
        passive.node.switches.disable({ reason: 'upgrade', by: 'root' }, Date.now());
        writeFileSync(go, '');
        assert.deepEqual(new Set(await outcomes(sender, ids)), new Set(['ha-disabled']));
      }
      assert.equal(passive.tree(), before);
    });
  }

  it('is there as a whole, or not at all, wherever the receiver is killed, and comes again', async () => {
    const seen = new Set<string>();
    for (let point = 1; ; point += 1) {
      await using passive = await Passive.open();
      await using receiver = await Receiver.start(passive.config, { CRASH_AT: String(point) });
      receiver.sender.together(() => pushTree(receiver.sender));
      if (await receiver.answersOrDies()) break;
      const isThere = existsSync(join(passive.root, 'etc/new'));
      seen.add(isThere ? 'there' : 'not there');
      if (isThere) isWhole(passive);
      const sender = await passive.session();
      assert.equal(leftovers(passive.root), '', `killed at point ${point}`);
      const again = await outcomes(
        sender,
        sender.together(() => pushTree(sender)),
      );
      const expected = isThere ? 'already-there' : 'applied';
      assert.deepEqual(new Set(again), new Set([expected]), `killed at point ${point}`);
      isWhole(passive);
    }
    assert.deepEqual(seen, new Set(['there', 'not there']));
  });
});
