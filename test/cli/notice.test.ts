import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type NoticeAt, noticeLines } from '../../src/cli/notice.ts';
import type { Status } from '../../src/cli/status.ts';
import { toldNotice } from '../../src/cli/told-notice.ts';
import { temporaryFolder } from '../world/tree.ts';
import { following, healthy, peer } from './statuses.ts';

const onPassive = 'this is mail2, the passive node: edit on mail1';
const peers = (change: Partial<Status['peers'][number]>): Status => ({
  ...healthy,
  peers: [{ ...peer, ...change }],
});
const not = (code: string, text: string): Status['failover'] => ({ safe: false, reasons: [{ code, text }] });
const off: Status['ha'] = { state: 'disabled', reason: 'upgrade to 5.2', since: 1 };
const trouble = { path: '/etc/big', reason: 'too-large', detail: '70 MiB' } as const;
const conflicts = '2 conflicts wait: bm-confsync conflicts';
const dead = 'the daemon does not run on this node: systemctl start bm-confsync';
const disabled = 'HA is disabled, upgrade to 5.2: bm-confsync ha enable';
const away = 'mail2 is not connected: bm-confsync status';
const late = '3 changes not yet on mail2: bm-confsync status';
const cutOff = 'it could not take over, the active was not heard lately: bm-confsync ready';

/** What is found, and what is told at login and at logout. */
const table: [string, Status, Record<NoticeAt, string[]>][] = [
  ['all is well on the active', healthy, { login: [], logout: [] }],
  ['all is well on the passive', following, { login: [onPassive], logout: [] }],
  [
    'a change is on its way',
    peers({ pending: 1, lagMs: 30 }),
    { login: [], logout: ['1 change not yet on mail2: bm-confsync status'] },
  ],
  ['changes wait', peers({ pending: 3, lagMs: 5000 }), { login: [late], logout: [late] }],
  ['the peer is away', peers({ connected: false }), { login: [away], logout: [] }],
  [
    'the peer is away, and changes wait',
    peers({ connected: false, pending: 3, lagMs: null }),
    {
      login: ['3 changes not yet on mail2 (not connected): bm-confsync status'],
      logout: ['3 changes not yet on mail2 (not connected): bm-confsync status'],
    },
  ],
  [
    'a path cannot be brought there',
    peers({ troubles: [trouble] }),
    {
      login: ['1 path cannot be brought to mail2: bm-confsync status'],
      logout: ['1 path cannot be brought to mail2: bm-confsync status'],
    },
  ],
  ['conflicts on the active', { ...healthy, conflicts: 2 }, { login: [conflicts], logout: [conflicts] }],
  [
    'conflicts on the passive',
    { ...following, conflicts: 2, failover: not('conflicts', 'x') },
    { login: [onPassive, conflicts], logout: [conflicts] },
  ],
  [
    'HA is disabled',
    { ...peers({ connected: false, pending: 3 }), ha: off },
    { login: [disabled], logout: [disabled] },
  ],
  [
    'the daemon is dead',
    { ...peers({ connected: false, pending: 0 }), daemon: false },
    { login: [dead], logout: [dead] },
  ],
  [
    'the daemon of the passive is dead',
    { ...following, daemon: false, failover: not('stale', 'x') },
    { login: [onPassive, dead], logout: [dead] },
  ],
  [
    'the passive hears nothing',
    { ...following, failover: not('stale', 'the active was not heard lately') },
    { login: [onPassive, cutOff], logout: [] },
  ],
  [
    'the passive was never heard of',
    { ...following, following: null, failover: not('pending', 'x') },
    { login: ['this is mail2, the passive node: edit on the active node'], logout: [] },
  ],
  [
    'replication is halted by what no terminal should see',
    { ...healthy, halt: 'a\u001b[2J\nb' },
    {
      login: ['replication is halted, a\\x1b[2J\\x0ab: bm-confsync status'],
      logout: ['replication is halted, a\\x1b[2J\\x0ab: bm-confsync status'],
    },
  ],
];

/** What is printed where a daemon gives these answers, the last one again and again; and how often it was asked. */
async function told(answers: readonly Status[], at: NoticeAt): Promise<{ lines: string; asked: number }> {
  const folder = temporaryFolder('notice');
  const config = join(folder, 'config.yml');
  writeFileSync(config, `node: mail1\nruntime: ${folder}\n`);
  let asked = 0;
  const daemon = createServer((socket) => {
    const value = answers[Math.min(asked, answers.length - 1)];
    asked += 1;
    socket.end(`${JSON.stringify({ kind: 'value', value })}\n`);
  });
  daemon.listen(join(folder, 'control.sock'));
  await once(daemon, 'listening');
  let lines = '';
  const out = (text: string): void => {
    lines += text;
  };
  const io = { out, err: out, colour: false, interactive: false };
  try {
    assert.equal(await toldNotice({ config, at }, io), 'done');
  } finally {
    daemon.close();
    rmSync(folder, { recursive: true });
  }
  return { lines, asked };
}

describe('notice, asked while a change is on its way', () => {
  const waiting = peers({ pending: 1, lagMs: 30 });

  it('tells nothing at logout when it arrives a moment later', async () => {
    assert.deepEqual(await told([waiting, waiting, healthy], 'logout'), { lines: '', asked: 3 });
  });

  it('tells at logout what does not', async () => {
    const { lines, asked } = await told([waiting], 'logout');
    assert.equal(lines, 'bm-confsync: 1 change not yet on mail2: bm-confsync status\n');
    assert.ok(asked > 1, String(asked));
  });

  it('waits for nothing at login, nor for a peer that is away', async () => {
    assert.equal((await told([waiting], 'login')).asked, 1);
    assert.equal((await told([peers({ pending: 1, connected: false })], 'logout')).asked, 1);
  });
});

describe('notice', () => {
  for (const [name, found, expected] of table)
    for (const at of ['login', 'logout'] as const)
      it(`${name}: ${at}`, () => assert.deepEqual(noticeLines(found, at), expected[at]));
});
