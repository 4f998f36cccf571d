import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { ReplicaPath } from '../../src/core/path.ts';
import { kernelRenames, type Renames } from '../../src/files/place.ts';
import { JournalStore } from '../../src/state/journal.ts';
import type { AckResult } from '../../src/wire/message.ts';
import { fileOf, Passive, type Sender } from '../main/hostile-wire-rig.ts';
import { leftovers, write } from '../world/tree.ts';
import { Receiver } from './receiver-process.ts';

const at = (path: string): ReplicaPath => path as ReplicaPath;
const gone = { put: { kind: 'absent' }, content: 'none' } as const;

/** Three members: one is replaced, one is new, one is removed. */
const old = { 'etc/changed': 'old', 'etc/removed': 'old too' };

function prepare(passive: Passive): void {
  write(passive.root, old);
  for (const name of Object.keys(old)) chmodSync(join(passive.root, name), 0o644);
}

function pushAll(sender: Sender, set = { id: 1, of: 3 }): number[] {
  return [
    sender.push('/etc/changed', 'new', { set, expect: fileOf('old') }),
    sender.push('/etc/created', 'new as well', { set }),
    sender.push('/etc/removed', '', { set, expect: fileOf('old too'), ...gone }),
  ];
}

async function acks(sender: Sender, ids: readonly number[]): Promise<AckResult[]> {
  const results = new Map<number, AckResult>();
  while (results.size < ids.length) {
    const { id, result } = await sender.next('ack');
    results.set(id, result);
  }
  return ids.map((id) => results.get(id) ?? assert.fail(`no ack of ${id}`));
}

function expecting(text: string) {
  return { expect: fileOf(text) };
}

function content(passive: Passive, name: string): string | undefined {
  const path = join(passive.root, 'etc', name);
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}

function state(passive: Passive): (string | undefined)[] {
  return ['changed', 'created', 'removed'].map((name) => content(passive, name));
}

const allOld = ['old', undefined, 'old too'];
const allNew = ['new', 'new as well', undefined];

function reasonsOf(results: readonly AckResult[]): string[] {
  return results.map((result) => (result.kind === 'refused' ? result.reason : result.kind));
}

/** Kernel renames, and something that happens right before the n-th. */
function before(n: number, happens: () => void): Renames {
  let count = 0;
  const counted = (call: typeof kernelRenames.exchange) => (from: string, to: string) => {
    count += 1;
    if (count === n) happens();
    return call(from, to);
  };
  return { exchange: counted(kernelRenames.exchange), noReplace: counted(kernelRenames.noReplace) };
}

