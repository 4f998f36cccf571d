import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { doctor } from '../../src/cli/commands/doctor.ts';
import { admits, parseAuthorizedKeys } from '../../src/cli/doctor/authorized-keys.ts';
import { type Check, error, exitOf, listed, ok, shellWord, warning } from '../../src/cli/doctor/check.ts';
import { fencingIn, judgeFencing } from '../../src/cli/doctor/fencing.ts';
import { fileSystemsOf, judgeExchange, typeAt } from '../../src/cli/doctor/file-systems.ts';
import { judgeInotify } from '../../src/cli/doctor/inotify.ts';
import { judgeClock, judgeOwners, judgePeer } from '../../src/cli/doctor/judge-peer.ts';
import { judgeModes } from '../../src/cli/doctor/modes.ts';
import { otherTools } from '../../src/cli/doctor/other-tools.ts';
import { judgePackages } from '../../src/cli/doctor/packages.ts';
import { asJson, render, wrapped } from '../../src/cli/doctor/render.ts';
import { judgeSpace } from '../../src/cli/doctor/space.ts';
import { globs, judgeSshd, keyFiles, parseSettings } from '../../src/cli/doctor/sshd.ts';
import { thisMachine } from '../../src/cli/doctor/surroundings.ts';
import { leavesFor, type Survey } from '../../src/cli/doctor/tree.ts';
import { overlapping } from '../../src/cli/doctor/watchlists.ts';
import { Failure } from '../../src/core/failure.ts';
import type { ReplicaPath } from '../../src/core/path.ts';
import { parseMounts } from '../../src/files/mounts.ts';
import { kernelRenames } from '../../src/files/place.ts';
import { doctorAnswer, parseFromActive } from '../../src/wire/message.ts';
import { encodeFrame } from '../rig/frames.ts';
import { temporaryFolder, write } from '../world/tree.ts';

/** What each check makes of what it was told; test/main/doctor.test.ts breaks the things themselves. */

const path = (text: string): ReplicaPath => text as ReplicaPath;
const results = (checks: readonly Check[]): string[] => checks.map(({ result }) => result);

describe('how doctor ends', () => {
  const cases: [string, Check[], string][] = [
    ['nothing', [ok('modes', 'x')], 'done'],
    ['a warning', [warning('modes', 'x', 'y')], 'done'],
    ['an error', [error('modes', 'x', 'y')], 'drift'],
    ['a peer that does not answer', [error('reach', 'x', 'y'), warning('modes', 'x', 'y')], 'unreachable'],
    ['that and more', [error('reach', 'x', 'y'), error('modes', 'x', 'y')], 'drift'],
    ['a broken configuration', [error('configuration', 'x', 'y'), error('reach', 'x', 'y')], 'usage'],
  ];
  for (const [what, checks, exit] of cases)
    it(`with ${what}: ${exit}`, () => assert.equal(exitOf(checks), exit));
});

it('doctor is for root', async (t) => {
  const { geteuid } = process;
  t.after(() => Object.assign(process, { geteuid }));
  Object.assign(process, { geteuid: () => 1000 });
  const io = { out: () => undefined, err: () => undefined, colour: false, interactive: false };
  await assert.rejects(doctor({ config: '/nowhere.yml', json: false }, io), {
    code: 'not-root',
    exit: 'usage',
  });
});

