import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseByShape, parseFromActive } from '../../src/wire/message.ts';
import { plainPush } from '../../src/wire/plain-push.ts';

const file = {
  kind: 'file',
  digest: 'ab'.repeat(32),
  size: 5,
  mode: 0o644,
  owner: 'root',
  group: 'root',
  mtime: '1700000000.000000001',
  xattrs: {},
};
const push = {
  t: 'push',
  id: 1,
  epoch: 2,
  path: '/etc/a',
  expect: { kind: 'absent' },
  put: file,
  content: 'inline',
};
type Change = { readonly of: 'push' | 'expect' | 'put'; readonly key: string; readonly value: unknown };

/** A push as it comes out of JSON, with one thing changed; undefined takes the key away. */
function changed({ of, key, value }: Change): unknown {
  const message: Record<string, unknown> = { ...push, expect: { ...file }, put: { ...file } };
  const part = (of === 'push' ? message : message[of]) as Record<string, unknown>;
  // As JSON.parse does it, also for `__proto__`.
  Object.defineProperty(part, key, { value, enumerable: true, configurable: true, writable: true });
  return JSON.parse(JSON.stringify(message));
}

const values = fc.oneof(
  fc.constantFrom<unknown>(
    undefined,
    null,
    true,
    '',
    ' ',
    'push',
    'file',
    'absent',
    'directory',
    'inline',
    'bad',
  ),
  fc.constantFrom<unknown>(0, -1, 1.5, 4095, 4096, 2 ** 53 - 1, 2 ** 53, 1e300, [], {}, [[]], { a: 'x' }),
  fc.constantFrom(
    '/',
    '/etc/',
    '/etc/../a',
    'etc',
    '/etc/a\0',
    '/\ud800',
    `/${'n'.repeat(255)}`,
    `/${'n'.repeat(256)}`,
  ),
  fc.constantFrom(
    'a'.repeat(256),
    'a'.repeat(257),
    'AB'.repeat(32),
    `${'ab'.repeat(32)}\n`,
    '1.000000000',
    '-1.000000000',
  ),
  fc.constantFrom(
    '1.00000000',
    '1.000000000\n',
    `${'1'.repeat(20)}.000000000`,
    { kind: 'absent' },
    { kind: 'absent', x: 1 },
  ),
  fc.constantFrom<unknown>(
    { id: 1, of: 2 },
    { id: 1, of: 1 },
    { ...file, xattrs: { 'user.a': 'eA==' } },
    file,
  ),
  fc.string(),
  fc.double(),
  fc.integer(),
  fc.jsonValue(),
);
const keys = fc.oneof(
  fc.constantFrom('t', 'id', 'epoch', 'path', 'expect', 'put', 'content', 'set', '__proto__', 'surplus'),
  fc.constantFrom(
    'kind',
    'digest',
    'size',
    'mode',
    'owner',
    'group',
    'mtime',
    'xattrs',
    'target',
    'constructor',
  ),
);

describe('the short way to check a push', () => {
  it('is taken by pushes of files and of their absence', () => {
    for (const put of [file, { kind: 'absent' }])
      for (const expect of [file, { kind: 'absent' }])
        assert.deepEqual(plainPush({ ...push, put, expect }), { ...push, put, expect });
  });

  it('says what the full check says, whatever comes', () => {
    const of = fc.constantFrom<Change['of']>('push', 'expect', 'put');
    fc.assert(
      fc.property(of, keys, values, (part, key, value) => {
        const message = changed({ of: part, key, value });
        assert.deepEqual(parseFromActive(message), parseByShape(message));
        if (!parseByShape(message).ok) assert.equal(plainPush(message), undefined);
      }),
      { numRuns: 5000 },
    );
    for (const value of [null, undefined, 1, 'push', [], [push]])
      assert.deepEqual(parseFromActive(value), parseByShape(value));
  });
});
