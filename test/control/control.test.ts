import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { askDaemon } from '../../src/control/client.ts';
import { LineSplitter, maxRequestBytes } from '../../src/control/protocol.ts';
import { type ControlOptions, serveControl } from '../../src/control/server.ts';
import { Failure } from '../../src/core/failure.ts';

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'bmcs-test-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function failure(code: string): (error: unknown) => boolean {
  return (error) => error instanceof Failure && error.code === code;
}

const echo: ControlOptions['handle'] = async ({ command, args }) => ({ command, args });

/** Sends raw bytes and answers all that comes back until the server closes. */
async function raw(runtime: string, bytes: string | Buffer): Promise<string> {
  const socket = createConnection(join(runtime, 'control.sock'));
  socket.write(bytes);
  let answer = '';
  socket.setEncoding('utf8');
  // The server may close before it read everything.
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk) => {
    answer += chunk;
  });
  await once(socket, 'close');
  return answer;
}

test('answers a request; a socket of mode 0600 in a folder of mode 0700', async (t) => {
  const runtime = join(temporaryFolder(t), 'run');
  await using _server = await serveControl({ runtime, handle: echo });
  assert.equal(statSync(runtime).mode & 0o777, 0o700);
  assert.equal(statSync(join(runtime, 'control.sock')).mode & 0o777, 0o600);
  const args = { text: 'a\nbé\u0000', list: [1, null] };
  assert.deepEqual(await askDaemon({ runtime, command: 'status', args }), {
    answered: true,
    value: { command: 'status', args },
  });
});

test('nobody listens: answered is false, with and without a stale socket', async (t) => {
  const runtime = temporaryFolder(t);
  assert.deepEqual(await askDaemon({ runtime, command: 'status', args: {} }), { answered: false });
  const server = await serveControl({ runtime, handle: echo });
  await server[Symbol.asyncDispose]();
  assert.equal(existsSync(join(runtime, 'control.sock')), false);
  assert.deepEqual(await askDaemon({ runtime, command: 'status', args: {} }), { answered: false });
});

test('progress arrives in order before the value', async (t) => {
  const runtime = temporaryFolder(t);
  await using _server = await serveControl({
    runtime,
    async handle(_request, reply) {
      for (let i = 0; i < 100; i += 1) reply.progress({ done: i });
      return 'end';
    },
  });
  const seen: unknown[] = [];
  const asked = await askDaemon({
    runtime,
    command: 'resync',
    args: {},
    onProgress: (value) => seen.push(value),
  });
  assert.deepEqual(asked, { answered: true, value: 'end' });
  assert.deepEqual(
    seen,
    Array.from({ length: 100 }, (_, done) => ({ done })),
  );
});

test('a Failure of the handler is thrown at the client as it was', async (t) => {
  const runtime = temporaryFolder(t);
  const about = { code: 'not-active', exit: 'refused', message: 'expected active', hint: 'promote' } as const;
  await using _server = await serveControl({
    runtime,
    handle: async () => {
      throw new Failure(about);
    },
  });
  await assert.rejects(askDaemon({ runtime, command: 'resync', args: {} }), (error) => {
    assert.ok(error instanceof Failure);
    const { code, exit, message, hint } = error;
    assert.deepEqual({ code, exit, message, hint }, about);
    return true;
  });
});

test('any other error is a bug, and the daemon goes on', async (t) => {
  const runtime = temporaryFolder(t);
  const bugs: unknown[] = [];
  const bug = new TypeError('oops');
  await using _server = await serveControl({
    runtime,
    onBug: (error) => bugs.push(error),
    async handle({ command }) {
      if (command === 'bad') throw bug;
      return 'fine';
    },
  });
  await assert.rejects(
    askDaemon({ runtime, command: 'bad', args: {} }),
    (error) => error instanceof Failure && error.exit === 'bug' && /oops/.test(error.message),
  );
  assert.deepEqual(bugs, [bug]);
  assert.deepEqual(await askDaemon({ runtime, command: 'good', args: {} }), {
    answered: true,
    value: 'fine',
  });
});

const badRequests: readonly [string, string | Buffer][] = [
  ['no JSON', 'status\n'],
  ['another shape', '{"command":1,"args":{}}\n'],
  ['an unknown key', '{"command":"status","args":{},"root":true}\n'],
  ['bytes that are no text', Buffer.from([0xff, 0xfe, 10])],
  ['a line that is too long', `${'x'.repeat(maxRequestBytes + 1)}\n`],
];
for (const [what, bytes] of badRequests) {
  test(`refuses ${what}, without calling the handler`, async (t) => {
    const runtime = temporaryFolder(t);
    let called = 0;
    const handle = async () => {
      called += 1;
    };
    await using _server = await serveControl({ runtime, handle });
    const answer = await raw(runtime, bytes);
    assert.match(answer, /"code":"bad-request","exit":"usage"/);
    assert.equal(called, 0);
  });
}

