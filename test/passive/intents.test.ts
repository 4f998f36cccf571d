import assert from 'node:assert/strict';
import { chmodSync, lstatSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { ReplicaPath } from '../../src/core/path.ts';
import { kernelRenames } from '../../src/files/place.ts';
import { IntentStore } from '../../src/state/intents.ts';
import { Ledger } from '../../src/state/ledger.ts';
import { fileOf, Passive } from '../main/hostile-wire-rig.ts';
import { write } from '../world/tree.ts';
import { Receiver } from './receiver-process.ts';

const at = (path: string): ReplicaPath => path as ReplicaPath;

function intentsOf(passive: Passive): IntentStore {
  return new IntentStore(passive.node.database, 'mail1');
}

function agreedOf(passive: Passive, path: string) {
  const ledger = new Ledger(passive.node.database, { peer: 'mail1', mode: 'direct', now: Date.now });
  return ledger.get(at(path));
}

describe('what is about to be placed', () => {
  it('is noted before it is in place, and forgotten when it is remembered', async () => {
    const seen: string[][] = [];
    const holder: { passive?: Passive } = {};
    const note = (): void => {
      if (holder.passive !== undefined)
        seen.push(
          intentsOf(holder.passive)
            .list()
            .map(({ path }) => path),
        );
    };
    const renames = {
      exchange: (from: string, to: string) => {
        note();
        return kernelRenames.exchange(from, to);
      },
      noReplace: (from: string, to: string) => {
        note();
        return kernelRenames.noReplace(from, to);
      },
    };
    await using passive = await Passive.open({ renames });
    holder.passive = passive;
    write(passive.root, { 'etc/gone': 'old' });
    const sender = await passive.session();
    const directory = { kind: 'directory', mode: 0o755, owner: 'root', group: 'root', xattrs: {} };
    await sender.ack(sender.push('/etc/d', '', { put: directory, content: 'none' }));
    await sender.ack(sender.push('/etc/d/x', 'x'));
    const mode = lstatSync(join(passive.root, 'etc/gone')).mode & 0o7777;
    const expect = fileOf('old', { mode });
    await sender.ack(sender.push('/etc/gone', '', { expect, put: { kind: 'absent' }, content: 'none' }));
    assert.deepEqual(seen, [['/etc/d'], ['/etc/d/x'], ['/etc/gone']]);
    assert.deepEqual(intentsOf(passive).list(), []);
  });

  it('is agreed when a crash left it in place, so that no conflict comes of it', async () => {
    await using passive = await Passive.open();
    const put = fileOf('placed', { mode: 0o644 });
    write(passive.root, { 'etc/x': 'placed', 'etc/y': 'edited' });
    for (const name of ['x', 'y']) chmodSync(join(passive.root, 'etc', name), 0o644);
    intentsOf(passive).put([
      { path: at('/etc/x'), put },
      { path: at('/etc/y'), put: fileOf('never placed') },
      { path: at('/etc/z'), put: { kind: 'absent' } },
    ]);
    const sender = await passive.session();
    assert.deepEqual(agreedOf(passive, '/etc/x'), put);
    assert.equal(agreedOf(passive, '/etc/y'), undefined);
    assert.deepEqual(agreedOf(passive, '/etc/z'), { kind: 'absent' });
    assert.deepEqual(intentsOf(passive).list(), []);

    // The active never got the ack, so that it expects what was there before.
    const next = await sender.ack(sender.push('/etc/x', 'next', { expect: fileOf('before') }));
    assert.deepEqual(next, { kind: 'applied' });
    const edited = await sender.ack(sender.push('/etc/y', 'next', { expect: fileOf('before') }));
    assert.equal(edited.kind, 'conflict');
  });

  it('of another peer stays noted until that one comes', async () => {
    await using passive = await Passive.open();
    const other = new IntentStore(passive.node.database, 'mail3');
    other.put([{ path: at('/etc/x'), put: fileOf('x') }]);
    await passive.session();
    assert.equal(other.list().length, 1);
  });

  it('survives the death of a receiver between placing and remembering', async () => {
    await using passive = await Passive.open();
    write(passive.root, { 'etc/x': 'before' });
    chmodSync(join(passive.root, 'etc/x'), 0o644);
    let died = false;
    for (let point = 1; ; point += 1) {
      await using receiver = await Receiver.start(passive.config, { CRASH_AT: String(point) });
      const before = readFileSync(join(passive.root, 'etc/x'), 'utf8');
      const next = `text ${point}`;
      const sent = receiver.sender.push('/etc/x', next, { expect: fileOf(before), put: fileOf(next) });
      if (await receiver.answersOrDies()) {
        assert.deepEqual(await receiver.sender.ack(sent), { kind: 'applied' });
        break;
      }
      died = true;
      // The active has moved on meanwhile, and still expects what it last knew of.
      const sender = await passive.session();
      const later = fileOf(`later ${point}`);
      const result = await sender.ack(
        sender.push('/etc/x', `later ${point}`, { expect: fileOf(before), put: later }),
      );
      assert.deepEqual(result, { kind: 'applied' }, `killed at point ${point}`);
      await sender.cut();
    }
    assert.ok(died);
    assert.equal(passive.node.conflicts.count(), 0);
  });
});