describe('the words of doctor', () => {
  it('wrap at spaces, and never within a word', () => {
    assert.deepEqual(wrapped('one two three', 7), ['one two', 'three']);
    assert.deepEqual(wrapped('/a/very/long/path is it', 6), ['/a/very/long/path', 'is it']);
    assert.deepEqual(wrapped('', 6), ['']);
  });

  it('name the first of many', () => {
    assert.equal(listed(['a', 'b', 'c'], 2), 'a, b and 1 more');
    assert.equal(listed(['a', 'b'], 2), 'a, b');
  });

  it('are safe in a shell', () => {
    assert.equal(shellWord('/etc/a.conf'), '/etc/a.conf');
    assert.equal(shellWord("a b'; rm"), `'a b'\\''; rm'`);
  });

  const io = { out: () => undefined, err: () => undefined, colour: false, interactive: false };
  const ground = {
    file: '',
    config: undefined,
    watchlists: undefined,
    seat: { kind: 'none' },
    problem: undefined,
  } as const;
  const checks = [error('b', 'the evil \u001b[2J name', 'mend it'), warning('c', 'w', 'm'), ok('a', 'fine')];

  it('stand with what has to be done last, and escape what is not text', () => {
    const text = render({ ground, checks }, io);
    const [a, c, b] = [
      'ok  a  fine',
      'warning: c\n    w\n    mend: m\n',
      'error: b\n    the evil \\x1b[2J name\n    mend: mend it\n',
    ];
    assert.equal(text, `${a}\n\n${c}\n${b}\nthis node: 1 error, 1 warning, 1 ok\n`);
  });

  it('have colour where a terminal wants it, beside the word', () => {
    const text = render({ ground, checks }, { ...io, colour: true });
    assert.ok(text.includes('\u001b[31merror\u001b[0m: '), text);
  });

  it('are as they are for a program', () => {
    const told = asJson({ ground, checks }) as { ok: boolean; checks: Check[] };
    assert.equal(told.ok, false);
    assert.deepEqual(told.checks[0], {
      name: 'b',
      result: 'error',
      found: 'the evil \u001b[2J name',
      mend: 'mend it',
    });
  });
});

describe('what sshd says', () => {
  const comer = { user: 'root', host: 'mail2', address: '192.0.2.12' };
  const judged = (text: string): string[] =>
    results(judgeSshd({ kind: 'settings', settings: parseSettings(text) }, comer, ['root', 'wheel']));
  const cases: [string, string[]][] = [
    ['permitrootlogin forced-commands-only\nallowusers bm\nallowusers root', ['ok']],
    ['permitrootlogin without-password', ['ok']],
    ['permitrootlogin no\npubkeyauthentication no', ['error', 'error']],
    ['allowusers root@192.0.2.1?', ['ok']],
    ['allowusers root@mail3', ['error']],
    ['allowusers root@192.0.2.0/24', ['not checked']],
    ['denyusers bm', ['ok']],
    ['allowgroups wheel', ['ok']],
    ['denygroups wh*', ['error']],
    ['authenticationmethods any', ['ok']],
    ['authenticationmethods publickey,password publickey', ['ok']],
    ['authenticationmethods publickey,password', ['error']],
    ['forcecommand none\nmaxsessions 0', ['error']],
  ];
  for (const [text, expected] of cases)
    it(`${text.replaceAll('\n', ', ')}: ${expected.join()}`, () => assert.deepEqual(judged(text), expected));

  it('patterns are of sshd, not of a regular expression', () => {
    assert.ok(globs('192.0.2.*', '192.0.2.9'));
    assert.ok(!globs('192.0.2.?', '192x0.2.9'));
  });

  it('names the files of keys', () => {
    const settings = parseSettings('AuthorizedKeysFile .ssh/authorized_keys /etc/ssh/%u.keys %h/k%%');
    assert.deepEqual(keyFiles({ kind: 'settings', settings }, 'root', '/root'), [
      '/root/.ssh/authorized_keys',
      '/etc/ssh/root.keys',
      '/root/k%',
    ]);
  });

  it('reads authorized_keys with quotes in options', () => {
    const text =
      '# ssh-rsa X\n\nRestrict,command="sh -c \\"a, b\\"",from="a,b" ssh-ed25519 AAAA me\nssh-rsa BBBB\nnonsense\n';
    const [first, second, ...rest] = parseAuthorizedKeys('f', text);
    assert.deepEqual(
      [...(first?.options ?? [])],
      [
        ['restrict', ''],
        ['command', 'sh -c "a, b"'],
        ['from', 'a,b'],
      ],
    );
    assert.deepEqual(
      [first?.line, first?.key, second?.key, second?.options.size, rest.length],
      [3, 'AAAA', 'BBBB', 0, 0],
    );
  });

  const froms: [string, boolean][] = [
    ['192.0.2.12', true],
    ['mail*', true],
    ['192.0.2.0/24', true],
    ['192.0.3.0/24,10.0.0.0/8', false],
    ['!192.0.2.12,*', false],
    ['2001:db8::/32', false],
    ['192.0.2.0/99', false],
  ];
  for (const [from, admitted] of froms)
    it(`from="${from}" ${admitted ? 'admits' : 'keeps out'} ${comer.address}`, () =>
      assert.equal(admits(from, comer), admitted));
});