describe('files of a group', () => {
  it('are placed together, and what they displace becomes versions', async () => {
    await using passive = await Passive.open();
    prepare(passive);
    const sender = await passive.session();
    const results = await acks(sender, pushAll(sender));
    assert.deepEqual(reasonsOf(results), ['applied', 'applied', 'applied']);
    assert.deepEqual(state(passive), allNew);
    assert.equal(leftovers(passive.root), '');
    const kept = ['/etc/changed', '/etc/removed'].map((path) =>
      passive.node.versions.list(at(path)).map(({ reason }) => reason),
    );
    assert.deepEqual(kept, [['overwritten'], ['removed']]);
    assert.deepEqual(new JournalStore(passive.node.database).list(), []);
  });

  it('wait for the last of them, while other pushes are placed', async () => {
    await using passive = await Passive.open();
    prepare(passive);
    const sender = await passive.session();
    const set = { id: 1, of: 3 };
    const one = sender.push('/etc/changed', 'new', { set, expect: fileOf('old') });
    const big = sender.push('/etc/created', 'new as well', { set, content: 'stream' });
    assert.deepEqual(await sender.ack(sender.push('/etc/other', 'x')), { kind: 'applied' });
    const three = sender.push('/etc/removed', '', { set, expect: fileOf('old too'), ...gone });
    assert.deepEqual(await sender.ack(sender.push('/etc/another', 'x')), { kind: 'applied' });
    assert.deepEqual(state(passive), allOld);
    sender.say({ t: 'chunk', id: big, last: false }, Buffer.from('new as'));
    sender.say({ t: 'chunk', id: big, last: true }, Buffer.from(' well'));
    assert.deepEqual(reasonsOf(await acks(sender, [one, big, three])), ['applied', 'applied', 'applied']);
    assert.deepEqual(state(passive), allNew);
  });

  it('of which only the time or the mode changes are members like the others', async () => {
    await using passive = await Passive.open();
    prepare(passive);
    const sender = await passive.session();
    const set = { id: 1, of: 2 };
    const ids = [
      sender.push('/etc/changed', '', {
        set,
        put: fileOf('old', { mtime: '1600000000.000000000' }),
        content: 'none',
      }),
      sender.push('/etc/removed', '', {
        set,
        expect: fileOf('old too'),
        put: fileOf('old too', { mode: 0o600 }),
        content: 'local',
      }),
    ];
    assert.deepEqual(reasonsOf(await acks(sender, ids)), ['applied', 'applied']);
    assert.equal(lstatSync(join(passive.root, 'etc/changed')).mtimeMs, 1_600_000_000_000);
    assert.equal(lstatSync(join(passive.root, 'etc/removed')).mode & 0o7777, 0o600);
    assert.equal(leftovers(passive.root), '');
  });

  const refusals: [string, (sender: Sender, set: object) => number, string][] = [
    ['is outside the watchlist', (sender, set) => sender.push('/usr/x', 'x', { set }), 'outside-watchlist'],
    ['is in conflict', (sender, set) => sender.push('/etc/removed', 'x', { set }), 'conflict'],
    [
      'has other content than it says',
      (sender, set) => sender.push('/etc/lie', 'x', { set, put: fileOf('y') }),
      'digest-mismatch',
    ],
    [
      'is a directory',
      (sender, set) => {
        const put = { kind: 'directory', mode: 0o755, owner: 'root', group: 'root', xattrs: {} };
        return sender.push('/etc/dir', '', { set, put, content: 'none' });
      },
      'unsupported-type',
    ],
    [
      'changed while it was sent',
      (sender, set) => {
        const id = sender.push('/etc/stream', 'x', { set, content: 'stream' });
        sender.say({ t: 'abort', id });
        return id;
      },
      'unstable',
    ],
  ];
  for (const [what, pushBad, reason] of refusals) {
    it(`are not placed when one of them ${what}, and the others are told which`, async () => {
      await using passive = await Passive.open();
      prepare(passive);
      const tree = passive.tree();
      const sender = await passive.session();
      const set = { id: 4, of: 3 };
      const ids = [
        sender.push('/etc/changed', 'new', { set, expect: fileOf('old') }),
        pushBad(sender, set),
        sender.push('/etc/created', 'new as well', { set }),
      ];
      const results = await acks(sender, ids);
      assert.deepEqual(reasonsOf(results), ['group-failed', reason, 'group-failed']);
      assert.equal(passive.tree(), tree);
      const [first] = results;
      assert.match(
        first?.kind === 'refused' ? first.detail : '',
        /expected all files of its group.*\/(etc|usr)\//,
      );
    });
  }

  it('that is not complete when the session ends leaves nothing behind', async () => {
    await using passive = await Passive.open();
    prepare(passive);
    const tree = passive.tree();
    const sender = await passive.session();
    const [, ...rest] = pushAll(sender, { id: 1, of: 4 });
    assert.equal(rest.length, 2);
    sender.say({ t: 'ping', id: 1 });
    await sender.next('pong');
    assert.notEqual(leftovers(passive.root), '');
    await sender.cut();
    assert.equal(passive.tree(), tree);
  });

  it('are refused together when HA is disabled before the last one comes', async () => {
    await using passive = await Passive.open();
    prepare(passive);
    const tree = passive.tree();
    const sender = await passive.session();
    const set = { id: 1, of: 2 };
    const one = sender.push('/etc/changed', 'new', { set, expect: fileOf('old') });
    sender.say({ t: 'ping', id: 1 });
    await sender.next('pong');
    passive.node.switches.disable({ reason: 'u', by: 'r' }, Date.now());
    const two = sender.push('/etc/created', 'new as well', { set });
    assert.deepEqual(reasonsOf(await acks(sender, [one, two])), ['ha-disabled', 'ha-disabled']);
    assert.equal(passive.tree(), tree);
  });

  it('are refused together when HA was disabled as the first one came, though no longer with the last', async () => {
    await using passive = await Passive.open();
    prepare(passive);
    const tree = passive.tree();
    const sender = await passive.session();
    const set = { id: 1, of: 2 };
    passive.node.switches.disable({ reason: 'u', by: 'r' }, Date.now());
    const one = sender.push('/etc/changed', 'new', { set, expect: fileOf('old') });
    sender.say({ t: 'ping', id: 1 });
    await sender.next('pong');
    passive.node.switches.enable();
    const two = sender.push('/etc/created', 'new as well', { set });
    assert.deepEqual(reasonsOf(await acks(sender, [one, two])), ['ha-disabled', 'group-failed']);
    assert.equal(passive.tree(), tree);
  });

  it('are not changed in place either when another one is refused', async () => {
    await using passive = await Passive.open();
    prepare(passive);
    for (const name of ['changed', 'removed']) {
      const time = 1_700_000_000;
      utimesSync(join(passive.root, 'etc', name), time, time);
    }
    const tree = passive.tree();
    const sender = await passive.session();
    const set = { id: 1, of: 3 };
    const ids = [
      sender.push('/etc/changed', '', {
        set,
        put: fileOf('old', { mode: 0o600 }),
        ...expecting('old'),
        content: 'local',
      }),
      sender.push('/etc/removed', '', {
        set,
        put: fileOf('old too', { mtime: '1.000000000' }),
        content: 'none',
      }),
      sender.push('/usr/x', 'x', { set }),
    ];
    const results = await acks(sender, ids);
    assert.deepEqual(reasonsOf(results), ['group-failed', 'group-failed', 'outside-watchlist']);
    assert.equal(passive.tree(), tree);
    assert.equal(lstatSync(join(passive.root, 'etc/removed')).mtimeMs, 1_700_000_000_000);
  });

  const lies: [string, (sender: Sender) => void][] = [
    [
      'has one path twice',
      (sender) => {
        for (const text of ['a', 'b']) sender.push('/etc/x', text, { set: { id: 1, of: 3 } });
      },
    ],
    [
      'says two numbers of members',
      (sender) => {
        for (const members of [2, 3]) sender.push(`/etc/x${members}`, 'x', { set: { id: 1, of: members } });
      },
    ],
  ];
  for (const [what, say] of lies) {
    it(`end the session when their set ${what}`, async () => {
      await using passive = await Passive.open();
      const sender = await passive.session();
      say(sender);
      assert.match((await sender.until('refused')).detail, /set 1/);
      await sender.over;
      assert.equal(leftovers(passive.root), '');
    });
  }
});

