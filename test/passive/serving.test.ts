import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Failure } from '../../src/core/failure.ts';
import type { ReplicaPath } from '../../src/core/path.ts';
import type { NodeListener } from '../../src/passive/node.ts';
import { Ledger } from '../../src/state/ledger.ts';
import type { PeerRequest, Standing } from '../../src/wire/message.ts';
import { fileOf, Passive, type PassiveOptions } from '../main/hostile-wire-rig.ts';
import { write } from '../world/tree.ts';

const at = (path: string): ReplicaPath => path as ReplicaPath;

async function opened(
  passive: Passive,
  purpose: 'replicate' | 'inspect' | 'request',
  changes: Readonly<Record<string, unknown>> = {},
) {
  const sender = passive.connect();
  sender.hello({ purpose, ...changes });
  await sender.next('welcome');
  return sender;
}

describe('a request of another node', () => {
  const asking = { t: 'request', id: 7, request: { do: 'demote', epoch: 9 } };

  it('is handed to the node with the name of who asks, and its value is the answer', async () => {
    const asked: [string, PeerRequest][] = [];
    const hooks = {
      onRequest: async (from: string, request: PeerRequest) => {
        asked.push([from, request]);
        return { done: true };
      },
    };
    await using passive = await Passive.open({ hooks });
    const sender = await opened(passive, 'request');
    sender.say(asking);
    const answer = await sender.next('answer');
    assert.deepEqual(answer, { t: 'answer', id: 7, outcome: { kind: 'value', value: { done: true } } });
    assert.deepEqual(asked, [['mail1', { do: 'demote', epoch: 9 }]]);
  });

  const errors: [string, Error, { code: string; exit: string; message: RegExp }][] = [
    [
      'a Failure as it is',
      new Failure({ code: 'not-active', exit: 'refused', message: 'expected x', hint: 'do y' }),
      { code: 'not-active', exit: 'refused', message: /^expected x$/ },
    ],
    ['anything else as a bug', new TypeError('oops'), { code: 'bug', exit: 'bug', message: /oops/ }],
  ];
  for (const [what, thrown, expected] of errors) {
    it(`that fails is answered: ${what}`, async () => {
      const hooks = { onRequest: () => Promise.reject(thrown) };
      await using passive = await Passive.open({ hooks });
      const sender = await opened(passive, 'request');
      sender.say(asking);
      const { outcome } = await sender.next('answer');
      assert.equal(outcome.kind, 'error');
      if (outcome.kind !== 'error') return;
      assert.equal(outcome.error.code, expected.code);
      assert.equal(outcome.error.exit, expected.exit);
      assert.match(outcome.error.message, expected.message);
    });
  }

  for (const purpose of ['replicate', 'inspect'] as const) {
    it(`ends a session to ${purpose}, and nothing is done`, async () => {
      let asked = 0;
      const hooks = {
        onRequest: async () => {
          asked += 1;
        },
      };
      await using passive = await Passive.open({ hooks });
      const sender = await opened(passive, purpose);
      sender.say(asking);
      assert.match((await sender.next('refused')).detail, /request in a session to/);
      await sender.over;
      assert.equal(asked, 0);
    });
  }
});

