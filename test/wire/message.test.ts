import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { retryOf } from '../../src/core/failure.ts';
import {
  type FromActive,
  type FromPassive,
  parseEntry,
  parseFromActive,
  parseFromPassive,
} from '../../src/wire/message.ts';

type Header = Record<string, unknown>;

const file = {
  kind: 'file',
  digest: '0123456789abcdef'.repeat(4),
  size: 5,
  mode: 0o644,
  owner: 'root',
  group: 'mail',
  mtime: '1700000000.000000001',
  xattrs: { 'user.note': 'AA==' },
};
const directory = { kind: 'directory', mode: 0o755, owner: 'root', group: 'root', xattrs: {} };
const symlink = { kind: 'symlink', target: '../b', owner: 'root', group: 'root' };
const absent = { kind: 'absent' };
const greeting = {
  protocol: 1,
  node: 'mail1',
  version: '0.1.0',
  role: 'active',
  epoch: 7,
  ha: 'enabled',
  watchlists: 'abc',
};
const push = { t: 'push', id: 1, epoch: 7, path: '/etc/hosts', expect: absent, put: file, content: 'inline' };
const ack = { t: 'ack', id: 1, result: { kind: 'applied' } };
const refusal = { reason: 'stale-epoch', detail: 'it holds epoch 8', epoch: 8 };
const problem = ['/etc/\uFFFD', 'bad-path', 'not valid UTF-8'];
const entries = {
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

const fromActive: Header[] = [
  { t: 'hello', purpose: 'replicate', ...greeting },
  { t: 'hello', purpose: 'inspect', ...greeting, role: 'passive', ha: 'disabled', epoch: 0 },
  push,
  { ...push, put: directory, content: 'none' },
  { ...push, put: symlink, expect: file, content: 'none' },
  { ...push, put: absent, expect: directory, content: 'none' },
  { ...push, content: 'stream' },
  { ...push, content: 'local', expect: { ...file, mode: 0 } },
  { t: 'chunk', id: 1, last: false },
  { t: 'abort', id: 1 },
  { t: 'manifest', id: 1, fresh: true, mtime: false },
  { t: 'directories', id: 1, rows: [['/etc', 'abcd']], last: true },
  { t: 'agreed', id: 1, except: ['/etc/hosts'], last: true },
  { t: 'look', id: 1, paths: ['/etc/hosts', '/'] },
  { t: 'fetch', id: 1, path: '/etc/hosts' },
  { t: 'ping', id: Number.MAX_SAFE_INTEGER },
];

const fromPassive: Header[] = [
  { t: 'welcome', ...greeting, role: 'passive' },
  { t: 'refused', ...refusal },
  ack,
  { ...ack, result: { kind: 'already-there' } },
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
];

const sides = [
  { side: 'the active', parse: parseFromActive, messages: fromActive, others: fromPassive },
  { side: 'the passive', parse: parseFromPassive, messages: fromPassive, others: fromActive },
] as const;

/** What arrives is what JSON carries, so every sample goes through it. */
function overJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

/** All objects in a message, the message first: places where a key can be added or taken away. */
function objectsIn(value: unknown): Header[] {
  if (Array.isArray(value)) return value.flatMap(objectsIn);
  if (typeof value !== 'object' || value === null) return [];
  return [value as Header, ...Object.values(value).flatMap(objectsIn)];
}

/** The records of xattrs take any key, nothing else does. */
function isOpen(object: Header): boolean {
  return Object.keys(object).every((key) => key.startsWith('user.'));
}

for (const { side, parse, messages, others } of sides) {
  describe(`messages from ${side}`, () => {
    for (const message of messages) {
      const sample = JSON.stringify(message).slice(0, 90);

      it(`well-formed: ${sample}`, () => {
        assert.deepEqual(parse(overJson(message)), { ok: true, message });
      });

      it(`with an unknown key anywhere: refused: ${sample}`, () => {
        for (const [at, object] of objectsIn(message).entries()) {
          if (isOpen(object)) continue;
          const changed = overJson(message);
          Object.assign(objectsIn(changed)[at] ?? {}, { surplus: 1 });
          assert.equal(parse(changed).ok, false, JSON.stringify(changed));
        }
      });

      it(`without any one of its keys: refused: ${sample}`, () => {
        for (const [at, object] of objectsIn(message).entries()) {
          for (const key of isOpen(object) ? [] : Object.keys(object)) {
            const changed = overJson(message);
            delete objectsIn(changed)[at]?.[key];
            assert.equal(parse(changed).ok, false, JSON.stringify(changed));
          }
        }
      });

      it(`with a value of another type under any key: refused: ${sample}`, () => {
        for (const [at, object] of objectsIn(message).entries()) {
          for (const key of Object.keys(object)) {
            for (const wrong of [null, 1.5, -1, '', 'x'.repeat(200_000), {}, [[]]]) {
              const changed = overJson(message);
              Object.assign(objectsIn(changed)[at] ?? {}, { [key]: wrong });
              if (mayHold(key, wrong)) continue;
              assert.equal(parse(changed).ok, false, `${key}: ${JSON.stringify(wrong).slice(0, 20)}`);
            }
          }
        }
      });
    }

    it('of the other side are refused, also those of the same name', () => {
      for (const other of others) {
        assert.equal(parse(overJson(other)).ok, false, JSON.stringify(other));
      }
    });
  });
}

/** The few fields that may hold one of the wrong values: free text, an empty set, any whole number. */
function mayHold(key: string, wrong: unknown): boolean {
  if (wrong === '')
    return ['detail', 'version', 'watchlists', 'digest'].includes(key) || key.startsWith('user.');
  if (wrong === -1) return key === 'protocol';
  return key === 'xattrs' && JSON.stringify(wrong) === '{}';
}

const badPaths = [
  '',
  'etc/hosts',
  '..',
  '/etc/../root',
  '/etc/./a',
  '/etc//a',
  '/etc/',
  '/etc/a\0',
  `/${'a'.repeat(256)}`,
  '/a'.repeat(2100),
  '/\uFFFD',
  '/\ud800',
];
const pathHolders: [string, (path: string) => Header, typeof parseFromActive | typeof parseFromPassive][] = [
  ['push', (path) => ({ ...push, path }), parseFromActive],
  ['fetch', (path) => ({ t: 'fetch', id: 1, path }), parseFromActive],
  ['look', (path) => ({ t: 'look', id: 1, paths: ['/etc', path] }), parseFromActive],
  ['agreed', (path) => ({ t: 'agreed', id: 1, except: [path], last: true }), parseFromActive],
  ['directories', (path) => ({ t: 'directories', id: 1, rows: [[path, 'a']], last: true }), parseFromActive],
  ['entries, row', (path) => ({ ...entries, rows: [[path, file]] }), parseFromPassive],
  ['entries, directory', (path) => ({ ...entries, directories: [path] }), parseFromPassive],
];
describe('a bad path', () => {
  for (const [where, holding, parse] of pathHolders) {
    for (const path of badPaths) {
      it(`is refused in ${where}: ${JSON.stringify(path).slice(0, 30)}`, () => {
        assert.equal(parse(overJson(holding('/etc/hosts'))).ok, true);
        assert.equal(parse(overJson(holding(path))).ok, false);
      });
    }
  }
  it('is named by its fault', () => {
    const parsed = parseFromActive({ ...push, path: '/etc/../root' });
    assert.match(parsed.ok ? '' : parsed.detail, /path.*not-normalised/);
  });
  it('of a problem is carried as text, since it may be one that cannot be a path', () => {
    assert.equal(parseFromPassive(entries).ok, true);
  });
});

describe('an entry', () => {
  const taken: [string, object][] = [
    ['a mode of 0', { ...file, mode: 0 }],
    ['a mode of 7777', { ...file, mode: 0o7777 }],
    ['an empty file', { ...file, size: 0 }],
    ['a mtime before 1970', { ...file, mtime: '-1.000000000' }],
    ['an owner that is a number', { ...file, owner: '1000' }],
    ['an owner of 256 characters', { ...file, owner: 'a'.repeat(256) }],
    ['an empty xattr', { ...file, xattrs: { 'user.a': '' } }],
    ['an xattr of 128 KiB', { ...file, xattrs: { 'user.a': 'x'.repeat(128 * 1024) } }],
    ['a target of 4095 characters', { ...symlink, target: 'x'.repeat(4095) }],
    ['a target that dangles or leads away', { ...symlink, target: '../../nowhere/..' }],
  ];
  for (const [sentence, entry] of taken) {
    it(`is taken with ${sentence}`, () => assert.deepEqual(parseEntry(overJson(entry)), entry));
  }

  const refused: [string, unknown][] = [
    ['a digest in capitals', { ...file, digest: file.digest.toUpperCase() }],
    ['a short digest', { ...file, digest: file.digest.slice(1) }],
    ['a long digest', { ...file, digest: `${file.digest}0` }],
    ['a digest and a newline', { ...file, digest: `${file.digest}\n` }],
    ['a digest of other letters', { ...file, digest: 'g'.repeat(64) }],
    ['a negative size', { ...file, size: -1 }],
    ['a size with a fraction', { ...file, size: 0.5 }],
    ['a size that is not exact', { ...file, size: 2 ** 53 }],
    ['a size as text', { ...file, size: '5' }],
    ['a mode with type bits', { ...file, mode: 0o100644 }],
    ['a mode of 10000', { ...file, mode: 0o10000 }],
    ['a negative mode', { ...file, mode: -1 }],
    ['a mtime without nanoseconds', { ...file, mtime: '1700000000' }],
    ['a mtime of eight decimals', { ...file, mtime: '1700000000.00000001' }],
    ['a mtime in exponents', { ...file, mtime: '1e9.000000000' }],
    ['a mtime of twenty digits', { ...file, mtime: `${'1'.repeat(20)}.000000000` }],
    ['a mtime and a newline', { ...file, mtime: `${file.mtime}\n` }],
    ['an empty owner', { ...file, owner: '' }],
    ['an owner of 257 characters', { ...file, owner: 'a'.repeat(257) }],
    ['a group that is a number', { ...file, group: 0 }],
    ['an xattr over 128 KiB', { ...file, xattrs: { 'user.a': 'x'.repeat(128 * 1024 + 1) } }],
    ['an xattr name over 255', { ...file, xattrs: { [`user.${'a'.repeat(251)}`]: '' } }],
    ['an xattr that is no text', { ...file, xattrs: { 'user.a': 1 } }],
    ['xattrs in an array', { ...file, xattrs: [] }],
    ['an empty target', { ...symlink, target: '' }],
    ['a target of 4096 characters', { ...symlink, target: 'x'.repeat(4096) }],
    ['a mode on a symlink', { ...symlink, mode: 0o777 }],
    ['a digest on a directory', { ...directory, digest: file.digest }],
    ['a size on nothing', { kind: 'absent', size: 0 }],
    ['a kind that is a device', { ...file, kind: 'fifo' }],
    ['no kind', { ...file, kind: undefined }],
    ['nothing', null],
  ];
  for (const [sentence, entry] of refused) {
    it(`is refused with ${sentence}`, () => {
      assert.equal(parseEntry(entry), undefined);
      assert.equal(parseFromActive({ ...push, put: entry }).ok, false);
      assert.equal(parseFromActive({ ...push, expect: entry }).ok, false);
      assert.equal(parseFromPassive({ ...entries, rows: [['/a', entry]] }).ok, false);
      const result = { kind: 'conflict', conflict: 'first-sync', found: entry };
      assert.equal(parseFromPassive({ ...ack, result }).ok, false);
    });
  }

  for (const [sentence, target] of [
    ['a NUL, which no symlink can hold', 'a\0b'],
    ['more than 4095 bytes', 'é'.repeat(2048)],
    ['what is not valid Unicode', '\ud800'],
  ] as const) {
    it(`is refused with a target of ${sentence}`, () => {
      assert.equal(parseEntry({ ...symlink, target }), undefined);
    });
  }

  it('is refused with an xattr named __proto__ rather than taken without it', () => {
    const entry = { ...directory, xattrs: JSON.parse('{"__proto__":"AA=="}') };
    const parsed = parseEntry(entry);
    if (parsed !== undefined) assert.deepEqual(parsed, entry);
  });
});

describe('oversized fields', () => {
  const table: [string, Header, typeof parseFromActive | typeof parseFromPassive][] = [
    ['a node name', { t: 'hello', purpose: 'inspect', ...greeting, node: 'a'.repeat(257) }, parseFromActive],
    ['a version', { t: 'hello', purpose: 'inspect', ...greeting, version: 'a'.repeat(65) }, parseFromActive],
    ['a watchlist digest', { t: 'welcome', ...greeting, watchlists: 'a'.repeat(129) }, parseFromPassive],
    [
      'a directory digest',
      { t: 'directories', id: 1, rows: [['/', 'a'.repeat(33)]], last: true },
      parseFromActive,
    ],
    ['a manifest digest', { t: 'manifest', id: 1, digest: 'a'.repeat(33), paths: 1 }, parseFromPassive],
    ['the detail of a refusal', { t: 'refused', ...refusal, detail: 'a'.repeat(4097) }, parseFromPassive],
    ['the path of a problem', { ...entries, problems: [['a'.repeat(16_385), 'io', '']] }, parseFromPassive],
    ['the detail of a problem', { ...entries, problems: [['/a', 'io', 'a'.repeat(4097)]] }, parseFromPassive],
    ['an id', { t: 'ping', id: 2 ** 53 }, parseFromActive],
  ];
  for (const [sentence, message, parse] of table) {
    it(`are refused: ${sentence}`, () => assert.equal(parse(message).ok, false));
  }

  it('are not repeated in full by the refusal', () => {
    const parsed = parseFromActive({ t: 'ping', id: 1, ['k'.repeat(1_000_000)]: 1 });
    assert.ok(!parsed.ok && parsed.detail.length < 10_000);
  });
});

describe('whatever JSON arrives', () => {
  const junk = fc.oneof(
    fc.jsonValue(),
    fc.dictionary(fc.constantFrom('t', 'id', 'path', 'kind', '__proto__', 'toString'), fc.jsonValue()),
    fc.constantFrom<unknown>(undefined, null, '', 0, [], {}, { t: '__proto__' }, { t: ['push'] }),
  );
  const samples: unknown[] = [...fromActive, ...fromPassive];
  /** Any but a record with the key __proto__, which has a test of its own above. */
  const value = fc.jsonValue().filter((json) => !JSON.stringify(json).includes('"__proto__":'));
  /** A message in which one value, anywhere, is replaced by junk. */
  const nearly = fc
    .tuple(fc.constantFrom(...samples), fc.nat(), fc.nat(), value)
    .map(([sample, i, k, put]) => {
      const copy = overJson(sample);
      const objects = objectsIn(copy);
      const object = objects[i % objects.length] ?? {};
      const keys = Object.keys(object);
      Object.assign(object, { [keys[k % keys.length] ?? 'x']: put });
      return copy;
    });

  it('parsing never throws: it gives a message equal to what came, or a reason', () => {
    fc.assert(
      fc.property(fc.oneof(junk, nearly), (header) => {
        for (const parse of [parseFromActive, parseFromPassive]) {
          const parsed = parse(header);
          if (parsed.ok) assert.deepEqual(overJson(parsed.message), overJson(header));
          else assert.ok(parsed.detail.length > 0);
        }
        assert.doesNotThrow(() => parseEntry(header));
      }),
      { numRuns: 2000 },
    );
  });

  it('depth does not overflow the stack', () => {
    const deep = JSON.parse(`${'['.repeat(100_000)}${']'.repeat(100_000)}`);
    assert.equal(parseFromActive(deep).ok, false);
    assert.equal(parseFromActive({ ...push, put: deep }).ok, false);
    assert.equal(parseFromPassive({ ...entries, rows: deep }).ok, false);
  });

  it('a message can be sent on as it was parsed', () => {
    const both: [FromActive | FromPassive, typeof parseFromActive | typeof parseFromPassive][] = [];
    for (const { parse, messages } of sides) {
      for (const message of messages) {
        const parsed = parse(message);
        assert.ok(parsed.ok);
        both.push([parsed.message, parse]);
      }
    }
    for (const [message, parse] of both) assert.deepEqual(parse(overJson(message)), { ok: true, message });
  });
});
