import { exitCodes, retryOf } from '../../src/core/failure.ts';
import { parseFromActive, parseFromPassive } from '../../src/wire/message.ts';

/** At least one well-formed message of each kind, and the parts that they are made of. */

export type Header = Record<string, unknown>;

export const file = {
  kind: 'file',
  digest: '0123456789abcdef'.repeat(4),
  size: 5,
  mode: 0o644,
  owner: 'root',
  group: 'mail',
  mtime: '1700000000.000000001',
  xattrs: { 'user.note': 'AA==' },
};
export const directory = { kind: 'directory', mode: 0o755, owner: 'root', group: 'root', xattrs: {} };
export const symlink = { kind: 'symlink', target: '../b', owner: 'root', group: 'root' };
export const absent = { kind: 'absent' };
export const greeting = {
  protocol: 1,
  node: 'mail1',
  version: '0.1.0',
  role: 'active',
  epoch: 7,
  ha: 'enabled',
  watchlists: 'abc',
  now: 1_700_000_000_000,
};
export const push = {
  t: 'push',
  id: 1,
  epoch: 7,
  path: '/etc/hosts',
  expect: absent,
  put: file,
  content: 'inline',
};
export const ack = { t: 'ack', id: 1, result: { kind: 'applied' } };
export const refusal = { reason: 'stale-epoch', detail: 'it holds epoch 8', epoch: 8 };
export const failure = {
  code: 'not-active',
  exit: 'refused',
  message: 'expected the active',
  hint: 'ask mail1',
};
export const version = {
  id: 'f00-1',
  path: '/etc/hosts',
  entry: file,
  epoch: 7,
  reason: 'overwritten',
  peer: 'mail1',
  at: 1_700_000_000_000,
};
export const standing = { t: 'standing', pending: 3, conflicts: 1, halt: null, held: [] };
export const problem = ['/etc/\uFFFD', 'bad-path', 'not valid UTF-8'];
export const entries = {
  t: 'entries',
  id: 0,
  directories: ['/', '/etc'],
  rows: [
    ['/etc/hosts', file],
    ['/etc/ssl', directory],
    ['/etc/link', symlink],
    ['/etc/gone', absent],
  ],
  problems: [problem],
  last: true,
};

const requests = [
  { do: 'demote', epoch: 8 },
  { do: 'disable', reason: 'upgrade', by: 'root' },
  { do: 'disable', reason: 'upgrade', by: 'root', forMs: 7_200_000 },
  { do: 'enable' },
  { do: 'resolve', ids: [], take: 'active' },
  { do: 'resolve', ids: ['0123456789', 'abcdef0123'], take: 'passive' },
  { do: 'doctor', owners: ['root', '1234'], groups: [] },
];

export const fromActive: Header[] = [
  { t: 'hello', purpose: 'replicate', ...greeting },
  { t: 'hello', purpose: 'inspect', ...greeting, role: 'passive', ha: 'disabled', epoch: 0 },
  push,
  { ...push, put: directory, content: 'none' },
  { ...push, put: symlink, expect: file, content: 'none' },
  { ...push, put: absent, expect: directory, content: 'none' },
  { ...push, content: 'stream' },
  { ...push, content: 'local', expect: { ...file, mode: 0 } },
  { ...push, set: { id: 4, of: 2 } },
  { t: 'chunk', id: 1, last: false },
  { t: 'abort', id: 1 },
  { t: 'manifest', id: 1, fresh: true, mtime: false },
  { t: 'directories', id: 1, rows: [['/etc', 'abcd']], last: true },
  { t: 'sums', id: 1, of: 'directories', last: false },
  { t: 'sums', id: 1, of: 'children', last: true },
  { t: 'agreed', id: 1, except: ['/etc/hosts'], last: true },
  { t: 'look', id: 1, paths: ['/etc/hosts', '/'] },
  { t: 'fetch', id: 1, path: '/etc/hosts' },
  { t: 'fetch', id: 1, path: '/etc/hosts', version: 'f00-1' },
  { t: 'versions', id: 1, path: '/etc/hosts' },
  { t: 'ping', id: Number.MAX_SAFE_INTEGER },
  { t: 'hello', purpose: 'request', ...greeting, role: 'passive' },
  ...requests.map((request) => ({ t: 'request', id: 1, request })),
  standing,
  {
    ...standing,
    halt: 'mass-deletion: 40 of 50 paths',
    held: Object.keys(retryOf)
      .slice(0, 20)
      .map((reason) => ['/etc/hosts', reason]),
  },
];

export const fromPassive: Header[] = [
  { t: 'welcome', ...greeting, role: 'passive', highest: 9 },
  { t: 'refused', ...refusal },
  ack,
  { ...ack, result: { kind: 'applied', hooks: [] } },
  { ...ack, result: { kind: 'applied', hooks: ['sysctl --system: exit 1'] } },
  { ...ack, result: { kind: 'already-there' } },
  { t: 'acks', ids: [1, 2, 3] },
  ...['edited-on-passive', 'edited-on-both', 'first-sync'].map((conflict) => ({
    ...ack,
    result: { kind: 'conflict', conflict, found: file },
  })),
  ...Object.keys(retryOf).map((reason) => ({ ...ack, result: { kind: 'refused', ...refusal, reason } })),
  { t: 'manifest', id: 1, digest: 'abcd', paths: 5000 },
  entries,
  { t: 'content', id: 1, found: true, last: true },
  { t: 'done', id: 1 },
  { t: 'pong', id: 1 },
  { t: 'versions', id: 1, rows: [] },
  { t: 'versions', id: 1, rows: [version, { ...version, entry: absent, reason: '' }] },
  ...[null, 'done', { demoted: true, left: [1] }].map((value) => ({
    t: 'answer',
    id: 1,
    outcome: { kind: 'value', value },
  })),
  ...Object.keys(exitCodes).map((exit) => ({
    t: 'answer',
    id: 1,
    outcome: { kind: 'error', error: { ...failure, exit } },
  })),
  { t: 'edited', paths: ['/etc/hosts', '/'] },
  { t: 'working' },
];

export const sides = [
  { side: 'the active', parse: parseFromActive, messages: fromActive, others: fromPassive },
  { side: 'the passive', parse: parseFromPassive, messages: fromPassive, others: fromActive },
] as const;

/** What arrives is what JSON carries, so every sample goes through it. */
export function overJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}