describe('links', () => {
  const roots = [path('/etc'), path('/var/lib/bm-ca/cacert.pem')];
  const cases: [string, string, string | undefined][] = [
    ['/etc/a', 'b', undefined],
    ['/etc/ssl/a', '../b', undefined],
    ['/etc/ssl/a', '../../srv/b', '/srv/b'],
    ['/etc/a', '/etcetera/b', '/etcetera/b'],
    ['/etc/a', '/etc', undefined],
    ['/etc/localtime', '/usr/share/zoneinfo/UTC', undefined],
    ['/etc/ca', '/var/lib/bm-ca/cacert.pem', undefined],
    ['/etc/ca', '/var/lib/bm-ca', '/var/lib/bm-ca'],
    ['/etc/mtab', '../proc/self/mounts', undefined],
  ];
  for (const [link, target, expected] of cases)
    it(`${link} -> ${target}: ${expected ?? 'stays'}`, () =>
      assert.equal(leavesFor({ path: path(link), target }, roots), expected));
});

describe('watchlists that overlap', () => {
  const rule = (watchlist: string, pattern: string, effect: 'include' | 'exclude' = 'include') =>
    ({ watchlist, file: `/${watchlist}.yml`, line: 1, pattern, effect }) as const;
  const pairs = (...rules: ReturnType<typeof rule>[]): string[] =>
    overlapping(rules).map(
      ({ outer, inner }) => `${outer.watchlist} over ${inner.watchlist} ${inner.pattern}`,
    );
  it('are told once, whichever comes first', () => {
    assert.deepEqual(pairs(rule('a', '/etc/**'), rule('b', '/etc/x')), ['a over b /etc/x']);
    assert.deepEqual(pairs(rule('b', '/etc/x/*.conf'), rule('a', '/etc/**')), ['a over b /etc/x/*.conf']);
    assert.deepEqual(pairs(rule('a', '/srv/x'), rule('b', '/srv/x')), ['a over b /srv/x']);
    assert.deepEqual(pairs(rule('a', '/etc/**'), rule('b', '/etc/**')), ['a over b /etc/**']);
  });
  it('are no matter within one list, beside each other, or in an exclude', () => {
    assert.deepEqual(pairs(rule('a', '/etc/**'), rule('a', '/etc/x')), []);
    assert.deepEqual(pairs(rule('a', '/etc/**'), rule('b', '/etcx/**'), rule('c', '/etc')), []);
    assert.deepEqual(pairs(rule('a', '/etc/**'), rule('b', '/etc/x', 'exclude')), []);
    assert.deepEqual(pairs(rule('a', '/etc/x/**'), rule('b', '/etc/*.conf')), []);
  });
});

