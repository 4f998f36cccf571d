import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { pauseMs } from '../../src/core/backoff.ts';
import type { Event, Log } from '../../src/core/event.ts';
import { type LogOptions, openLog } from '../../src/log/log.ts';
import { eventNames } from '../../src/log/sentences.ts';

type Rig = { log: Log; lines(): string[]; clock: { now: number } };

function rig(options: Partial<LogOptions> = {}): Rig {
  let text = '';
  const clock = { now: 0 };
  const stream = new Writable({
    write(chunk, _encoding, done) {
      text += String(chunk);
      done();
    },
  });
  const log = openLog({
    format: 'text',
    level: 'debug',
    journal: false,
    now: () => clock.now,
    stream,
    ...options,
  });
  return { log, clock, lines: () => (text === '' ? [] : text.replace(/\n$/, '').split('\n')) };
}

const failed: Event = { kind: 'path-failed', path: '/etc/a', reason: 'busy', detail: 'open for writing' };
const lost: Event = { kind: 'disconnected', peer: 'mail2', detail: 'ECONNREFUSED', retryMs: 500 };
const refused: Event = {
  kind: 'refused',
  peer: 'mail2',
  reason: 'stale-epoch',
  detail: 'expected 8, found 7',
};
const placed: Event = { kind: 'placed', path: '/etc/a', what: 'file' };

test('one line an event, with time, level and the stable name', () => {
  const { log, lines } = rig();
  log({ kind: 'started', node: 'mail1', role: 'active', epoch: 7 });
  log({ kind: 'halted', reason: 'mass-deletion', detail: '30 of 40' });
  assert.deepEqual(lines(), [
    '1970-01-01T00:00:00.000Z notice started: mail1 is active with epoch 7',
    '1970-01-01T00:00:00.000Z error halted: mass-deletion: 30 of 40; nothing is replicated until: bm-confsync resume',
  ]);
});

test('for the journal a line begins with its priority, without a time', () => {
  const { log, lines } = rig({ journal: true });
  log({ kind: 'halted', reason: 'r', detail: 'd' });
  log(lost);
  log({ kind: 'resumed' });
  log(placed);
  log({ kind: 'connecting', peer: 'mail2' });
  assert.deepEqual(
    lines().map((line) => line.slice(0, 9)),
    ['<3>error ', '<4>warn d', '<5>notice', '<6>info p', '<7>debug '],
  );
});

test('JSON holds the event itself', () => {
  const { log, lines } = rig({ format: 'json' });
  log(refused);
  assert.deepEqual(JSON.parse(lines()[0] ?? ''), {
    time: '1970-01-01T00:00:00.000Z',
    level: 'warn',
    ...refused,
    message: 'by mail2: stale-epoch: expected 8, found 7',
  });
});

for (const format of ['text', 'json'] as const) {
  test(`${format}: a hostile name cannot make a line or move the cursor`, () => {
    const { log, lines } = rig({ format });
    const path = '/etc/a\n<3>error\r\u001b[2J\u009b1m\u202e\u2028';
    log({ kind: 'placed', path, what: 'file' });
    assert.equal(lines().length, 1);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
    assert.doesNotMatch(lines()[0] ?? '', /[\u0000-\u001f\u007f-\u009f\u2028-\u202e]/);
    if (format === 'json') assert.equal(JSON.parse(lines()[0] ?? '').path, path);
  });
}

test('what is below the level is left out', () => {
  const { log, lines } = rig({ level: 'warn' });
  log(placed);
  log({ kind: 'resumed' });
  log(lost);
  assert.equal(lines().length, 1);
});

