import assert from 'node:assert/strict';
import { duplexPair } from 'node:stream';
import { describe, it } from 'node:test';
import { Announcer, blocksOf, isWorthDelta } from '../../src/active/early-blocks.ts';
import { Session } from '../../src/active/session.ts';
import { absent, type Entry } from '../../src/core/entry.ts';
import type { ReplicaPath } from '../../src/core/path.ts';
import { rowBytes } from '../../src/files/blocks.ts';
import { Connection } from '../../src/wire/connection.ts';
import { type FromActive, type FromPassive, parseFromActive } from '../../src/wire/message.ts';

const large = '/etc/large' as ReplicaPath;
const small = '/etc/small' as ReplicaPath;
const mebibyte = 1024 * 1024;

function file(size: number): Entry {
  const attributes = { mode: 0o644, owner: 'root', group: 'root', xattrs: {}, mtime: '1.000000000' };
  return { kind: 'file', digest: '0'.repeat(64), size, ...attributes };
}

/** A session with a peer that answers each question about blocks with as many rows as it was asked before, and one. */
async function asking() {
  const [ours, theirs] = duplexPair();
  const asked: ReplicaPath[] = [];
  const peer: Connection<FromActive, FromPassive> = new Connection({
    stream: theirs,
    parse: parseFromActive,
    onMessages: (messages) => {
      for (const { message } of messages) {
        if (message.t === 'hello') peer.send(welcome);
        if (message.t !== 'blocks') continue;
        asked.push(message.path);
        peer.send({ t: 'blocks', id: message.id, last: true }, Buffer.alloc(asked.length * rowBytes));
      }
    },
  });
  const opened = await Session.open({
    stream: ours,
    purpose: 'replicate',
    node: 'mail1',
    version: '0',
    seat: { role: 'active', epoch: 1 },
    watchlists: '',
    answerDeadlineMs: 20_000,
  });
  if (opened.kind !== 'open') throw new Error(opened.detail);
  return { session: opened.session, asked };
}

const welcome: FromPassive = {
  t: 'welcome',
  protocol: 1,
  node: 'mail2',
  version: '0',
  role: 'passive',
  epoch: 1,
  ha: 'enabled',
  watchlists: '',
  now: 0,
  highest: 1,
};

/** An announcer for one peer with a promise for the moment at which looks are due. */
function announcerFor(session: Session | undefined, unread: number, ledger: Entry = file(mebibyte)) {
  let announced: () => void = () => undefined;
  const due = new Promise<void>((resolve) => {
    announced = resolve;
  });
  const looks: ReplicaPath[] = [];
  const announcer = new Announcer({
    tree: {
      unreadBytes: (path) => {
        looks.push(path);
        return unread;
      },
    },
    peers: () => [
      { session, replicator: { ledger: { get: (path) => (path === large ? ledger : file(10)) } } },
    ],
    onAnnounced: announced,
  });
  return { announcer, due, looks };
}

describe('the blocks of a large file', () => {
  it('are asked for before it is looked at, and once', async () => {
    const { session, asked } = await asking();
    const { announcer, due, looks } = announcerFor(session, 2 * mebibyte);
    assert.deepEqual(announcer.announce([large, small]), [small]);
    await due;
    assert.deepEqual(looks, [large]);
    assert.deepEqual(announcer.announce([small]), [large, small]);
    assert.equal((await blocksOf(session, large))?.count, 1);
    assert.deepEqual(asked, [large]);
    // What was used is not used again: the peer's file has changed by then.
    assert.equal((await blocksOf(session, large))?.count, 2);
    session.close();
  });

  const others: readonly [string, { unread?: number; ledger?: Entry; offline?: boolean }][] = [
    ['nothing of it is to be read, or it is being written', { unread: 0 }],
    ['it is small by now', { unread: mebibyte - 1 }],
    ['the peer has none', { ledger: absent }],
    ['the peer has a small one', { ledger: file(1000) }],
    ['there is no link', { offline: true }],
  ];
  for (const [why, { unread = 2 * mebibyte, ledger, offline }] of others) {
    it(`are not asked for when ${why}`, async () => {
      const { session, asked } = await asking();
      const { announcer } = announcerFor(offline === true ? undefined : session, unread, ledger);
      assert.deepEqual(announcer.announce([large]), [large]);
      assert.equal((await blocksOf(session, small))?.count, 1);
      assert.deepEqual(asked, [small]);
      session.close();
    });
  }

  it('are worth a question for a large file that replaces one of a block at least', () => {
    assert.ok(isWorthDelta(file(65_536), mebibyte));
    assert.ok(!isWorthDelta(file(65_535), mebibyte));
    assert.ok(!isWorthDelta(undefined, mebibyte));
  });
});