describe('a session that does not replicate', () => {
  const states: [string, (passive: Passive) => void][] = [
    ['is active itself', ({ node }) => void node.seats.write({ role: 'active', epoch: 5 })],
    ['holds a newer epoch', ({ node }) => void node.seats.write({ role: 'passive', epoch: 9 })],
    ['has HA disabled', ({ node }) => void node.switches.disable({ reason: 'u', by: 'r' }, Date.now())],
  ];
  for (const purpose of ['inspect', 'request'] as const) {
    for (const [what, set] of states) {
      it(`to ${purpose} works although this node ${what}`, async () => {
        await using passive = await Passive.open({ hooks: { onRequest: async () => 'yes' } });
        set(passive);
        const sender = await opened(passive, purpose);
        sender.say({ t: 'look', id: 1, paths: ['/etc/x'] });
        assert.equal((await sender.next('entries')).rows.length, 1);
      });
    }

    it(`to ${purpose} places nothing and remembers no agreement`, async () => {
      await using passive = await Passive.open();
      write(passive.root, { 'etc/x': 'x' });
      const before = passive.tree();
      const sender = await opened(passive, purpose);
      const refused = await sender.ack(sender.push('/etc/y', 'y'));
      assert.equal(refused.kind === 'refused' && refused.reason, 'superseded');
      sender.say({ t: 'manifest', id: 3, fresh: false, mtime: false });
      await sender.next('manifest');
      sender.say({ t: 'agreed', id: 3, except: [], last: true });
      await sender.next('done');
      await sender.cut();
      assert.equal(passive.tree(), before);
      const ledger = new Ledger(passive.node.database, { peer: 'mail1', mode: 'direct', now: Date.now });
      assert.deepEqual(ledger.entries(), []);
    });
  }

  it('may not tell how far behind this node is', async () => {
    await using passive = await Passive.open();
    const sender = await opened(passive, 'inspect');
    sender.say({ t: 'standing', pending: 0, conflicts: 0, halt: null, held: [] });
    assert.match((await sender.next('refused')).detail, /standing/);
  });
});