describe('file systems', () => {
  const text = [
    '21 1 254:0 / / rw,relatime - ext4 /dev/vda rw',
    '22 21 0:5 / /etc/a\\040b rw - nfs4 server:/x rw',
    '23 21 0:6 / /tmp rw shared:1 - tmpfs tmpfs rw',
    '24 21 0:7 / /tmp rw - ramfs none rw',
    '',
  ].join('\n');
  it('are those that are mounted nearest and last', () => {
    const mounts = parseMounts(text);
    const types = ['/etc', '/etc/a b/c', '/etc/a', '/tmp/x', '/tmpx'].map((at) => typeAt(mounts, at));
    assert.deepEqual(types, ['ext4', 'nfs4', 'ext4', 'ramfs', 'ext4']);
  });
  it('are judged by their type where nothing may be tried', () => {
    const judged = (type: string): string => {
      const mountinfo = `21 1 254:0 / / rw - ${type} /dev/vda rw`;
      return judgeExchange(fileSystemsOf(['/'], { mountinfo, state: undefined, renames: kernelRenames }))
        .result;
    };
    assert.deepEqual(['xfs', 'nfs4', 'fuse.x'].map(judged), ['ok', 'warning', 'warning']);
  });
});

describe('inotify', () => {
  const limits = {
    watches: 8192,
    instances: 128,
    namespaceWatches: Number.POSITIVE_INFINITY,
    namespaceInstances: 128,
  };
  const facts = { limits, instancesInUse: 3, directories: 300, daemon: undefined };
  const cases: [string, Parameters<typeof judgeInotify>[0], string[]][] = [
    ['enough of all', facts, ['ok']],
    ['no known limits', { ...facts, limits: { ...limits, watches: Number.POSITIVE_INFINITY } }, ['ok']],
    ['close to the limit', { ...facts, directories: 6000 }, ['warning']],
    ['more directories than watches', { ...facts, directories: 8193 }, ['error']],
    ['a limit of the container', { ...facts, limits: { ...limits, namespaceWatches: 10 } }, ['error']],
    ['no instance left', { ...facts, instancesInUse: 128 }, ['error']],
    [
      'no instance left but that of the daemon',
      { ...facts, instancesInUse: 128, daemon: { degraded: null } },
      ['warning'],
    ],
    ['a daemon that cannot watch all', { ...facts, daemon: { degraded: 'EMFILE' } }, ['error']],
  ];
  for (const [what, given, expected] of cases)
    it(`${what}: ${expected.join()}`, () => assert.deepEqual(results(judgeInotify(given)), expected));
});

describe('free space', () => {
  const space = { path: '/s', freeBytes: 1000, inodes: undefined };
  it('is compared with the limit, and its inodes are counted', () => {
    assert.deepEqual(results(judgeSpace([space], 100)), ['ok']);
    assert.deepEqual(results(judgeSpace([space], 251)), ['warning']);
    assert.deepEqual(results(judgeSpace([space], 1001)), ['error']);
    assert.deepEqual(results(judgeSpace([{ ...space, inodes: { free: 9, of: 10_000 } }], 1)), ['error']);
  });
});

describe('modes', () => {
  const found = (mode: number, uid = 0) => ({ mode, uid });
  const cases: [Parameters<typeof judgeModes>[0][number], string[]][] = [
    [{ what: 'private key', path: '/k', found: found(0o600) }, ['ok']],
    [{ what: 'private key', path: '/k', found: found(0o400) }, ['ok']],
    [{ what: 'private key', path: '/k', found: found(0o604) }, ['error']],
    [{ what: 'private key', path: '/k', found: found(0o600, 33) }, ['error']],
    [{ what: 'private key', path: '/k', found: undefined }, ['error']],
    [{ what: 'runtime folder', path: '/r', found: undefined }, ['ok']],
    [{ what: 'configuration file', path: '/c', found: found(0o644) }, ['error']],
    [{ what: 'configuration folder', path: '/c', found: found(0o777) }, ['error']],
  ];
  for (const [guarded, expected] of cases)
    it(`${guarded.what} ${guarded.found?.mode.toString(8) ?? 'missing'}: ${expected.join()}`, () =>
      assert.deepEqual(results(judgeModes([guarded], 0, 'init')), expected));
});

