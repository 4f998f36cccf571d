import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  ancestorsOf,
  childOf,
  isBelow,
  isTemporaryName,
  nameOf,
  type PathFault,
  parentOf,
  parseReplicaPath,
  printable,
  type ReplicaPath,
  temporaryNameFor,
} from '../../src/core/path.ts';

const nonce = '0123456789ab';

/** A path of exactly so many bytes, of names of at most 200 bytes. */
function pathOfBytes(bytes: number): string {
  return `/${'a'.repeat(199)}`
    .repeat(Math.ceil(bytes / 200))
    .slice(0, bytes - 1)
    .concat('z');
}

const refused: [string, string, PathFault][] = [
  ['nothing', '', 'empty'],
  ['a relative path', 'etc/hosts', 'not-absolute'],
  ['a lone dot', '.', 'not-absolute'],
  ['a way up from here', '../etc/hosts', 'not-absolute'],
  ['a space before the slash', ' /etc', 'not-absolute'],
  ['a backslash for a slash', '\\etc\\hosts', 'not-absolute'],
  ['a way up', '/etc/../root', 'not-normalised'],
  ['a way up at the end', '/etc/..', 'not-normalised'],
  ['a way up at the start', '/..', 'not-normalised'],
  ['a dot name', '/etc/./hosts', 'not-normalised'],
  ['a dot name at the end', '/etc/.', 'not-normalised'],
  ['only a dot', '/.', 'not-normalised'],
  ['a double slash', '/etc//hosts', 'not-normalised'],
  ['a double slash at the start', '//etc', 'not-normalised'],
  ['only slashes', '//', 'not-normalised'],
  ['a slash at the end', '/etc/', 'not-normalised'],
  ['a NUL that would cut the path', '/etc/hosts\0/x', 'has-nul'],
  ['a NUL at the end', '/etc/hosts\0', 'has-nul'],
  ['a lossy name', '/etc/caf\uFFFD', 'not-unicode'],
  ['a lone high surrogate', '/etc/\ud800', 'not-unicode'],
  ['a lone low surrogate', '/etc/\udc00x', 'not-unicode'],
  ['surrogates in the wrong order', '/etc/\udc00\ud800', 'not-unicode'],
  ['a high surrogate before a slash', '/etc/\ud83d/\ude00', 'not-unicode'],
  ['a name of 256 bytes', `/${'a'.repeat(256)}`, 'name-too-long'],
  ['a name of 256 bytes in 128 characters', `/${'é'.repeat(128)}`, 'name-too-long'],
  ['a name of 258 bytes in 86 characters', `/${'€'.repeat(86)}`, 'name-too-long'],
  ['a name of 256 bytes in 64 emoji', `/${'😀'.repeat(64)}`, 'name-too-long'],
  ['a long name in the middle', `/etc/${'a'.repeat(256)}/x`, 'name-too-long'],
  ['a path of 4096 bytes', pathOfBytes(4096), 'path-too-long'],
  ['a path of 4096 bytes in fewer characters', `${pathOfBytes(4094)}é`, 'path-too-long'],
  ['a path of a mebibyte', '/a'.repeat(524_288), 'path-too-long'],
];

const accepted: [string, string][] = [
  ['the root', '/'],
  ['a usual file', '/etc/hosts'],
  ['names that begin or end with dots', '/etc/..a/a../...'],
  ['a name of 255 bytes', `/${'a'.repeat(255)}`],
  ['a name of 255 bytes in 85 characters', `/${'€'.repeat(85)}`],
  ['a name of 254 bytes in 127 characters', `/${'é'.repeat(127)}`],
  ['a name of 252 bytes in 63 emoji', `/${'😀'.repeat(63)}`],
  ['a path of 4095 bytes', pathOfBytes(4095)],
  ['a newline, an escape and a backslash, which Linux allows', '/etc/a\nb\x1b[2J\\c'],
  ['spaces at the ends', '/ etc /x '],
  ['characters of globs', '/etc/foo[1]{a,b}*?!.conf'],
  ['a combining accent apart from its letter', '/etc/e\u0301'],
];

