import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import micromatch from 'micromatch';
import { loadWatchlists, type Watchlists } from '../../src/config/watchlist.ts';
import { Failure } from '../../src/core/failure.ts';
import { ancestorsOf, parseReplicaPath, type ReplicaPath } from '../../src/core/path.ts';

const folder = mkdtempSync(join(tmpdir(), 'bmcs-watchlist-'));
after(() => rmSync(folder, { recursive: true }));

function path(raw: string): ReplicaPath {
  const parsed = parseReplicaPath(raw);
  assert.ok(parsed.ok, raw);
  return parsed.path;
}

/** Writes each text as `list0.yml`, `list1.yml`, ... and loads them all. */
function load(...texts: readonly string[]): Watchlists {
  const names = texts.map((text, index) => {
    writeFileSync(join(folder, `list${index}.yml`), text);
    return `list${index}`;
  });
  return loadWatchlists(names, { shippedFolder: folder });
}

function failureOf(action: () => unknown): Failure {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof Failure, String(error));
    return error;
  }
  assert.fail('expected a Failure');
}

const sample = `name: sample
include:
  - /etc/**
  - /usr/share/app/app.yml
  - /srv/*/conf
exclude:
  - /etc/hostname   # the machine's own
  - /etc/lvm
  - /etc/**/*.bak
  - /usr/share/app/*.tmp
`;

test('decides, and names the deciding rule with its line', () => {
  const lists = load(sample);
  const file = join(folder, 'list0.yml');
  const rule = (line: number, pattern: string, effect: 'include' | 'exclude') => ({
    watchlist: 'sample',
    file,
    line,
    pattern,
    effect,
  });
  assert.deepEqual(lists.decide(path('/etc/a')), { included: true, rule: rule(3, '/etc/**', 'include') });
  assert.deepEqual(lists.decide(path('/etc/hostname')), {
    included: false,
    rule: rule(7, '/etc/hostname', 'exclude'),
  });
  assert.deepEqual(lists.decide(path('/etc/lvm/backup/vg0')), {
    included: false,
    rule: rule(8, '/etc/lvm', 'exclude'),
    through: '/etc/lvm',
  });
  assert.deepEqual(lists.decide(path('/etc/old.bak/x/y')), {
    included: false,
    rule: rule(9, '/etc/**/*.bak', 'exclude'),
    through: '/etc/old.bak',
  });
  assert.deepEqual(lists.decide(path('/var/x')), { included: false, rule: undefined });
});

test('our own temporary names are out, and so is what lies below one', () => {
  const lists = load(sample);
  assert.deepEqual(lists.decide(path('/etc/.a.bmcs-0123456789ab~')), {
    included: false,
    rule: undefined,
    temporary: true,
  });
  assert.equal(lists.includes(path('/etc/.a.bmcs-0123456789abo~/b')), false);
  assert.equal(lists.includes(path('/etc/a.bmcs-0123456789ab')), true);
});

test('exclude beats include across watchlists and whatever the order', () => {
  const excluding = 'name: own\nexclude: [/etc/private, /usr/share/app/app.yml]\n';
  for (const lists of [load(sample, excluding), load(excluding, sample)]) {
    assert.equal(lists.includes(path('/etc/private/key')), false);
    assert.equal(lists.includes(path('/usr/share/app/app.yml')), false);
    assert.equal(lists.includes(path('/etc/public')), true);
  }
});

test('prunes walks to where something can be in', () => {
  const lists = load(sample);
  const table: readonly (readonly [string, boolean])[] = [
    ['/', true],
    ['/etc', true],
    ['/etc/a/b', true],
    ['/etc/lvm', false],
    ['/etc/lvm/backup', false],
    ['/usr', true],
    ['/usr/share/app', true],
    ['/usr/share/other', false],
    ['/srv', true],
    ['/srv/a', true],
    ['/srv/a/conf', false],
    ['/var', false],
  ];
  for (const [raw, expected] of table) assert.equal(lists.mayContain(path(raw)), expected, raw);
});

test('directories on the way are implied, unless they are in themselves or out', () => {
  const lists = load(sample);
  const table: readonly (readonly [string, boolean])[] = [
    ['/usr', true],
    ['/usr/share/app', true],
    ['/usr/share/app/app.yml', false],
    ['/etc', true],
    ['/etc/a', false],
    ['/etc/lvm', false],
    ['/srv/a', true],
    ['/var', false],
  ];
  for (const [raw, expected] of table) assert.equal(lists.impliedDirectory(path(raw)), expected, raw);
});