describe('a group in whose way somebody comes while it is placed', () => {
  // Renames of the three members: 1 changed (exchange), 2 created (no replace), 3 removed (aside).
  it('is brought back when one member was edited in the last instant; the edit stays', async () => {
    const holder = { root: '' };
    const edit = (): void => writeFileSync(join(holder.root, 'etc/removed'), 'edited');
    await using passive = await Passive.open({ renames: before(3, edit) });
    holder.root = passive.root;
    prepare(passive);
    const sender = await passive.session();
    const results = await acks(sender, pushAll(sender));
    assert.deepEqual(reasonsOf(results), ['group-failed', 'group-failed', 'conflict']);
    assert.deepEqual(state(passive), ['old', undefined, 'edited']);
    assert.equal(leftovers(passive.root), '');
    assert.deepEqual(new JournalStore(passive.node.database).list(), []);
    assert.deepEqual(passive.node.versions.list(at('/etc/changed')), []);
  });

  it('is brought back but for what somebody wrote over a member that was in place already', async () => {
    const holder = { root: '' };
    const meddle = (): void => {
      const save = (name: string): void => {
        writeFileSync(join(holder.root, 'etc', `${name}.new`), `mine: ${name}`);
        renameSync(join(holder.root, 'etc', `${name}.new`), join(holder.root, 'etc', name));
      };
      for (const name of ['changed', 'created', 'removed']) save(name);
    };
    await using passive = await Passive.open({ renames: before(3, meddle) });
    holder.root = passive.root;
    prepare(passive);
    const sender = await passive.session();
    const results = await acks(sender, pushAll(sender));
    assert.deepEqual(reasonsOf(results), ['group-failed', 'group-failed', 'conflict']);
    assert.deepEqual(state(passive), ['mine: changed', 'mine: created', 'mine: removed']);
    assert.equal(leftovers(passive.root), '');
    const kept = passive.node.versions.list(at('/etc/changed'));
    assert.deepEqual(
      kept.map(({ entry, reason }) => [entry.kind === 'file' && entry.digest, reason]),
      [[fileOf('old').digest, 'interrupted']],
    );
  });

  it('gives back what was edited in the very instant in which a member is brought back', async () => {
    const holder = { root: '' };
    const edit = (name: string): void => writeFileSync(join(holder.root, 'etc', name), `mine: ${name}`);
    // 3 fails, then 4 puts the edit of the third back, 5 takes the second away, 6 exchanges the first back.
    let count = 0;
    const counted = (call: typeof kernelRenames.exchange) => (from: string, to: string) => {
      count += 1;
      if (count === 3) edit('removed');
      if (count === 5) edit('created');
      if (count === 7) edit('changed');
      return call(from, to);
    };
    const renames = {
      exchange: counted(kernelRenames.exchange),
      noReplace: counted(kernelRenames.noReplace),
    };
    await using passive = await Passive.open({ renames });
    holder.root = passive.root;
    prepare(passive);
    const sender = await passive.session();
    await acks(sender, pushAll(sender));
    assert.deepEqual(state(passive), ['mine: changed', 'mine: created', 'mine: removed']);
    assert.equal(leftovers(passive.root), '');
    assert.deepEqual(
      passive.node.versions.list(at('/etc/changed')).map(({ reason }) => reason),
      ['interrupted'],
    );
  });

  it('is refused whole when the directory of one member was moved', async () => {
    await using passive = await Passive.open();
    prepare(passive);
    mkdirSync(join(passive.root, 'etc/sub'));
    const sender = await passive.session();
    const set = { id: 1, of: 2 };
    const one = sender.push('/etc/changed', 'new', { set, expect: fileOf('old') });
    const two = sender.push('/etc/sub/x', 'x', { set, content: 'stream' });
    sender.say({ t: 'ping', id: 1 });
    await sender.next('pong');
    renameSync(join(passive.root, 'etc/sub'), join(passive.root, 'etc/moved'));
    mkdirSync(join(passive.root, 'etc/sub'));
    sender.say({ t: 'chunk', id: two, last: true }, Buffer.from('x'));
    assert.deepEqual(reasonsOf(await acks(sender, [one, two])), ['group-failed', 'busy']);
    assert.equal(content(passive, 'changed'), 'old');
    assert.equal(leftovers(passive.root), '');
    assert.deepEqual(readdirSync(join(passive.root, 'etc/moved')), []);
  });
});