describe('parseReplicaPath', () => {
  for (const [sentence, raw, fault] of refused) {
    it(`refuses ${sentence}: ${fault}`, () => assert.deepEqual(parseReplicaPath(raw), { ok: false, fault }));
  }
  for (const [sentence, raw] of accepted) {
    it(`takes ${sentence}, unchanged`, () =>
      assert.deepEqual(parseReplicaPath(raw), { ok: true, path: raw }));
  }

  it('what it takes survives UTF-8, fits the limits of Linux and cannot lead out of the root', () => {
    const part = fc.oneof(
      fc.constantFrom('/', '.', '..', '\0', '\uFFFD', '\ud800', 'a', '//', 'é'.repeat(100), '😀'),
      fc.string({ unit: 'binary', maxLength: 5 }),
    );
    const text = fc.array(part, { maxLength: 12 }).map((parts) => `/${parts.join('')}`);
    fc.assert(
      fc.property(text, (raw) => {
        const parsed = parseReplicaPath(raw);
        if (!parsed.ok) return;
        const { path } = parsed;
        assert.equal(Buffer.from(path).toString(), path);
        assert.ok(Buffer.byteLength(path) <= 4095);
        assert.equal(path.includes('\0'), false);
        if (path === '/') return;
        for (const name of path.slice(1).split('/')) {
          assert.equal(['', '.', '..'].includes(name), false);
          assert.ok(Buffer.byteLength(name) <= 255);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

function path(raw: string): ReplicaPath {
  const parsed = parseReplicaPath(raw);
  return parsed.ok ? parsed.path : assert.fail(`${raw}: ${parsed.fault}`);
}

describe('the family of a path', () => {
  it('the parent of a path is the directory that holds it, and / is its own', () => {
    assert.deepEqual(
      ['/etc/ssl/a', '/etc', '/'].map((raw) => parentOf(path(raw))),
      ['/etc/ssl', '/', '/'],
    );
  });
  it('the name of a path is its last, and / has none', () => {
    assert.deepEqual(
      ['/etc/ssl/a', '/etc', '/'].map((raw) => nameOf(path(raw))),
      ['a', 'etc', ''],
    );
  });
  it('a child of / has one slash', () => {
    assert.deepEqual([childOf(path('/'), 'etc'), childOf(path('/etc'), 'a')], ['/etc', '/etc/a']);
  });
  it('ancestors come from the top, without / and the path itself', () => {
    assert.deepEqual(ancestorsOf(path('/etc/ssl/certs/a')), ['/etc', '/etc/ssl', '/etc/ssl/certs']);
    assert.deepEqual(ancestorsOf(path('/etc')), []);
    assert.deepEqual(ancestorsOf(path('/')), []);
  });

  const below: [string, string, boolean][] = [
    ['/etc/a', '/etc', true],
    ['/etc/a/b', '/etc', true],
    ['/etc', '/', true],
    ['/', '/', false],
    ['/etc', '/etc', false],
    ['/etc-old/a', '/etc', false],
    ['/etcetera', '/etc', false],
    ['/etc', '/etc/a', false],
  ];
  for (const [lower, upper, expected] of below) {
    it(`${lower} is ${expected ? '' : 'not '}below ${upper}`, () => {
      assert.equal(isBelow(path(lower), path(upper)), expected);
    });
  }

  const name = fc.constantFrom('a', 'ab', 'a-', 'é', '..a');
  const paths = fc.array(name, { minLength: 1, maxLength: 5 }).map((names) => path(`/${names.join('/')}`));

  it('parent and name make the path again, and its ancestors are the chain of its parents', () => {
    fc.assert(
      fc.property(paths, (child) => {
        assert.equal(childOf(parentOf(child), nameOf(child)), child);
        const chain: ReplicaPath[] = [];
        for (let up = parentOf(child); up !== '/'; up = parentOf(up)) chain.unshift(up);
        assert.deepEqual(ancestorsOf(child), chain);
      }),
    );
  });
  it('a path is below another exactly when the other is / or among its ancestors', () => {
    fc.assert(
      fc.property(paths, paths, (a, b) => {
        assert.equal(isBelow(a, b), ancestorsOf(a).includes(b));
        assert.equal(isBelow(a, path('/')), true);
      }),
    );
  });
});

describe('printable', () => {
  const shown: [string, string, string][] = [
    ['plain text stays', 'mail2: é € 😀', 'mail2: é € 😀'],
    ['an escape sequence', '\x1b[2Jx', '\\x1b[2Jx'],
    ['a newline', 'a\nb', 'a\\x0ab'],
    ['DEL and a C1 control', '\x7f\x9b', '\\x7f\\x9b'],
    ['a bidirectional override', 'a\u202egpj', 'a\\u202egpj'],
    ['an isolate', '\u2066x\u2069', '\\u2066x\\u2069'],
    ['a line separator', '\u2028', '\\u2028'],
    ['a backslash, so that an escape cannot be forged', '\\x1b', '\\\\x1b'],
  ];
  for (const [sentence, text, expected] of shown) {
    it(sentence, () => assert.equal(printable(text), expected));
  }

  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(fc.nat(0x2070), { maxLength: 8 }).map((units) => String.fromCharCode(...units)),
    fc
      .array(fc.constantFrom('\\', 'x1b', '\x1b', 'u202e', '\u202e'), { maxLength: 6 })
      .map((all) => all.join('')),
  );
  it('never leaves a control character, a line break or a bidirectional override', () => {
    fc.assert(
      fc.property(text, (raw) => {
        assert.doesNotMatch(printable(raw), /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u);
      }),
      { numRuns: 2000 },
    );
  });
  it('can be read back, so two names never look alike by it', () => {
    const back = (escaped: string) =>
      escaped.replace(/\\(?:\\|x([0-9a-f]{2})|u([0-9a-f]{4}))/g, (_, two?: string, four?: string) => {
        const code = two ?? four;
        return code === undefined ? '\\' : String.fromCharCode(Number.parseInt(code, 16));
      });
    fc.assert(
      fc.property(text, (raw) => assert.equal(back(printable(raw)), raw)),
      { numRuns: 2000 },
    );
  });
});

describe('temporary names', () => {
  const table: [string, string, boolean][] = [
    ['one with a name', `.hosts.bmcs-${nonce}~`, true],
    ['one without', `.bmcs-${nonce}~`, true],
    ['one that holds an old entry', `.hosts.bmcs-${nonce}o~`, true],
    ['one of a hidden file', `..profile.bmcs-${nonce}~`, true],
    ['one of a name with a newline', `.a\nb.bmcs-${nonce}~`, true],
    ['an editor backup', 'hosts~', false],
    ['one that is not hidden', `hosts.bmcs-${nonce}~`, false],
    ['one without the tilde', `.hosts.bmcs-${nonce}`, false],
    ['a short nonce', '.hosts.bmcs-0123456789a~', false],
    ['a nonce in capitals', '.hosts.bmcs-0123456789AB~', false],
    ['a name that only contains one', `.hosts.bmcs-${nonce}~.conf`, false],
    ['a name glued to the mark', `.hostsbmcs-${nonce}~`, false],
    ['one with a newline after it', `.hosts.bmcs-${nonce}~\n`, false],
  ];
  for (const [sentence, name, expected] of table) {
    it(`${sentence} ${expected ? 'is' : 'is not'} ours`, () => assert.equal(isTemporaryName(name), expected));
  }

  it('a name that is too long for the mark is left out', () => {
    assert.equal(temporaryNameFor('a'.repeat(235), nonce), `.${'a'.repeat(235)}.bmcs-${nonce}~`);
    assert.equal(temporaryNameFor('a'.repeat(236), nonce), `.bmcs-${nonce}~`);
    assert.equal(temporaryNameFor('é'.repeat(118), nonce), `.bmcs-${nonce}~`);
  });

  const name = fc
    .oneof(
      fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }),
      fc.string({ unit: 'grapheme', minLength: 60, maxLength: 255 }),
      fc.constantFrom('a', 'é', '€', '😀').chain((c) => fc.nat(255).map((times) => c.repeat(times))),
    )
    .filter((raw) => parseReplicaPath(`/${raw}`).ok && !raw.includes('/') && raw !== '');
  const nonces = fc.stringMatching(/^[0-9a-f]{12}$/);

  it('for any name: known as ours, hidden, ending in a tilde, at most 255 bytes, and a valid name itself', () => {
    fc.assert(
      fc.property(name, nonces, (raw, chance) => {
        const temporary = temporaryNameFor(raw, chance);
        assert.equal(isTemporaryName(temporary), true);
        assert.ok(temporary.startsWith('.') && temporary.endsWith('~'));
        assert.ok(Buffer.byteLength(temporary) <= 255);
        assert.equal(parseReplicaPath(`/${temporary}`).ok, true);
        assert.notEqual(temporary, raw);
      }),
      { numRuns: 500 },
    );
  });
});
