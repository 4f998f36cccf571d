import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matches, mayMatchBelow, type Pattern, parsePattern } from '../../src/config/match.ts';
import { parseReplicaPath, type ReplicaPath } from '../../src/core/path.ts';

function path(raw: string): ReplicaPath {
  const parsed = parseReplicaPath(raw);
  assert.ok(parsed.ok, raw);
  return parsed.path;
}

function pattern(text: string): Pattern {
  const result = parsePattern(text);
  assert.ok(result.ok, result.ok ? '' : `${text}: ${result.expected}`);
  return result.pattern;
}

const coverage: readonly (readonly [string, string, boolean])[] = [
  ['/etc/hosts', '/etc/hosts', true],
  ['/etc/hosts', '/etc/hosts/x', false],
  ['/etc/**', '/etc', false],
  ['/etc/**', '/etc/a', true],
  ['/etc/**', '/etc/a/b/c', true],
  ['/etc/**', '/etc/.a/.b', true],
  ['/etc/**', '/etcetera', false],
  ['/etc/**', '/etc/line\nbreak', true],
  ['/etc/**/**', '/etc', false],
  ['/etc/**/**', '/etc/a', true],
  ['/**', '/a', true],
  ['/etc/*', '/etc/a', true],
  ['/etc/*', '/etc/.a', true],
  ['/etc/*', '/etc/a/b', false],
  ['/etc/*.conf', '/etc/line\nbreak.conf', true],
  ['/etc/*/**', '/etc/a', false],
  ['/etc/*/**', '/etc/a/b', true],
  ['/etc/**/*.lock', '/etc/a.lock', true],
  ['/etc/**/*.lock', '/etc/a/b/.lock', true],
  ['/etc/**/*.lock', '/etc/a.lock/b', false],
  ['/etc/**/*.lock', '/var/a.lock', false],
  ['/etc/**/c/*', '/etc/a/b/c/d', true],
  ['/etc/rc?.d', '/etc/rc3.d', true],
  ['/etc/rc?.d', '/etc/rc.d', false],
  ['/etc/{a,b}/x', '/etc/b/x', true],
  ['/etc/{a,b}/x', '/etc/c/x', false],
  ['/etc/{a,b/c}', '/etc/b/c', true],
  ['/etc/@(a|b)*', '/etc/bx', true],
  ['/etc/[ab]c', '/etc/bc', true],
  ['/etc/[!ab]c', '/etc/bc', false],
  ['/etc/[^ab]c', '/etc/bc', false],
  ['/etc/[!ab]c', '/etc/dc', true],
  ['/etc/[[:digit:]]x', '/etc/1x', true],
  ['/etc/[[:digit:]]x', '/etc/ax', false],
  ['/etc/[]a]x', '/etc/]x', true],
  ['/**/a', '/a', true],
  ['/**/a', '/b/a', true],
  ['/**/b/a*', '/b/a', true],
  ['/*/a', '/a', false],
  ['/.*', '/.a', true],
  ['/etc/foo[1].conf', '/etc/foo1.conf', true],
  ['/etc/foo[1].conf', '/etc/foo[1].conf', true],
  ['/etc/foo[1].conf', '/etc/foo[2].conf', false],
  ['/etc/foo\\[1\\].conf', '/etc/foo[1].conf', true],
  ['/etc/foo\\[1\\].conf', '/etc/foo1.conf', false],
  ['/etc/a\\*b', '/etc/a*b', true],
  ['/etc/a\\*b', '/etc/axb', false],
  ['/etc/c++', '/etc/c++', true],
  ['/etc/c++/*', '/etc/c++/a', true],
  ['/etc/{a,b}+', '/etc/aa', false],
  ['/etc/{a,b}+', '/etc/a+', true],
  ['/etc/a.b*', '/etc/axb', false],
  ['/etc/$a^*', '/etc/$a^b', true],
  ['/etc/!important', '/etc/!important', true],
  ['/etc/*', '/etc/foo[1](2){3}!', true],
  ['/etc/*.conf', '/etc/foo[1](2){3}!.conf', true],
  ['/etc/**/\\(*', '/etc/a/(b)', true],
];

for (const [text, raw, covered] of coverage) {
  test(`${text} ${covered ? 'covers' : 'does not cover'} ${JSON.stringify(raw)}`, () => {
    assert.equal(matches(pattern(text), path(raw)), covered);
  });
}

const below: readonly (readonly [string, string, boolean])[] = [
  ['/etc/a/b', '/', true],
  ['/etc/a/b', '/etc', true],
  ['/etc/a/b', '/etc/a', true],
  ['/etc/a/b', '/etc/a/b', false],
  ['/etc/a/b', '/etc/c', false],
  ['/etc/**', '/', true],
  ['/etc/**', '/etc', true],
  ['/etc/**', '/etc/a/b', true],
  ['/etc/**', '/var', false],
  ['/etc/*', '/etc', true],
  ['/etc/*', '/etc/a', false],
  ['/etc/**/*.x', '/etc/a/b', true],
  ['/etc/*.d/x', '/etc/a.d', true],
  ['/etc/*.d/x', '/etc/a', false],
  ['/etc/*.d/x', '/etc/a.d/x', false],
  ['/etc/*.d/**', '/etc/a.d/b/c', true],
  ['/etc/{a,b/c}/d', '/etc/b', true],
  ['/**', '/a', true],
];

for (const [text, raw, may] of below) {
  test(`${text} ${may ? 'may match' : 'matches nothing'} below ${raw}`, () => {
    assert.equal(mayMatchBelow(pattern(text), path(raw)), may);
  });
}

const refused: readonly (readonly [string, RegExp])[] = [
  ['etc/hosts', /begins with "\/"/],
  ['!/etc/hosts', /begins with "\/"/],
  ['!(/etc)/**', /begins with "\/"/],
  ['', /begins with "\/"/],
  [`/${'a/'.repeat(600)}`, /at most 1024/],
  ['/etc/../var', /without "\.\."/],
  ['/etc/*/../var', /without "\.\."/],
  ['/etc/./a', /without "\.\."/],
  ['/etc//a', /without "\.\."/],
  ['/etc/', /without "\.\."/],
  ['/etc/a\0b', /no NUL/],
  ['/etc/*\0b', /no NUL/],
  ['/', /below "\/"/],
  ['/etc/a(b)', /parenthesis/],
  ['/etc/!(a)', /exclude instead/],
  ['/etc/a[b', /"\]" after "\["/],
  ['/etc/a]', /closes nothing/],
  ['/etc/{a,b', /closes what was opened/],
  ['/etc/a}', /closes nothing/],
  ['/etc/{1..3}', /alternatives such as/],
  ['/etc/a*|/var/**', /bar/],
  ['/etc/"a"', /quotation mark/],
  ['/etc/a\\', /after "\\"/],
];

for (const [text, expected] of refused) {
  test(`refuses the pattern ${JSON.stringify(text).slice(0, 40)}`, () => {
    const result = parsePattern(text);
    assert.ok(!result.ok);
    assert.match(result.expected, expected);
  });
}