describe('what a peer tells', () => {
  it('a clock within the limit is well, either way', () => {
    assert.deepEqual(
      [2000, -2000, 2001, -2001].map((ms) => judgeClock('mail2', ms, 2000).result),
      ['ok', 'ok', 'warning', 'warning'],
    );
    assert.match(judgeClock('mail2', -90_000, 2000).found, /1 min 30 s behind this one/);
  });

  const survey = {
    owners: new Map([['bm', path('/etc/a')]]),
    groups: new Map([['bm', path('/etc/a')]]),
  } as unknown as Survey;
  it('names that nobody asked for are not repeated', () => {
    assert.deepEqual(results(judgeOwners('mail2', { missingOwners: ['x'], missingGroups: [] }, survey)), [
      'ok',
    ]);
    const [missing] = judgeOwners('mail2', { missingOwners: ['bm'], missingGroups: ['bm'] }, survey);
    assert.equal(
      missing?.found,
      'not on mail2, which refuses their files: owner bm (/etc/a), group bm (/etc/a)',
    );
    assert.match(missing?.mend ?? '', /groupadd --system bm && useradd --system bm$/);
  });

  const packages = (rows: Record<string, string>) => new Map(Object.entries(rows));
  it('packages differ by their version, or by being there', () => {
    const of = (ours: Record<string, string>, theirs: Record<string, string> | undefined) =>
      judgePackages('mail1', 'mail2', packages(ours), theirs && packages(theirs));
    assert.equal(of({ 'bm-core': '5' }, { 'bm-core': '5' }).result, 'ok');
    assert.equal(of({}, {}).result, 'ok');
    assert.match(of({ 'bm-core': '5' }, {}).found, /bm-core 5 here, none on mail2/);
    assert.match(of({}, { 'bm-eas': '4' }).found, /bm-eas none here, 4 on mail2/);
    assert.equal(of({}, undefined).result, 'not checked');
  });

  it('an older one that does not know the request leaves only that out', () => {
    const peer = {
      name: 'mail2',
      host: 'mail2',
      port: 22,
      user: 'root',
      identityFile: '/k',
      hostKey: 'ssh-ed25519 A',
    };
    const welcome = { version: '1', watchlists: 'd' } as never;
    const told = new Failure({
      code: 'peer-unreachable',
      exit: 'unreachable',
      message: 'the link ended',
      hint: '',
    });
    const talk = { kind: 'talked', connectMs: 1, roundTripMs: 1, welcome, told } as const;
    const own = {
      node: 'mail1',
      version: '2',
      digest: 'd',
      clockSkewMs: 1,
      packages: undefined,
      survey: undefined,
    };
    const checks = judgePeer({ peer, address: '', talk }, own);
    const left = checks.filter(({ result }) => result === 'not checked').map(({ name }) => name);
    assert.deepEqual(left, ['clock', 'owners', 'bm-packages']);
    assert.deepEqual(
      checks.filter(({ result }) => result === 'warning').map(({ name }) => name),
      ['version'],
    );
  });
});

