import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import koffi from 'koffi';
import { notifySystemd, watchdogIntervalMs } from '../../src/control/notify.ts';

const libc = koffi.load('libc.so.6');
const socket = libc.func('int socket(int, int, int)');
const bind = libc.func('int bind(int, const uint8_t *, uint32_t)');
const recv = libc.func('long recv(int, _Out_ uint8_t *, size_t, int)');
const close = libc.func('int close(int)');
const dontWait = 0x40;

/** A datagram socket like systemd's. A datagram of this process is there as soon as it was sent. */
function receiver(t: TestContext, name: string): () => string | undefined {
  const fd = Number(socket(1, 2 | 0o2000000, 0));
  t.after(() => close(fd));
  const path = Buffer.from(name.startsWith('@') ? `\0${name.slice(1)}` : `${name}\0`);
  const address = Buffer.concat([Buffer.from([1, 0]), path]);
  assert.equal(bind(fd, address, address.length), 0);
  return () => {
    const buffer = Buffer.alloc(4096);
    const count = Number(recv(fd, buffer, buffer.length, dontWait));
    return count < 0 ? undefined : buffer.toString('utf8', 0, count);
  };
}

function socketIn(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'bmcs-test-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'notify');
}

test('sends to a socket with a path', (t) => {
  const name = socketIn(t);
  const received = receiver(t, name);
  assert.equal(notifySystemd('READY=1', { NOTIFY_SOCKET: name }), true);
  assert.equal(received(), 'READY=1');
  assert.equal(received(), undefined);
});

test('sends to an abstract socket', (t) => {
  const name = `@bmcs-test-${process.pid}`;
  const received = receiver(t, name);
  assert.equal(notifySystemd('WATCHDOG=1', { NOTIFY_SOCKET: name }), true);
  assert.equal(received(), 'WATCHDOG=1');
});

test('a status is one assignment, whatever it holds', (t) => {
  const name = socketIn(t);
  const received = receiver(t, name);
  notifySystemd('STATUS=é /etc/a\nMAINPID=1', { NOTIFY_SOCKET: name });
  assert.equal(received(), 'STATUS=é /etc/a MAINPID=1');
});

for (const name of [
  undefined,
  '',
  '@',
  'vsock:2:1234',
  'relative',
  `/${'x'.repeat(200)}`,
  '/nonexistent/x',
]) {
  test(`does nothing for NOTIFY_SOCKET=${name?.slice(0, 20)}`, () => {
    assert.equal(notifySystemd('STOPPING=1', name === undefined ? {} : { NOTIFY_SOCKET: name }), false);
  });
}

test('the watchdog wants a sign twice in its time', () => {
  assert.equal(watchdogIntervalMs({ WATCHDOG_USEC: '30000000' }), 15_000);
  assert.equal(watchdogIntervalMs({ WATCHDOG_USEC: '30000000', WATCHDOG_PID: String(process.pid) }), 15_000);
  assert.equal(watchdogIntervalMs({ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '1' }), undefined);
  for (const value of ['0', '-5', 'x', ''])
    assert.equal(watchdogIntervalMs({ WATCHDOG_USEC: value }), undefined);
  assert.equal(watchdogIntervalMs({}), undefined);
});