for (const event of [failed, lost, refused]) {
  test(`${event.kind}: the first is shown, then one a minute with the count`, () => {
    const { log, lines, clock } = rig();
    for (clock.now = 0; clock.now < 150_000; clock.now += 1000) log(event);
    const shown = lines();
    assert.equal(shown.length, 3);
    assert.doesNotMatch(shown[0] ?? '', /times/);
    assert.match(shown[1] ?? '', /00:01:00.* \(60 times since the last such line\)$/);
    assert.match(shown[2] ?? '', /00:02:00.* \(60 times/);
  });
}

test('another path, another reason and another peer are news', () => {
  const { log, lines } = rig();
  log(failed);
  log({ ...failed, path: '/etc/b' });
  log({ ...failed, reason: 'io' });
  log({ ...failed, peer: 'mail2' });
  log(lost);
  log({ ...lost, peer: 'mail3' });
  log({ ...lost, detail: 'ETIMEDOUT' });
  log({ ...lost, retryMs: 1000 });
  assert.equal(lines().length, 7);
});

test('a failure that comes back after it was overcome is news', () => {
  const { log, lines } = rig();
  log(failed);
  log(failed);
  log(placed);
  log(failed);
  assert.equal(lines().length, 3);
});

test('other events are never thinned out', () => {
  const { log, lines } = rig();
  for (let i = 0; i < 5; i += 1) log(placed);
  assert.equal(lines().length, 5);
});

test('a stream that breaks stops nobody', async () => {
  const broken = new Writable({ write: (_chunk, _encoding, done) => done(new Error('ENOSPC')) });
  const closed = new Promise((resolve) => broken.once('close', resolve));
  const { log } = rig({ stream: broken });
  log(placed);
  await closed;
  log(placed);
});

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

test('a peer that is down for a day makes few lines an hour, whatever the sentence says in numbers', () => {
  const { log, lines, clock } = rig();
  let attempt = 0;
  for (clock.now = 0; clock.now < 24 * hourMs; attempt += 1) {
    log({ kind: 'connecting', peer: 'mail2' });
    log({ ...lost, detail: `connect ETIMEDOUT from port ${40_000 + attempt}`, retryMs: 500 });
    clock.now += pauseMs({ firstMs: 500, maxMs: 30_000 }, attempt, 0.5);
  }
  const hourly = Map.groupBy(
    lines().filter((line) => line.includes('disconnected')),
    (line) => line.slice(0, 13),
  );
  assert.equal(hourly.size, 24);
  for (const [hour, shown] of hourly) assert.ok(shown.length <= 12, `${shown.length} lines in ${hour}`);
});

test('a path that fails again and again for a day makes few lines an hour', () => {
  const { log, lines, clock } = rig();
  for (clock.now = 0; clock.now < 24 * hourMs; clock.now += 1000) log(failed);
  assert.ok(lines().length <= 12 + 23 * 6, `${lines().length} lines`);
  assert.match(lines().at(-1) ?? '', /\(600 times since the last such line\)$/);
});

test('ten thousand paths that fail alike make a hundred lines, and a line that counts the others', () => {
  const { log, lines, clock } = rig();
  for (let n = 0; n < 10_000; n += 1) log({ ...failed, path: `/etc/${n}` });
  assert.equal(lines().length, 100);
  clock.now = minuteMs;
  log({ ...failed, path: '/etc/one-more' });
  assert.match(lines()[100] ?? '', /\(9900 like it, of other paths, were left out\)$/);
});

test('a hook that fails after each of many files is told once, then counted', () => {
  const { log, lines, clock } = rig();
  for (let n = 0; n < 500; n += 1) {
    clock.now = n * 100;
    log({
      kind: 'hook-failed',
      peer: 'mail2',
      path: `/etc/${n}`,
      detail: `postmap ended with exit code 1: ${n}`,
    });
  }
  assert.equal(lines().length, 1);
});

for (const format of ['text', 'json'] as const) {
  test(`${format}: what a validator or a hook said about a file is left out, how it ended is not`, () => {
    const { log, lines } = rig({ format });
    const detail = 'nginx -t ended with exit code 1: line 3: password hunter2; more: hunter2';
    log({ kind: 'path-failed', path: '/etc/a', reason: 'validator-failed', detail: `expected: ${detail}` });
    log({ kind: 'path-failed', path: '/etc/b', reason: 'group-failed', detail });
    log({ kind: 'hook-failed', command: 'reload', detail: 'x was ended by SIGKILL: hunter2' });
    log({
      kind: 'hook-failed',
      command: 'other',
      detail: 'x took longer than 5 ms and was killed: a\nhunter2',
    });
    assert.equal(lines().length, 4);
    assert.doesNotMatch(lines().join('\n'), /hunter2/);
    assert.match(lines()[0] ?? '', /nginx -t ended with exit code 1; what it said: bm-confsync status/);
  });
}

test('every event is in docs/events.md, and nothing else is', () => {
  const document = readFileSync(join(import.meta.dirname, '../../docs/events.md'), 'utf8');
  const named = [...document.matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, name]) => name);
  assert.deepEqual(named, [...eventNames].sort());
});