describe('a session that replicates', () => {
  it('places a push that comes alone at once, and waits for more where several come', async (t) => {
    await using passive = await Passive.open();
    const sender = await passive.session();
    t.mock.timers.enable({ apis: ['setImmediate'] });
    assert.equal((await sender.ack(sender.push('/etc/a', 'a'))).kind, 'applied');
    const several = sender.together(() => {
      const ids = ['/etc/b', '/etc/c'].map((path) => sender.push(path, 'x'));
      sender.say({ t: 'ping', id: 1 });
      return ids;
    });
    await sender.next('pong');
    assert.equal(existsSync(join(passive.root, 'etc/b')), false);
    t.mock.timers.tick(1);
    t.mock.timers.tick(1);
    for (const id of several) assert.equal((await sender.ack(id)).kind, 'applied');
  });

  it('remembers what a reconcile found to be agreed', async () => {
    await using passive = await Passive.open();
    write(passive.root, { 'etc/x': 'x' });
    const sender = await opened(passive, 'replicate');
    sender.say({ t: 'manifest', id: 3, fresh: false, mtime: false });
    await sender.next('manifest');
    sender.say({ t: 'agreed', id: 3, except: [], last: true });
    await sender.next('done');
    const ledger = new Ledger(passive.node.database, { peer: 'mail1', mode: 'direct', now: Date.now });
    assert.equal(ledger.get(at('/etc/x'))?.kind, 'file');
  });

  it('keeps its manifest while the other node reads all of its own tree for the first time', async (t) => {
    await using passive = await Passive.open();
    write(passive.root, { 'etc/x': 'x' });
    const sender = await opened(passive, 'replicate');
    t.mock.timers.enable({ apis: ['setTimeout'] });
    sender.say({ t: 'manifest', id: 3, fresh: false, mtime: false });
    await sender.next('manifest');
    t.mock.timers.tick(500_000);
    sender.say({ t: 'agreed', id: 3, except: [], last: true });
    await sender.next('done');
    t.mock.timers.reset();
  });

  it('does not go back to what it held before a push that came while a reconcile was under way', async () => {
    await using passive = await Passive.open();
    write(passive.root, { 'etc/x': 'x', 'etc/gone': 'gone', 'etc/y': 'y' });
    const sender = await opened(passive, 'replicate');
    sender.say({ t: 'manifest', id: 3, fresh: false, mtime: false });
    await sender.next('manifest');
    const expect = { ...fileOf('x'), kind: 'file' };
    assert.equal((await sender.ack(sender.push('/etc/x', 'newer', { expect }))).kind, 'applied');
    const removed = sender.push('/etc/gone', '', {
      expect: fileOf('gone'),
      put: { kind: 'absent' },
      content: 'none',
    });
    assert.equal((await sender.ack(removed)).kind, 'applied');
    assert.equal((await sender.ack(sender.push('/etc/y', 'not y'))).kind, 'conflict');
    sender.say({ t: 'agreed', id: 3, except: [], last: true });
    await sender.next('done');
    const ledger = new Ledger(passive.node.database, { peer: 'mail1', mode: 'direct', now: Date.now });
    const known = ledger.get(at('/etc/x'));
    assert.equal(known?.kind === 'file' && known.digest, fileOf('newer').digest);
    assert.equal(ledger.get(at('/etc/gone'))?.kind, 'absent');
    assert.equal(passive.node.conflicts.count(), 1, 'nobody knows yet whether that conflict ended');
  });

  it('forgets a conflict that ends in the same session', async () => {
    await using passive = await Passive.open();
    write(passive.root, { 'etc/x': 'edited here' });
    const sender = await opened(passive, 'replicate');
    assert.equal((await sender.ack(sender.push('/etc/x', 'theirs'))).kind, 'conflict');
    assert.equal(passive.node.conflicts.count(), 1);
    rmSync(join(passive.root, 'etc/x'));
    assert.equal((await sender.ack(sender.push('/etc/x', 'theirs'))).kind, 'applied');
    assert.equal(passive.node.conflicts.count(), 0);
  });

  it('ends at a push that comes again: by its value it could undo a later one', async () => {
    await using passive = await Passive.open();
    write(passive.root, { 'etc/keep': '' });
    const sender = await opened(passive, 'replicate');
    const first = sender.push('/etc/x', 'one');
    assert.equal((await sender.ack(first)).kind, 'applied');
    const second = sender.push('/etc/x', 'two', { expect: fileOf('one') });
    assert.equal((await sender.ack(second)).kind, 'applied');
    sender.push('/etc/x', 'one', { id: first });
    assert.match((await sender.next('refused')).detail, /came after/);
    assert.equal(readFileSync(join(passive.root, 'etc/x'), 'utf8'), 'two');
  });

  it('tells the node who is active and how far behind it is, and the sender what was edited', async () => {
    const standings: [string, Standing][] = [];
    const actives: string[] = [];
    let tell: (paths: readonly ReplicaPath[]) => void = () => assert.fail('nobody watches');
    let watched = 0;
    const hooks = {
      onStanding: (from: string, standing: Standing) => void standings.push([from, standing]),
      onActive: (name: string) => void actives.push(name),
      watchNode: ({ onEdited }: NodeListener) => {
        watched += 1;
        tell = onEdited;
        return () => {
          watched -= 1;
        };
      },
    };
    await using passive = await Passive.open({ hooks });
    const looking = await opened(passive, 'inspect');
    assert.deepEqual([actives, watched], [[], 0]);
    const sender = await opened(passive, 'replicate');
    assert.deepEqual([actives, watched], [['mail1'], 1]);
    const standing: Standing = { pending: 2, conflicts: 1, halt: null, held: [[at('/etc/x'), 'busy']] };
    sender.say({ t: 'standing', ...standing });
    tell([at('/etc/a'), at('/etc/b')]);
    assert.deepEqual((await sender.next('edited')).paths, ['/etc/a', '/etc/b']);
    const many = Array.from({ length: 5000 }, (_, n) => at(`/etc/${'d'.repeat(100)}/${n}`));
    tell(many);
    const told: string[] = [];
    let frames = 0;
    for (; told.length < many.length; frames += 1) told.push(...(await sender.next('edited')).paths);
    assert.deepEqual(told, many);
    assert.ok(frames > 1, 'more paths than one frame should carry come in several');
    sender.say({ t: 'ping', id: 1 });
    await sender.next('pong');
    assert.deepEqual(standings, [['mail1', standing]]);
    await sender.cut();
    assert.equal(watched, 0);
    await looking.cut();
  });

  it('ends as soon as the node refuses the sender, though it sends nothing, and not before', async () => {
    let changed: () => void = () => assert.fail('nobody listens');
    const watchNode = ({ onChanged }: NodeListener): (() => void) => {
      changed = onChanged;
      return () => undefined;
    };
    await using passive = await Passive.open({ hooks: { watchNode } });
    const sender = await opened(passive, 'replicate');
    changed();
    sender.say({ t: 'ping', id: 1 });
    await sender.next('pong');
    passive.node.switches.disable({ reason: 'upgrade', by: 'root' }, Date.now());
    changed();
    const { reason, detail } = await sender.next('refused');
    assert.deepEqual([reason, detail], ['ha-disabled', 'mail2 refuses: ha-disabled']);
    await sender.cut();
  });

  const rivals: [string, number, [string, ...unknown[]][]][] = [
    ['an older epoch', 4, []],
    ['the same epoch', 5, [['split-brain', 'mail1']]],
    ['a newer epoch', 6, [['newer', 6, 'mail1']]],
  ];
  for (const [what, epoch, expected] of rivals) {
    it(`of a sender with ${what} is refused by an active node, which is told what it has to know`, async () => {
      const told: [string, ...unknown[]][] = [];
      const hooks: PassiveOptions['hooks'] = {
        onNewerEpoch: (newer, from) => void told.push(['newer', newer, from]),
        onSplitBrain: (from) => void told.push(['split-brain', from]),
      };
      await using passive = await Passive.open({ hooks });
      passive.node.seats.write({ role: 'active', epoch: 5 });
      for (const purpose of ['inspect', 'replicate'] as const) {
        const sender = passive.connect();
        sender.hello({ purpose, epoch });
        await sender.next(purpose === 'inspect' ? 'welcome' : 'refused');
        await sender.cut();
      }
      assert.deepEqual(told, expected);
      assert.deepEqual(passive.node.seat(), { role: 'active', epoch: 5 });
    });
  }
});

