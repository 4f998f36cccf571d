import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Daemon } from '../../src/cli/daemon/daemon.ts';
import { serveRequest } from '../../src/cli/daemon/requests.ts';
import type { Node } from '../../src/cli/node.ts';

/** A daemon that watches and is about to take its seat. */
function beginning() {
  const done: string[] = [];
  const { promise: begun, resolve: take, reject: fail } = Promise.withResolvers<void>();
  const daemon = {
    begun: () => begun,
    active: undefined as unknown,
    requireActive: () => {
      assert.ok(daemon.active !== undefined, 'asked before it had its seat');
      return { resync: async () => done.push('resync') };
    },
    splitBrain: () => done.push('split-brain'),
  };
  const ask = (command: string, args: unknown) =>
    serveRequest(
      { node: {} as Node, daemon: daemon as unknown as Daemon },
      { command, args },
      { progress: () => undefined },
      new AbortController().signal,
    );
  return { daemon, done, ask, take, fail };
}

test('who asks once the daemon watches gets the answer of the seat that it is about to take', async () => {
  const { daemon, done, ask, take } = beginning();
  const asked = ask('resync', { paths: [] });
  await ask('split-brain', { peer: 'mail2' });
  assert.deepEqual(done, ['split-brain'], 'what receivers tell waits for nothing');
  daemon.active = {};
  take();
  await asked;
  assert.deepEqual(done, ['split-brain', 'resync']);
});

test('where the daemon cannot take its seat, the reason is the answer', async () => {
  const { ask, fail } = beginning();
  const asked = ask('resync', { paths: [] });
  fail(new Error('the state is damaged'));
  await assert.rejects(asked, /the state is damaged/);
});

test('a resync that was asked of the daemon of another configuration is left to the command', async () => {
  const { daemon, done, ask, take } = beginning();
  daemon.active = {};
  take();
  assert.deepEqual(await ask('resync', { paths: [], configuration: 'another' }), { peers: [] });
  assert.deepEqual(done, []);
});