test('roots are minimal, literals are listed with their lines', () => {
  const lists = load(
    'name: a\ninclude:\n  - /etc/**\n  - /etc/aliases\n  - /opt/x/y\n  - /opt/x/y/z\n  - /opt/q*/r\n',
  );
  assert.deepEqual(lists.roots, ['/etc', '/opt']);
  assert.deepEqual(
    lists.literals.map(({ path: at, line }) => [at, line]),
    [
      ['/etc/aliases', 4],
      ['/opt/x/y', 5],
      ['/opt/x/y/z', 6],
    ],
  );
});

test('the digest depends on names and rules, not on comments, order or place', () => {
  const { digest } = load('name: a\ninclude: [/etc/**, /a]\nexclude: [/etc/x]\n');
  assert.match(digest, /^[0-9a-f]{64}$/);
  assert.equal(load('# c\nexclude:\n  - /etc/x # why\ninclude: [/a, /etc/**]\nname: a\n').digest, digest);
  const elsewhere = join(folder, 'elsewhere.yml');
  writeFileSync(elsewhere, 'name: a\ninclude: [/etc/**, /a]\nexclude: [/etc/x]\n');
  assert.equal(loadWatchlists([elsewhere], { shippedFolder: '/nowhere' }).digest, digest);
  const others = [
    'name: b\ninclude: [/etc/**, /a]\nexclude: [/etc/x]\n',
    'name: a\ninclude: [/etc/**, /a]\nexclude: [/etc/y]\n',
    'name: a\ninclude: [/etc/**, /a, /etc/x]\n',
  ];
  for (const other of others) assert.notEqual(load(other).digest, digest, other);
});

test('groups, validators and hooks are read', () => {
  const lists = load(`name: a
include: [/etc/**]
groups: [{ name: mail, files: [/etc/aliases, /etc/aliases.db] }]
validate: [{ match: "/etc/ssl/*.pem", run: [openssl, x509, -noout, -in, "{file}"] }]
apply: [{ match: /etc/sysctl.conf, run: [sysctl, --system], timeout: 2m }]
`);
  assert.deepEqual(lists.groups, [
    { watchlist: 'a', name: 'mail', files: ['/etc/aliases', '/etc/aliases.db'] },
  ]);
  const [validator] = lists.validators;
  assert.deepEqual(validator?.run, ['openssl', 'x509', '-noout', '-in', '{file}']);
  assert.equal(validator?.timeoutMs, 30_000);
  assert.equal(validator?.matches(path('/etc/ssl/a.pem')), true);
  assert.equal(validator?.matches(path('/etc/ssl/a/b.pem')), false);
  assert.deepEqual(lists.applies[0]?.timeoutMs, 120_000);
});

test('a file knows its group, whatever the watchlist, and other files have none', () => {
  const lists = load(
    'name: a\ninclude: [/etc/**]\ngroups: [{ name: mail, files: [/etc/aliases, /etc/aliases.db] }]\n',
    'name: b\ngroups: [{ name: tls, files: [/etc/ssl/a.pem, /etc/ssl/a.key] }]\n',
  );
  const [mail, tls] = lists.groups;
  assert.equal(tls?.name, 'tls');
  assert.equal(lists.groupOf(path('/etc/aliases')), mail);
  assert.equal(lists.groupOf(path('/etc/aliases.db')), mail);
  assert.equal(lists.groupOf(path('/etc/ssl/a.key')), tls);
  for (const other of ['/etc/aliases.d', '/etc', '/etc/ssl', '/etc/aliases/x'])
    assert.equal(lists.groupOf(path(other)), undefined, other);
});

test('the policy of a path: the first that matches it, else that of its watchlist, else none', () => {
  const lists = load(
    `name: a
include: [/etc/**]
policies:
  - { match: /etc/postfix/main.cf, conflict: hold }
  - { match: "/etc/postfix/**", conflict: newest-wins }
  - { match: "/etc/**/*.cf", conflict: active-wins }
`,
    'name: b\ninclude: [/opt/b/**]\nexclude: [/etc/private]\nconflict: active-wins\n',
    'name: c\ninclude: [/opt/c/**]\npolicies: [{ match: "/opt/b/own/*", conflict: hold }]\n',
  );
  const table: readonly (readonly [string, string | undefined])[] = [
    ['/etc/postfix/main.cf', 'hold'],
    ['/etc/postfix/master.cf', 'newest-wins'],
    ['/etc/postfix', undefined],
    ['/etc/x/other.cf', 'active-wins'],
    ['/etc/hosts', undefined],
    ['/opt/b/x', 'active-wins'],
    ['/opt/b/own/x', 'hold'],
    ['/opt/b/own/x/y', 'active-wins'],
    ['/opt/c/x', undefined],
    ['/var/x', undefined],
  ];
  for (const [raw, expected] of table) assert.equal(lists.policyOf(path(raw)), expected, raw);
});

