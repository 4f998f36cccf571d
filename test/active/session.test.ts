import assert from 'node:assert/strict';
import { duplexPair } from 'node:stream';
import { describe, it } from 'node:test';
import { ContentChanged } from '../../src/active/content.ts';
import { ping } from '../../src/active/questions.ts';
import { Session } from '../../src/active/session.ts';
import { absent, type Entry } from '../../src/core/entry.ts';
import type { ReplicaPath } from '../../src/core/path.ts';
import { Connection } from '../../src/wire/connection.ts';
import { type FromActive, type FromPassive, parseFromActive } from '../../src/wire/message.ts';

const at = '/etc/a' as ReplicaPath;
const directory: Entry = { kind: 'directory', mode: 0o755, owner: 'root', group: 'root', xattrs: {} };
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

/** A peer that answers as the test says. */
async function against(
  answer: (message: FromActive, peer: Connection<FromActive, FromPassive>) => void,
  answerDeadlineMs = 20_000,
) {
  const [ours, theirs] = duplexPair();
  const said: FromActive[] = [];
  const peer: Connection<FromActive, FromPassive> = new Connection({
    stream: theirs,
    parse: parseFromActive,
    onMessages: (messages) => {
      for (const { message } of messages) {
        said.push(message);
        if (message.t === 'hello') peer.send(welcome);
        else answer(message, peer);
      }
    },
  });
  const seat = { role: 'active', epoch: 1 } as const;
  const opened = await Session.open({
    stream: ours,
    purpose: 'replicate',
    node: 'mail1',
    version: '0',
    seat,
    watchlists: '',
    answerDeadlineMs,
  });
  if (opened.kind !== 'open') throw new Error(opened.detail);
  return { session: opened.session, peer, said };
}

describe('a session', () => {
  it('gives up a peer that is silent beyond the deadline, and tells every push that it is lost', async () => {
    const { session } = await against(() => undefined, 100);
    const outcomes = await Promise.all([
      session.push({ path: at, expect: absent, put: directory }, { kind: 'none' }),
      session.push({ path: at, expect: absent, put: directory }, { kind: 'none' }),
    ]);
    assert.deepEqual(outcomes, [{ kind: 'lost' }, { kind: 'lost' }]);
    assert.match((await session.ended).detail, /no answer within 100 ms/);
  });

  it('gives up a peer that never greets', async () => {
    const [ours] = duplexPair();
    const seat = { role: 'active', epoch: 1 } as const;
    const opened = await Session.open({
      stream: ours,
      purpose: 'replicate',
      node: 'mail1',
      version: '0',
      seat,
      watchlists: '',
      answerDeadlineMs: 100,
    });
    assert.equal(opened.kind, 'ended');
  });

  it('gives each push its own answer, in whatever order they come', async () => {
    const held: FromPassive[] = [];
    const { session } = await against((message, peer) => {
      if (message.t !== 'push') return;
      const kind = message.id % 2 === 0 ? 'applied' : 'already-there';
      held.unshift({ t: 'ack', id: message.id, result: { kind } });
      if (held.length === 4) for (const ack of held) peer.send(ack);
    });
    const pushes = Array.from({ length: 4 }, () =>
      session.push({ path: at, expect: absent, put: directory }, { kind: 'none' }),
    );
    assert.deepEqual(
      (await Promise.all(pushes)).map(({ kind }) => kind),
      ['already-there', 'applied', 'already-there', 'applied'],
    );
  });

  it('takes one answer for many pushes, and passes over what nobody asked about', async () => {
    const { session } = await against((message, peer) => {
      if (message.t !== 'push' || message.id < 4) return;
      peer.send({ t: 'acks', ids: [2, 4, 99, 1] });
      peer.send({ t: 'ack', id: 3, result: { kind: 'already-there' } });
    });
    const pushes = Array.from({ length: 4 }, () =>
      session.push({ path: at, expect: absent, put: directory }, { kind: 'none' }),
    );
    assert.deepEqual(
      (await Promise.all(pushes)).map(({ kind }) => kind),
      ['applied', 'applied', 'already-there', 'applied'],
    );
  });

  it('withdraws a push whose file changes while it is sent', async () => {
    const { session, said } = await against((message, peer) => {
      if (message.t === 'ping') peer.send({ t: 'pong', id: message.id });
    });
    const outcome = await session.push(
      { path: at, expect: absent, put: directory },
      {
        kind: 'stream',
        *chunks() {
          yield Buffer.from('one');
          yield Buffer.from('two');
          throw new ContentChanged(at);
        },
      },
    );
    await ping(session);
    assert.deepEqual(outcome, { kind: 'changed' });
    assert.ok(said.every((message) => message.t !== 'chunk' || !message.last));
    assert.deepEqual(
      said.map(({ t }) => t),
      ['hello', 'push', 'chunk', 'chunk', 'abort', 'ping'],
    );
  });

  it('a peer that speaks out of turn ends the session with what was wrong', async () => {
    const [ours, theirs] = duplexPair();
    theirs.write('Last login: Monday\r\n');
    const seat = { role: 'active', epoch: 1 } as const;
    const opened = await Session.open({
      stream: ours,
      purpose: 'replicate',
      node: 'mail1',
      version: '0',
      seat,
      watchlists: '',
      answerDeadlineMs: 5000,
    });
    assert.match(opened.kind === 'ended' ? opened.detail : '', /not-our-protocol.*Last login/);
  });
});
