import assert from 'node:assert/strict';
import { mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { stringify } from 'yaml';
import { reconcileWithPeer } from '../../src/active/reconcile.ts';
import { Replicator } from '../../src/active/replicator.ts';
import { Session } from '../../src/active/session.ts';
import { openTree } from '../../src/cli/compose-active.ts';
import { openNode } from '../../src/cli/node.ts';
import { absent, type Entry, sameEntry } from '../../src/core/entry.ts';
import type { ReplicaPath } from '../../src/core/path.ts';
import { Ledger } from '../../src/state/ledger.ts';
import { fileOf, Passive } from '../main/hostile-wire-rig.ts';
import { differences, temporaryFolder, write } from '../world/tree.ts';

const at = (path: string): ReplicaPath => path as ReplicaPath;

/** An active node with a replicator and a session to a real passive, both in this process. */
async function opened() {
  const passive = await Passive.open();
  const folder = temporaryFolder('reconcile');
  const [root, list, file] = [join(folder, 'root'), join(folder, 'list.yml'), join(folder, 'config.yml')];
  mkdirSync(join(root, 'etc'), { recursive: true });
  writeFileSync(list, stringify({ name: 'test', include: ['/etc/**'] }));
  const places = { root, state: join(folder, 'state'), runtime: join(folder, 'run') };
  writeFileSync(file, stringify({ ...places, node: 'mail1', watchlists: [list] }), { mode: 0o600 });
  const node = await openNode(file, () => undefined);
  const tree = openTree(node);
  const conflicts: string[] = [];
  const retried: string[] = [];
  const fail = (what: string) => (): never => assert.fail(what);
  const replicator = new Replicator({
    peer: 'mail2',
    tree,
    ledger: new Ledger(node.database, { peer: 'mail2', mode: 'memory', now: Date.now }),
    massDeletion: { paths: 1000, percent: 100 },
    groupOf: () => undefined,
    maySend: () => true,
    log: () => undefined,
    now: Date.now,
    onConflict: ({ path }) => void conflicts.push(path),
    onAgreed: () => undefined,
    inConflict: () => false,
    onUnstable: fail('nobody writes'),
    onRetry: (path, attempts) => void retried.push(`${path} ${attempts}`),
    onRefused: fail('nothing is refused'),
    onLookAnew: () => undefined,
    onProgress: () => undefined,
  });
  const { stream, over } = passive.stream();
  const result = await Session.open({
    stream,
    purpose: 'replicate',
    node: 'mail1',
    version: '0',
    seat: { role: 'active', epoch: 5 },
    watchlists: '',
    answerDeadlineMs: 20_000,
  });
  if (result.kind !== 'open') throw new Error(JSON.stringify(result));
  const { session } = result;
  replicator.attach(session);
  return {
    root,
    passive,
    replicator,
    conflicts,
    /** Paths that were told to be looked at once more, and how often they were tried before. None, at the end. */
    retried,
    seen(path: ReplicaPath): Entry {
      // What the replicator's own tree saw in this turn of the event loop it would take for good.
      const seen = openTree(node).observe(path);
      return seen.kind === 'entry' ? seen.entry : assert.fail(JSON.stringify(seen));
    },
    /** Does it once the first question of that kind is answered. */
    amidReconcile(kind: 'manifest' | 'agreed', action: () => Promise<void>): void {
      const ask = session.ask.bind(session);
      session.ask = async (question, ...rest) => {
        let isIt = false;
        const asked: typeof question = (id) => {
          const questions = question(id);
          isIt = questions.some((one) => 't' in one && one.t === kind);
          return questions;
        };
        const answered = await ask(asked, ...rest);
        if (isIt) {
          session.ask = ask;
          await action();
        }
        return answered;
      };
    },
    /** Keeps all pushes back until what it returns is called. */
    withholdPushes(): () => void {
      const send = session.send.bind(session);
      const withheld: (() => void)[] = [];
      session.send = (...push) => void withheld.push(() => send(...push));
      return () => {
        session.send = send;
        for (const go of withheld) go();
      };
    },
    /** What is done first: asking the peer, or walking here. */
    steps(): string[] {
      const steps: string[] = [];
      const ask = session.ask.bind(session);
      session.ask = (...question) => {
        steps.push('asks');
        return ask(...question);
      };
      const manifest = tree.manifest.bind(tree);
      tree.manifest = (options) => {
        steps.push('walks');
        return manifest(options);
      };
      return steps;
    },
    /** Until all is answered; `onCompared` is called when nothing but pushes is left. */
    async reconcile(onCompared?: () => void) {
      const report = await reconcileWithPeer({
        session,
        replicator,
        tree,
        why: 'test',
        log: () => undefined,
        now: Date.now,
        inConflict: () => [],
        allowDeletes: false,
      });
      assert.ok(report !== undefined);
      onCompared?.();
      return { ...report, landed: await report.landed };
    },
    passiveLedger(): Map<ReplicaPath, Entry> {
      const ledger = new Ledger(passive.node.database, { peer: 'mail1', mode: 'direct', now: Date.now });
      return new Map(ledger.entries());
    },
    async [Symbol.asyncDispose]() {
      assert.deepEqual(retried, []);
      session.close();
      await over;
      replicator.detach();
      await new Promise((resolve) => setImmediate(resolve));
      await passive[Symbol.asyncDispose]();
      node.database.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

describe('a push that expects what the peer was seen to hold', () => {
  it('is made, and answered by its own outcome, where another one of its path is on its way', async () => {
    await using pair = await opened();
    const path = at('/etc/a');
    write(pair.root, { 'etc/a': 'active' });
    write(pair.passive.root, { 'etc/a': 'active' });
    await pair.reconcile();
    write(pair.passive.root, { 'etc/a': 'restored' });
    const outcomes: string[] = [];
    pair.replicator.offer(path, ({ kind }) => void outcomes.push(`offered: ${kind}`));
    while (pair.replicator.sending(path) === undefined) await Promise.resolve();
    pair.replicator.changedAgainst(
      path,
      fileOf('restored'),
      ({ kind }) => void outcomes.push(`resync: ${kind}`),
    );
    await pair.replicator.idle();
    assert.deepEqual(outcomes, ['offered: conflict', 'resync: applied']);
    assert.equal(differences(pair.root, pair.passive.root), '');
  });
});

describe('a push below a symbolic link of the peer', () => {
  it('has its path looked at once more, since the link may be one here too, and then not again', async () => {
    await using pair = await opened();
    const path = at('/etc/d/inside');
    write(pair.root, { 'etc/d/inside': 'active' });
    write(pair.passive.root, { 'etc/d': { symlink: 'elsewhere' } });
    const offer = async (): Promise<string[]> => {
      const outcome = await new Promise((resolve) => pair.replicator.offer(path, resolve));
      assert.partialDeepStrictEqual(outcome, { kind: 'refused', reason: 'not-confined' });
      return pair.retried.splice(0);
    };
    assert.deepEqual(await offer(), [`${path} 0`]);
    assert.deepEqual(await offer(), []);
    pair.replicator.forgetTrouble(path);
    assert.deepEqual(pair.replicator.troubles, new Map());
  });
});

describe('a full reconcile', () => {
  it('asks the peer before it walks, so that both walk at the same time', async () => {
    await using pair = await opened();
    const steps = pair.steps();
    await pair.reconcile();
    assert.deepEqual(steps.slice(0, 2), ['asks', 'walks']);
  });

  for (const answered of ['before it was compared', 'after it was compared', 'in the end'])
    it(`tells what became of what was pushed meanwhile and is answered ${answered}`, async () => {
      await using pair = await opened();
      const old = { 'etc/differs': 'old', 'etc/gone': 'old', 'etc/same': 'old' };
      write(pair.root, old);
      write(pair.passive.root, old);
      await pair.reconcile();
      write(pair.root, { 'etc/alike': 'new', 'etc/one-side': 'new', 'etc/differs': 'active' });
      write(pair.passive.root, { 'etc/alike': 'new', 'etc/differs': 'passive' });
      for (const { root } of [pair, pair.passive]) utimesSync(join(root, 'etc/alike'), 1, 1);
      for (const { root } of [pair, pair.passive]) rmSync(join(root, 'etc/gone'));
      const go = pair.withholdPushes();
      const whenAnswered = async (): Promise<void> => {
        go();
        await pair.replicator.idle();
      };
      pair.amidReconcile('manifest', async () => {
        for (const name of ['alike', 'one-side', 'differs', 'gone', 'same'])
          pair.replicator.changed(at(`/etc/${name}`), Date.now());
        // Until each of them is looked at.
        await new Promise((resolve) => setImmediate(resolve));
        if (answered === 'before it was compared') await whenAnswered();
        if (answered === 'after it was compared') pair.amidReconcile('agreed', whenAnswered);
      });
      const { landed } = await pair.reconcile(answered === 'in the end' ? go : undefined);
      assert.deepEqual(landed, { pushed: 1, converged: 2, conflicts: 1, held: 0 });
    });

  it('does not undo what was agreed on while it was under way', async () => {
    await using pair = await opened();
    const old = { 'etc/changed': 'old', 'etc/gone': 'old', 'etc/same': 'old' };
    write(pair.root, old);
    write(pair.passive.root, old);
    await pair.reconcile();
    const push = async (...paths: string[]): Promise<void> => {
      for (const path of paths) pair.replicator.changed(at(path), Date.now());
      await pair.replicator.idle();
    };
    pair.amidReconcile('manifest', async () => {
      write(pair.root, { 'etc/changed': 'new', 'etc/made': 'new' });
      rmSync(join(pair.root, 'etc/gone'));
      await push('/etc/changed', '/etc/gone', '/etc/made');
    });
    const { conflicts } = await pair.reconcile();
    assert.equal(conflicts, 0);
    assert.equal(differences(pair.root, pair.passive.root), '');
    for (const path of ['/etc/changed', '/etc/gone', '/etc/made', '/etc/same'].map(at)) {
      const ours = pair.replicator.ledger.get(path) ?? absent;
      const theirs = pair.passiveLedger().get(path) ?? absent;
      assert.ok(sameEntry(ours, pair.seen(path)) && sameEntry(theirs, pair.seen(path)), path);
    }
    write(pair.root, { 'etc/changed': 'newest', 'etc/gone': 'again', 'etc/made': 'newest' });
    await push('/etc/changed', '/etc/gone', '/etc/made');
    assert.deepEqual(pair.conflicts, []);
    assert.equal(differences(pair.root, pair.passive.root), '');
  });
});