test('policies and groups change neither what is in nor the digest', () => {
  const plain = load('name: a\ninclude: [/etc/**]\n');
  const { digest, rules } = load(
    'name: a\ninclude: [/etc/**]\nconflict: hold\npolicies: [{ match: /etc/x, conflict: hold }]\ngroups: [{ name: g, files: [/etc/x] }]\n',
  );
  assert.equal(digest, plain.digest);
  assert.equal(rules.length, plain.rules.length);
});

const mistakes: readonly (readonly [string, string, string])[] = [
  ['no name', 'include: [/a]', ':1: name: expected a name of letters'],
  [
    'an unknown key',
    'name: a\nincludes: [/a]',
    ':2: includes: expected one of the keys name, include, exclude, conflict, policies, groups, scopes, validate, apply, found the unknown key',
  ],
  ['include as a text', 'name: a\ninclude: /a', ':2: include: expected a list of patterns, found "/a"'],
  [
    'a number as pattern',
    'name: a\ninclude:\n  - /a\n  - 3',
    ':4: include[1]: expected an absolute path or pattern, found 3',
  ],
  [
    'a relative pattern',
    'name: a\ninclude:\n  - /a\n  - etc/x',
    ':4: include[1]: expected a pattern that begins with "/", found "etc/x"',
  ],
  [
    'a pattern with ..',
    'name: a\ninclude: [/a]\nexclude: [/a/../b]',
    ':3: exclude[0]: expected an absolute path',
  ],
  [
    'a bad match',
    'name: a\ninclude: [/a]\napply: [{ match: b, run: [x] }]',
    ':3: apply[0].match: expected a pattern',
  ],
  [
    'an unknown policy',
    'name: a\ninclude: [/a]\nconflict: newest',
    ':3: conflict: expected one of hold, active-wins, newest-wins, found "newest"',
  ],
  [
    'a policy without value',
    'name: a\ninclude: [/a]\nconflict:',
    ':3: conflict: expected one of hold, active-wins, newest-wins, found nothing',
  ],
  [
    'policies as a mapping',
    'name: a\ninclude: [/a]\npolicies: { /a: hold }',
    ':3: policies: expected a list of policies, found a mapping',
  ],
  [
    'a policy for a relative pattern',
    'name: a\ninclude: [/a]\npolicies:\n  - { match: /a, conflict: hold }\n  - { match: b, conflict: hold }',
    ':5: policies[1].match: expected a pattern that begins with "/", found "b"',
  ],
  [
    'a policy for no path',
    'name: a\ninclude: [/a]\npolicies:\n  - conflict: hold',
    ':4: policies[0].match: expected an absolute path or pattern, found nothing',
  ],
  [
    'a policy for a path that says nothing',
    'name: a\ninclude: [/a]\npolicies:\n  - match: /a',
    ':4: policies[0].conflict: expected one of hold, active-wins, newest-wins, found nothing',
  ],
  [
    'an unknown policy for a path',
    'name: a\ninclude: [/a]\npolicies:\n  - match: /a\n    conflict: passive-wins',
    ':5: policies[0].conflict: expected one of hold, active-wins, newest-wins, found "passive-wins"',
  ],
  [
    'an unknown key of a policy',
    'name: a\ninclude: [/a]\npolicies:\n  - match: /a\n    conflict: hold\n    policy: hold',
    ':6: policies[0].policy: expected one of the keys match, conflict, found the unknown key "policy"',
  ],
  [
    'a command as one text',
    'name: a\ninclude: [/a]\napply: [{ match: /b, run: x y }]',
    ':3: apply[0].run: expected a list',
  ],
  [
    'an empty command',
    'name: a\ninclude: [/a]\napply: [{ match: /b, run: [] }]',
    'apply[0].run: expected a program',
  ],
  [
    'a timeout without unit',
    'name: a\ninclude: [/a]\napply: [{ match: /b, run: [x], timeout: 30 }]',
    ':3: apply[0].timeout: expected a duration such as 500ms, 30s, 5m, 2h or 1d, found 30',
  ],
  [
    'a relative group file',
    'name: a\ninclude: [/a]\ngroups: [{ name: g, files: [b] }]',
    ':3: groups[0].files[0]: expected an absolute path',
  ],
  [
    'a file in two groups',
    'name: a\ninclude: [/a]\ngroups:\n  - { name: g, files: [/a] }\n  - { name: h, files: [/a] }',
    ':5: groups[1].files[0]: expected a file that is in no other group, found "/a" again',
  ],
  [
    'a group name twice',
    'name: a\ninclude: [/a]\ngroups:\n  - { name: g, files: [/a] }\n  - { name: g, files: [/b] }',
    ':5: groups[1].name: expected a name that no other group has, found "g" again',
  ],
  ['nothing to include', 'name: a\nexclude: [/a]', ': include: expected at least one pattern'],
  [
    'a duplicate key',
    'name: a\ninclude: [/a]\ninclude: [/b]',
    ':3: include: expected each key once, found it again',
  ],
  ['bad YAML', 'name: a\ninclude: [', 'expected valid YAML'],
];