describe('the versions of a path', () => {
  it('are told newest first, and their content can be fetched', async () => {
    await using passive = await Passive.open();
    write(passive.root, { 'etc/other': 'other' });
    const sender = await opened(passive, 'replicate');
    const texts = ['one', 'two', 'three'];
    for (const [index, text] of texts.entries()) {
      const before = texts[index - 1];
      const expect = before === undefined ? { kind: 'absent' } : fileOf(before);
      assert.deepEqual(await sender.ack(sender.push('/etc/x', text, { expect })), { kind: 'applied' });
    }
    sender.say({ t: 'versions', id: 4, path: '/etc/x' });
    const { rows } = await sender.next('versions');
    assert.deepEqual(
      rows.map(({ entry, reason, peer, epoch }) => [
        entry.kind === 'file' && entry.digest,
        reason,
        peer,
        epoch,
      ]),
      [
        [fileOf('two').digest, 'overwritten', 'mail1', 5],
        [fileOf('one').digest, 'overwritten', 'mail1', 5],
      ],
    );
    sender.say({ t: 'fetch', id: 5, path: '/etc/x', version: rows[1]?.id });
    assert.equal((await sender.next('content')).found, true);
    assert.equal(sender.content.toString(), 'one');
    assert.equal(readFileSync(join(passive.root, 'etc/x'), 'utf8'), 'three');

    for (const asked of [
      { path: '/etc/other', version: rows[1]?.id },
      { path: '/etc/x', version: 'nonsense' },
      { path: '/etc/hostname', version: rows[1]?.id },
    ]) {
      sender.say({ t: 'fetch', id: 6, ...asked });
      assert.equal((await sender.next('content')).found, false, JSON.stringify(asked));
    }
  });

  it('outside of the watchlist are none', async () => {
    await using passive = await Passive.open();
    const about = { path: at('/etc/hostname'), epoch: 1, reason: 'removed', peer: 'mail1', now: 1 } as const;
    passive.node.versions.keep({ ...about, content: Buffer.from('x'), entry: fileOf('x') });
    const sender = await opened(passive, 'inspect');
    sender.say({ t: 'versions', id: 4, path: '/etc/hostname' });
    assert.deepEqual((await sender.next('versions')).rows, []);
  });
});
