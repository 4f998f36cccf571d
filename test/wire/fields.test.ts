import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { exitCodes } from '../../src/core/failure.ts';
import { parseEntry } from '../../src/wire/entry.ts';
import { failureShape, parseFromActive, parseFromPassive } from '../../src/wire/message.ts';
import {
  ack,
  directory,
  entries,
  failure,
  file,
  greeting,
  type Header,
  overJson,
  push,
  refusal,
  standing,
  symlink,
  version,
} from './samples.ts';

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
  ['versions, asked for', (path) => ({ t: 'versions', id: 1, path }), parseFromActive],
  ['standing', (path) => ({ ...standing, held: [[path, 'io']] }), parseFromActive],
  ['versions, told', (path) => ({ t: 'versions', id: 1, rows: [{ ...version, path }] }), parseFromPassive],
  ['edited', (path) => ({ t: 'edited', paths: ['/etc', path] }), parseFromPassive],
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
      assert.equal(parseFromPassive({ t: 'versions', id: 1, rows: [{ ...version, entry }] }).ok, false);
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
  const asked = (request: Header) => ({ t: 'request', id: 1, request });
  const failed = (about: Header) => ({
    t: 'answer',
    id: 1,
    outcome: { kind: 'error', error: { ...failure, ...about } },
  });
  const versions = (about: Header) => ({ t: 'versions', id: 1, rows: [{ ...version, ...about }] });
  const held = Array.from({ length: 21 }, () => ['/etc/hosts', 'io']);
  const hooks = (texts: string[]) => ({ ...ack, result: { kind: 'applied', hooks: texts } });
  const table: [string, Header, typeof parseFromActive | typeof parseFromPassive][] = [
    ['a reason to disable', asked({ do: 'disable', reason: 'a'.repeat(1025), by: 'root' }), parseFromActive],
    ['who disables', asked({ do: 'disable', reason: '', by: 'a'.repeat(257) }), parseFromActive],
    [
      'the ids to resolve',
      asked({ do: 'resolve', ids: Array(10_001).fill('a'), take: 'active' }),
      parseFromActive,
    ],
    ['an id to resolve', asked({ do: 'resolve', ids: ['a'.repeat(65)], take: 'active' }), parseFromActive],
    ['a version to fetch', { t: 'fetch', id: 1, path: '/a', version: 'a'.repeat(65) }, parseFromActive],
    ['the halt of a standing', { ...standing, halt: 'a'.repeat(4097) }, parseFromActive],
    ['the held paths of a standing', { ...standing, held }, parseFromActive],
    ['a set of pushes', { ...push, set: { id: 1, of: 1001 } }, parseFromActive],
    ['what a hook had to say', hooks(['a'.repeat(4097)]), parseFromPassive],
    ['what the hooks had to say', hooks(Array(101).fill('')), parseFromPassive],
    ['the code of a failure', failed({ code: 'a'.repeat(257) }), parseFromPassive],
    ['the message of a failure', failed({ message: 'a'.repeat(65_537) }), parseFromPassive],
    ['the hint of a failure', failed({ hint: 'a'.repeat(65_537) }), parseFromPassive],
    ['the id of a version', versions({ id: 'a'.repeat(65) }), parseFromPassive],
    ['the reason of a version', versions({ reason: 'a'.repeat(65) }), parseFromPassive],
    ['the peer of a version', versions({ peer: 'a'.repeat(257) }), parseFromPassive],
    ['a node name', { t: 'hello', purpose: 'inspect', ...greeting, node: 'a'.repeat(257) }, parseFromActive],
    ['a version', { t: 'hello', purpose: 'inspect', ...greeting, version: 'a'.repeat(65) }, parseFromActive],
    [
      'a watchlist digest',
      { t: 'welcome', ...greeting, highest: 7, watchlists: 'a'.repeat(129) },
      parseFromPassive,
    ],
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

describe('a request, a standing or a set that makes no sense', () => {
  const table: [string, Header][] = [
    ['to demote for an epoch of 0', { t: 'request', id: 1, request: { do: 'demote', epoch: 0 } }],
    ['to promote the other node', { t: 'request', id: 1, request: { do: 'promote', epoch: 8 } }],
    [
      'to disable for no time',
      { t: 'request', id: 1, request: { do: 'disable', reason: '', by: '', forMs: 0 } },
    ],
    ['to resolve for nobody', { t: 'request', id: 1, request: { do: 'resolve', ids: [], take: 'both' } }],
    ['a purpose that is none', { t: 'hello', ...greeting, purpose: 'push' }],
    ['a greeting from before 1970', { t: 'hello', ...greeting, purpose: 'inspect', now: -1 }],
    ['a set of one', { ...push, set: { id: 1, of: 1 } }],
    ['a path held for no known reason', { ...standing, held: [['/etc/hosts', 'mood']] }],
    ['a path held without reason', { ...standing, held: [['/etc/hosts']] }],
    ['fewer than no conflicts', { ...standing, conflicts: -1 }],
  ];
  for (const [sentence, message] of table) {
    it(`is refused: ${sentence}`, () => assert.equal(parseFromActive(overJson(message)).ok, false));
  }
});

describe('a failure that comes from a peer', () => {
  it('is taken with every exit code by its name, and with no other', () => {
    for (const exit of Object.keys(exitCodes))
      assert.ok(failureShape.safeParse({ ...failure, exit }).success);
    for (const exit of ['', 4, 'panic', 'toString'])
      assert.equal(failureShape.safeParse({ ...failure, exit }).success, false);
  });
});