test('a client that goes away aborts what it asked for', async (t) => {
  const runtime = temporaryFolder(t);
  const called = Promise.withResolvers<void>();
  const aborted = Promise.withResolvers<void>();
  await using _server = await serveControl({
    runtime,
    handle(_request, _reply, signal) {
      signal.addEventListener('abort', () => aborted.resolve());
      called.resolve();
      return aborted.promise;
    },
  });
  const abort = new AbortController();
  const asked = askDaemon({ runtime, command: 'flush', args: {}, signal: abort.signal });
  await called.promise;
  abort.abort(new Error('interrupted'));
  await assert.rejects(asked, /interrupted/);
  await aborted.promise;
});

test('an answer that takes too long is a Failure, and aborts the request', async (t) => {
  const runtime = temporaryFolder(t);
  const aborted = Promise.withResolvers<void>();
  await using _server = await serveControl({
    runtime,
    handle(_request, _reply, signal) {
      signal.addEventListener('abort', () => aborted.resolve());
      return aborted.promise;
    },
  });
  await assert.rejects(
    askDaemon({ runtime, command: 'flush', args: {}, timeoutMs: 20 }),
    failure('daemon-timeout'),
  );
  await aborted.promise;
});

test('closing aborts what is being served, waits for it, and lets it answer', async (t) => {
  const runtime = temporaryFolder(t);
  const called = Promise.withResolvers<void>();
  let ended = false;
  const server = await serveControl({
    runtime,
    async handle(_request, _reply, signal) {
      called.resolve();
      await new Promise((resolve) => signal.addEventListener('abort', () => resolve(undefined)));
      ended = true;
      return 'stopped early';
    },
  });
  const asked = askDaemon({ runtime, command: 'flush', args: {} });
  await called.promise;
  await server[Symbol.asyncDispose]();
  assert.equal(ended, true);
  assert.deepEqual(await asked, { answered: true, value: 'stopped early' });
});

test('a second daemon is refused, and the first one stays reachable', async (t) => {
  const runtime = temporaryFolder(t);
  const first = await serveControl({ runtime, handle: async () => 'first' });
  await assert.rejects(
    serveControl({ runtime, handle: echo }),
    (error) => error instanceof Failure && error.code === 'already-running' && error.exit === 'usage',
  );
  assert.deepEqual(await askDaemon({ runtime, command: 'x', args: {} }), { answered: true, value: 'first' });
  await first[Symbol.asyncDispose]();
  await using _second = await serveControl({ runtime, handle: async () => 'second' });
  assert.deepEqual(await askDaemon({ runtime, command: 'x', args: {} }), { answered: true, value: 'second' });
});

test('somebody who answers is respected even without the lock; what nobody answers at is replaced', async (t) => {
  const runtime = temporaryFolder(t);
  const path = join(runtime, 'control.sock');
  const other = createServer().listen(path);
  await once(other, 'listening');
  await assert.rejects(serveControl({ runtime, handle: echo }), failure('already-running'));
  other.close();
  await once(other, 'close');
  writeFileSync(path, 'left by something else');
  await using _server = await serveControl({ runtime, handle: echo });
  assert.equal(statSync(path).isSocket(), true);
});

test('refuses a runtime folder that others can enter', async (t) => {
  const runtime = temporaryFolder(t);
  chmodSync(runtime, 0o755);
  await assert.rejects(serveControl({ runtime, handle: echo }), failure('runtime-unsafe'));
});

test('a daemon that dies, or talks nonsense, is a Failure', async (t) => {
  const runtime = temporaryFolder(t);
  const answers = ['', '{"kind":"value"', '{"kind":"else"}\n'];
  const server = createServer((socket) => socket.once('data', () => socket.end(answers.shift() ?? '')));
  server.listen(join(runtime, 'control.sock'));
  await once(server, 'listening');
  t.after(() => server.close());
  const ask = () => askDaemon({ runtime, command: 'x', args: {} });
  await assert.rejects(ask(), failure('daemon-gone'));
  await assert.rejects(ask(), failure('daemon-gone'));
  await assert.rejects(ask(), failure('daemon-garbled'));
});

test('lines are the same however the bytes are cut', () => {
  const bytes = Buffer.from('{"a":"é😀"}\n\n{"b":1}\nrest');
  for (const step of [1, 2, 3, bytes.length]) {
    const splitter = new LineSplitter(100);
    const lines: string[] = [];
    for (let at = 0; at < bytes.length; at += step) {
      const found = splitter.push(bytes.subarray(at, at + step));
      assert.equal(found.kind, 'lines');
      if (found.kind === 'lines') lines.push(...found.lines);
    }
    assert.deepEqual(lines, ['{"a":"é😀"}', '', '{"b":1}']);
  }
});

test('a line may be as long as the limit, and not longer', () => {
  assert.equal(new LineSplitter(3).push(Buffer.from('abc\nabc\n')).kind, 'lines');
  assert.equal(new LineSplitter(3).push(Buffer.from('abcd\n')).kind, 'too-long');
  const splitter = new LineSplitter(3);
  assert.equal(splitter.push(Buffer.from('ab')).kind, 'lines');
  assert.equal(splitter.push(Buffer.from('cd')).kind, 'too-long');
});