describe('other tools', () => {
  const folder = temporaryFolder('tools');
  after(() => rmSync(folder, { recursive: true, force: true }));
  let count = 0;
  /** Processes by their names and words, and files of the system. */
  const told = (
    processes: Readonly<Record<string, string>>,
    files: Readonly<Record<string, string>> = {},
  ) => {
    count += 1;
    const [proc, system] = ['proc', 'system'].map((one) => join(folder, String(count), one));
    if (proc === undefined || system === undefined) throw new Error('two folders were made');
    Object.entries(processes).forEach(([comm, words], at) => {
      write(proc, { [`${at + 1}/comm`]: `${comm}\n`, [`${at + 1}/cmdline`]: words.replaceAll(' ', '\0') });
    });
    write(proc, { version: '' });
    write(system, files);
    const found = otherTools({ ...thisMachine(), proc, system }, ['/etc', '/var/lib/bm-ca/cacert.pem']);
    return found.map(({ tool, names }) => `${tool} ${names?.path ?? 'nothing of ours'}`);
  };
  const cases: [string, ReturnType<typeof told>, string[]][] = [
    ['none', told({ bash: 'bash /etc/x', rsync: 'rsync /etc a:' }), []],
    ['a command line', told({ 'unison-text': 'unison /etc ssh://b//etc' }), ['unison /etc']],
    ['a configuration beside ours', told({ lsyncd: 'lsyncd /etc/my.lua' }), ['lsyncd nothing of ours']],
    ['a folder above ours', told({ lsyncd: 'lsyncd -rsync /var/ host::x' }), ['lsyncd /var/']],
    ['a folder beside ours', told({ lsyncd: 'lsyncd -rsync /var/www host::x' }), ['lsyncd nothing of ours']],
    [
      'what is commented out',
      told({ csync2: 'csync2 -ii' }, { 'etc/csync2.cfg': '# include /etc/nginx;\ninclude /home;\n' }),
      ['csync2 nothing of ours'],
    ],
    ['include', told({ csync2: 'x' }, { 'etc/csync2.cfg': 'include /etc/nginx;\n' }), ['csync2 /etc/nginx']],
    ['not enabled', told({}, { 'etc/csync2.cfg': 'include /etc/nginx;\n' }), []],
    [
      'enabled',
      told({}, { 'etc/systemd/system/sockets.target.wants/csync2@1.socket': '' }),
      ['csync2 nothing of ours'],
    ],
    [
      'rsync in cron',
      told({}, { 'etc/cron.d/x': '1 * * * * root rsync -a b:/etc/bm/ /x' }),
      ['rsync /etc/bm/'],
    ],
    ['rsync of something else', told({}, { 'etc/cron.d/x': '1 * * * * root rsync -a /home b:' }), []],
  ];
  for (const [what, found, expected] of cases)
    it(`${what}: ${expected.join() || 'nothing'}`, () => assert.deepEqual(found, expected));
});

describe('the request to a peer', () => {
  const request = (owners: readonly string[]) =>
    parseFromActive({ t: 'request', id: 1, request: { do: 'doctor', owners, groups: [] } }).ok;
  it('is bounded', () => {
    assert.ok(request(Array(500).fill('a'.repeat(256))));
    assert.ok(!request(Array(501).fill('a')));
    assert.ok(!request(['a'.repeat(257)]));
  });

  const answer = {
    version: '1',
    now: 1,
    missingOwners: [],
    missingGroups: [],
    packages: null,
    publicKeys: [],
  };
  it('is answered within the same bounds, and a newer node may tell more', () => {
    assert.ok(doctorAnswer.safeParse(answer).success);
    assert.ok(doctorAnswer.safeParse({ ...answer, weather: 'fine' }).success);
    assert.ok(!doctorAnswer.safeParse({ ...answer, missingOwners: Array(501).fill('a') }).success);
    assert.ok(!doctorAnswer.safeParse({ ...answer, packages: [['a']] }).success);
  });

  it('fits in a frame with its answer, whatever the names', () => {
    const names = Array<string>(500).fill('\u0001'.repeat(256));
    const packages = names.map((name) => [name, name]);
    const value = { ...answer, missingOwners: names, missingGroups: names, packages };
    assert.ok(doctorAnswer.safeParse(value).success);
    encodeFrame({ t: 'answer', id: 1, outcome: { kind: 'value', value } });
  });
});

describe('fencing', () => {
  const device = "<primitive class='stonith' id='f'/>";
  const property = (value: string): string => `<nvpair id="x" value="${value}" name="stonith-enabled"/>`;
  const cases: [string, string][] = [
    [device, 'ok'],
    [`${property('true')}${device}`, 'ok'],
    [`${property('True')}${device}`, 'ok'],
    [`${property('FALSE')}${device}`, 'error'],
    [`${property('off')}${device}`, 'error'],
    [`${property('true')}${property('0')}${device}`, 'error'],
    [property('true'), 'error'],
    [`<nvpair name="stonith-action" value="off"/>${device}`, 'ok'],
  ];
  for (const [cib, expected] of cases)
    it(`${cib}: ${expected}`, () =>
      assert.equal(judgeFencing(fencingIn(cib, 'test'), undefined).result, expected));
});