describe('a receiver that is killed while it places a group', () => {
  it('leaves the group all old or all new, wherever it dies, once the next session has begun', async () => {
    const outcomes = new Set<string>();
    for (let point = 1; ; point += 1) {
      await using passive = await Passive.open();
      prepare(passive);
      await using receiver = await Receiver.start(passive.config, { CRASH_AT: String(point) });
      const ids = pushAll(receiver.sender);
      const survived = await receiver.answersOrDies();
      if (survived) assert.deepEqual(reasonsOf(await acks(receiver.sender, ids)), Array(3).fill('applied'));
      const sender = await passive.session();
      const found = state(passive);
      const isNew = found[0] === 'new';
      assert.deepEqual(found, isNew ? allNew : allOld, `killed at point ${point}`);
      // Three renames; once all of them are done the group is only ever completed.
      assert.equal(isNew, point > 3, `killed at point ${point}`);
      assert.equal(leftovers(passive.root), '', `killed at point ${point}`);
      assert.deepEqual(new JournalStore(passive.node.database).list(), []);
      const versions = passive.node.versions.list(at('/etc/changed'));
      assert.equal(versions.length, isNew ? 1 : 0, `killed at point ${point}`);
      outcomes.add(isNew ? 'new' : 'old');

      // The active offers the same again, since it got no ack. No conflict comes of it.
      const again = await acks(sender, pushAll(sender));
      assert.deepEqual([...new Set(reasonsOf(again))], [isNew ? 'already-there' : 'applied']);
      assert.deepEqual(state(passive), allNew);
      assert.equal(passive.node.conflicts.count(), 0);
      if (survived) break;
    }
    assert.deepEqual([...outcomes].sort(), ['new', 'old']);
  });

  it('leaves alone what somebody edited before the next session', async () => {
    await using passive = await Passive.open();
    prepare(passive);
    // Right before the third rename.
    await using receiver = await Receiver.start(passive.config, { CRASH_AT: '3' });
    pushAll(receiver.sender);
    assert.equal(await receiver.answersOrDies(), false);
    assert.deepEqual(state(passive), ['new', 'new as well', 'old too']);
    writeFileSync(join(passive.root, 'etc/changed'), 'mine');
    await passive.session();
    assert.deepEqual(state(passive), ['mine', undefined, 'old too']);
    assert.equal(leftovers(passive.root), '');
    const kept = passive.node.versions.list(at('/etc/changed'));
    assert.deepEqual(
      kept.map(({ entry, reason }) => [entry.kind === 'file' && entry.digest, reason]),
      [[fileOf('old').digest, 'interrupted']],
    );
  });
  it('only completes what was whole, also when somebody edited a member before the next session', async () => {
    await using passive = await Passive.open();
    prepare(passive);
    // After the journal says that all are in place, before the first of the displaced is kept.
    await using receiver = await Receiver.start(passive.config, { CRASH_AT: '5' });
    pushAll(receiver.sender);
    assert.equal(await receiver.answersOrDies(), false);
    writeFileSync(join(passive.root, 'etc/changed'), 'mine');
    await passive.session();
    assert.deepEqual(state(passive), ['mine', 'new as well', undefined]);
    assert.equal(leftovers(passive.root), '');
    const kept = passive.node.versions.list(at('/etc/changed'));
    assert.deepEqual(
      kept.map(({ entry, reason }) => [entry.kind === 'file' && entry.digest, reason]),
      [[fileOf('old').digest, 'overwritten']],
    );
  });
});