for (const [name, text, expected] of mistakes) {
  test(`refuses ${name}`, () => {
    const failure = failureOf(() => load(text));
    assert.equal(failure.code, 'config-invalid');
    assert.equal(failure.exit, 'usage');
    assert.notEqual(failure.hint, '');
    assert.ok(failure.message.includes(expected), failure.message);
  });
}

test('lists the problems of all files, and the shipped names when one is missing', () => {
  writeFileSync(join(folder, 'broken.yml'), 'name: 3\ninclude: [x]\n');
  const failure = failureOf(() => loadWatchlists(['broken', 'nope'], { shippedFolder: folder }));
  const lines = failure.message.split('\n');
  assert.ok(lines.some((line) => line.startsWith(`${join(folder, 'broken.yml')}:1: name: `)));
  assert.ok(lines.includes(`${join(folder, 'nope.yml')}: expected a readable YAML file, found no such file`));
  assert.match(failure.hint, /broken/);
});

test('two watchlists of one name are refused', () => {
  const text = 'name: a\ninclude: [/a]\n';
  assert.match(
    failureOf(() => load(text, text)).message,
    /list1\.yml:1: name: expected a name that no other/,
  );
});

/** The rules as anybody would write them down, one pattern at a time and without any index. */
function naivelyMatches(pattern: string, at: string): boolean {
  // Without the leading slash, since micromatch reads `/**/a` as not covering `/a`.
  const covers = (glob: string, one: string) =>
    micromatch.makeRe(glob.slice(1), { dot: true, posix: true }).test(one.slice(1));
  if (!pattern.endsWith('/**')) return (at === pattern && !pattern.includes('**')) || covers(pattern, at);
  const above = pattern.replace(/(\/\*\*)+$/, '');
  return above === '' || ancestorsOf(path(at)).some((one) => covers(above, one));
}

function naivelyIncludes(include: readonly string[], exclude: readonly string[], at: ReplicaPath): boolean {
  const out = [...ancestorsOf(at), at].some((one) => exclude.some((pattern) => naivelyMatches(pattern, one)));
  return !out && include.some((pattern) => naivelyMatches(pattern, at));
}

const pathName = fc.constantFrom('a', 'b', 'ab', '.a', 'a.b', 'b~', 'a[1]', 'a1', '{a,b}', '(a)', '!a', 'a+');
const somePath = fc
  .array(pathName, { minLength: 1, maxLength: 4 })
  .map((names) => path(`/${names.join('/')}`));
const patternName = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('a', 'b', 'ab', '.a', 'a.b') },
  {
    weight: 2,
    arbitrary: fc.constantFrom('*', 'a*', '*b', '?', '.*', '{a,b}', 'a[1]', '[!a]', '@(a|b)', '*~'),
  },
  { weight: 1, arbitrary: fc.constantFrom('{a,b/a}', '**', '@(a|b/a)') },
);
const somePattern = fc
  .array(patternName, { minLength: 1, maxLength: 4 })
  .map((names) => `/${names.join('/')}`);

test('decisions agree with micromatch one pattern at a time, and pruning never hides what is in', () => {
  const scenario = fc.record({
    include: fc.array(somePattern, { minLength: 1, maxLength: 3 }),
    exclude: fc.array(somePattern, { maxLength: 3 }),
    paths: fc.array(somePath, { minLength: 10, maxLength: 30 }),
  });
  let included = 0;
  fc.assert(
    fc.property(scenario, ({ include, exclude, paths }) => {
      const lists = load(JSON.stringify({ name: 'a', include, exclude }));
      for (const at of paths) {
        const expected = naivelyIncludes(include, exclude, at);
        const decision = lists.decide(at);
        assert.equal(lists.includes(at), expected, at);
        assert.equal(decision.included, expected, at);
        if (decision.rule !== undefined) {
          assert.equal(decision.rule.effect, expected ? 'include' : 'exclude');
          assert.ok(naivelyMatches(decision.rule.pattern, decision.through ?? at));
        }
        if (!expected) continue;
        included += 1;
        for (const ancestor of ancestorsOf(at)) {
          assert.equal(lists.mayContain(ancestor), true, `${ancestor} above ${at}`);
          assert.equal(lists.impliedDirectory(ancestor), !lists.includes(ancestor), ancestor);
        }
        assert.ok(lists.roots.some((root) => root === '/' || root === at || at.startsWith(`${root}/`)));
      }
    }),
    { numRuns: 500 },
  );
  assert.ok(included > 50, `the property saw only ${included} included paths`);
});
