import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { test } from 'node:test';
import type { Entry } from '../../src/core/entry.ts';
import type { ReplicaPath } from '../../src/core/path.ts';
import type { Observation } from '../../src/files/observation.ts';
import { type ScanOptions, scan } from '../../src/files/scan.ts';
import { flat } from '../rig/flat.ts';
import { entryOf, failureOf, memoryCache, replica, run, temporaryFolder } from './fixture.ts';

type Watchlists = ScanOptions['watchlists'];

/** Everything at or below the roots, but for what is excluded together with all below. */
function everything(roots: readonly string[], exclude: readonly string[] = []): Watchlists {
  const out = (path: string): boolean => exclude.some((one) => path === one || path.startsWith(`${one}/`));
  return {
    roots: roots.map(replica),
    includes: (path) => !out(path),
    mayContain: (path) => !out(path),
  };
}

function fill(root: string, names: readonly string[]): void {
  for (const name of names) {
    mkdirSync(dirname(`${root}/${name}`), { recursive: true });
    if (name.endsWith('/')) mkdirSync(`${root}/${name}`, { recursive: true });
    else writeFileSync(`${root}/${name}`, name);
  }
}

function put(root: string, files: Readonly<Record<string, string>>): void {
  fill(root, Object.keys(files));
  for (const [name, content] of Object.entries(files)) writeFileSync(`${root}/${name}`, content);
}

function seenEntry(found: Found | undefined): Entry {
  assert.ok(found);
  return entryOf(found.observation);
}

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const collected: Item[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}

type Found = { readonly path: string; readonly observation: Observation };

async function scanned(root: string, options: Partial<ScanOptions> = {}): Promise<Found[]> {
  const watchlists = everything(['/etc']);
  const found = await all(flat(scan({ root, watchlists, maxFileSizeBytes: 1024, ...options })));
  return found.map(({ path, observation }) => ({ path, observation }));
}

function paths(found: readonly Found[]): string[] {
  return found.map(({ path }) => path);
}

test('parents come before children, children in the order of their bytes', async () => {
  using folder = temporaryFolder();
  // UTF-16 would put U+1F600 (a surrogate pair) before U+FF5E.
  fill(folder.path, [
    'etc/b',
    'etc/a/z',
    'etc/a.conf',
    'etc/a/B',
    'etc/.h/x',
    'etc/\uff5e',
    'etc/😀',
    'etc/empty/',
    'etc/é',
  ]);
  const found = await scanned(folder.path);
  const expected = [
    '',
    '/.h',
    '/.h/x',
    '/a',
    '/a/B',
    '/a/z',
    '/a.conf',
    '/b',
    '/empty',
    '/é',
    '/\uff5e',
    '/😀',
  ];
  assert.deepEqual(
    paths(found),
    expected.map((path) => `/etc${path}`),
  );
  for (const { path, observation } of found) assert.equal(observation.kind, 'entry', path);
});

test('links are yielded and never followed', async () => {
  using folder = temporaryFolder();
  fill(folder.path, ['etc/a', 'outside/b']);
  symlinkSync('../outside', folder.at('etc/link'));
  symlinkSync('.', folder.at('etc/loop'));
  symlinkSync('outside', folder.at('linked-root'));
  assert.deepEqual(paths(await scanned(folder.path)), ['/etc', '/etc/a', '/etc/link', '/etc/loop']);
  const found = await scanned(folder.path, { watchlists: everything(['/linked-root']) });
  assert.deepEqual(paths(found), ['/linked-root']);
  const below = await scanned(folder.path, { watchlists: everything(['/linked-root/b']) });
  assert.deepEqual(below, [
    { path: '/linked-root/b', observation: { kind: 'entry', entry: { kind: 'absent' }, stamp: '' } },
  ]);
});

test('only what is included is yielded, only what may contain it is entered', async () => {
  using folder = temporaryFolder();
  fill(folder.path, [
    'etc/a.conf',
    'etc/a.txt',
    'etc/sub/b.conf',
    'etc/skip/c.conf',
    'usr/d.conf',
    'usr/e.conf',
  ]);
  const asked: string[] = [];
  const watchlists: Watchlists = {
    roots: ['/etc', '/usr/d.conf', '/var/none.conf'].map(replica),
    includes: (path) => path.endsWith('.conf'),
    mayContain: (path) => {
      asked.push(path);
      return path === '/etc' || path === '/etc/sub';
    },
  };
  const found = await scanned(folder.path, { watchlists });
  assert.deepEqual(paths(found), ['/etc/a.conf', '/etc/sub/b.conf', '/usr/d.conf', '/var/none.conf']);
  assert.equal(found.at(-1)?.observation.kind === 'entry', true, 'a start that does not exist is absent');
  assert.ok(!asked.some((path) => path.startsWith('/etc/skip/')));
});

const starts: [string, string[]][] = [
  ['/etc/a', ['/etc/a', '/etc/a/b', '/etc/a/b/c']],
  ['/etc/a/b/c', ['/etc/a/b/c']],
  ['/etc/none', ['/etc/none']],
  ['/usr', ['/usr/one', '/usr/two']],
  ['/', ['/etc', '/etc/a', '/etc/a/b', '/etc/a/b/c', '/etc/ab', '/usr/one', '/usr/two']],
  ['/us', []],
  ['/var', []],
];
for (const [from, expected] of starts) {
  test(`a scan from ${from} sees what is at or below it`, async () => {
    using folder = temporaryFolder();
    fill(folder.path, ['etc/a/b/c', 'etc/ab', 'usr/one', 'usr/two', 'usr/three', 'var/x']);
    const watchlists = everything(['/etc', '/usr/one', '/usr/two']);
    assert.deepEqual(paths(await scanned(folder.path, { watchlists, from: replica(from) })), expected);
  });
}

test('a file that is not included is neither read nor told, whatever is wrong with it', async () => {
  using folder = temporaryFolder();
  fill(folder.path, ['etc/app/a.conf', 'etc/app/d/b.conf', 'etc/app/other']);
  writeFileSync(folder.at('etc/app/large.bin'), 'x'.repeat(2000));
  symlinkSync('\uFFFD', folder.at('etc/app/link'));
  const watchlists = { ...everything(['/etc']), includes: (path: ReplicaPath) => path.endsWith('.conf') };
  const cache = memoryCache();
  const now = (): number => Date.now() + 3_600_000;
  const found = await scanned(folder.path, { watchlists, cache, now });
  assert.deepEqual(paths(found), ['/etc/app/a.conf', '/etc/app/d/b.conf']);
  assert.equal(cache.size, 2, 'nothing else was read');
});

test('our temporary names are told and skipped', async () => {
  using folder = temporaryFolder();
  fill(folder.path, [
    'etc/a',
    'etc/.a.bmcs-0123456789ab~',
    'etc/d/.\n.bmcs-0123456789ab~',
    'etc/.bmcs-0123456789ab~/x',
    'etc/.b~',
  ]);
  const leftovers: ReplicaPath[] = [];
  const found = await scanned(folder.path, { onLeftover: (path) => leftovers.push(path) });
  assert.deepEqual(paths(found), ['/etc', '/etc/.b~', '/etc/a', '/etc/d']);
  assert.deepEqual(leftovers, [
    '/etc/.a.bmcs-0123456789ab~',
    '/etc/.bmcs-0123456789ab~',
    '/etc/d/.\n.bmcs-0123456789ab~',
  ]);
});

test('names that are not valid UTF-8 fail under a printable name each, and are not entered', async () => {
  using folder = temporaryFolder();
  fill(folder.path, ['etc/a', 'etc/é']);
  const bytes = (...parts: (string | number)[]): Buffer =>
    Buffer.concat(
      [folder.at('etc/'), ...parts].map((part) =>
        typeof part === 'string' ? Buffer.from(part) : Buffer.of(part),
      ),
    );
  writeFileSync(bytes('caf', 0xe9), '');
  writeFileSync(bytes('caf', 0xe8), '');
  writeFileSync(bytes('\u001b\\\uFFFD'), '');
  mkdirSync(bytes('dir', 0xff));
  writeFileSync(Buffer.concat([bytes('dir', 0xff), Buffer.from('/x')]), '');
  const found = await scanned(folder.path);
  const good = found.filter(({ observation }) => observation.kind === 'entry');
  assert.deepEqual(paths(good), ['/etc', '/etc/a', '/etc/é']);
  const bad = found.filter(({ observation }) => observation.kind === 'failed');
  assert.deepEqual(paths(bad), [
    '/etc/\\x1b\\x5c\\xef\\xbf\\xbd',
    '/etc/caf\\xe8',
    '/etc/caf\\xe9',
    '/etc/dir\\xff',
  ]);
  for (const { observation } of bad) assert.equal(failureOf(observation).reason, 'bad-path');
  assert.match(failureOf(bad[1]?.observation).detail, /636166e8/);
  const excluded = await scanned(folder.path, {
    watchlists: { ...everything(['/etc']), includes: (path) => path === '/etc' },
  });
  assert.deepEqual(paths(excluded), ['/etc']);
});

test('what is neither file, directory nor link is told', async () => {
  using folder = temporaryFolder();
  fill(folder.path, ['etc/a']);
  run('mkfifo', folder.at('etc/fifo'));
  const found = await scanned(folder.path);
  assert.deepEqual(found.at(-1), { path: '/etc/fifo', observation: { kind: 'unsupported', type: 'fifo' } });
});

test('a directory that cannot be read fails, included or not, and the walk goes on', () => {
  using folder = temporaryFolder();
  fill(folder.path, ['etc/a', 'etc/hidden/x.conf', 'etc/listed/x.conf', 'etc/shut/x.conf', 'etc/z']);
  chmodSync(folder.path, 0o755);
  chmodSync(folder.at('etc/shut'), 0o700);
  chmodSync(folder.at('etc/hidden'), 0o711);
  // Its names may be read, but nothing may be known of what they name.
  chmodSync(folder.at('etc/listed'), 0o744);
  const script = `
    import { scan } from ${JSON.stringify(new URL('../../src/files/scan.ts', import.meta.url).href)};
    const only = (path) => path === '/etc/z';
    for (const [roots, includes] of [[['/etc'], () => true], [['/etc'], only], [['/etc/shut/x.conf', '/etc/z'], only]]) {
      const watchlists = { roots, includes, mayContain: () => true };
      const found = [];
      for await (const slice of scan({ root: process.argv[1], watchlists, maxFileSizeBytes: 10 }))
        for (const { path, observation } of slice) found.push([path, observation.failure?.reason ?? observation.entry?.kind, observation.failure?.detail]);
      console.log(JSON.stringify(found));
    }`;
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', script, folder.path], {
    encoding: 'utf8',
    uid: 65534,
    gid: 65534,
  });
  assert.equal(child.status, 0, child.stderr);
  const [every, some, below] = child.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const mayNotOpen = (path: string): string => `may not open the directory ${path} (EACCES)`;
  const hidden = ['/etc/hidden', 'permission', mayNotOpen('/etc/hidden')];
  const listed = ['/etc/listed', 'permission', 'EACCES: scandir /etc/listed'];
  const shut = ['/etc/shut', 'permission', mayNotOpen('/etc/shut')];
  const last = ['/etc/z', 'file', null];
  assert.deepEqual(every, [
    ['/etc', 'directory', null],
    ['/etc/a', 'file', null],
    hidden,
    listed,
    shut,
    last,
  ]);
  assert.deepEqual(some, [hidden, listed, shut, last]);
  assert.deepEqual(below, [['/etc/shut/x.conf', 'permission', mayNotOpen('/etc/shut')], last]);
});

test('without its root the scan fails, and says nothing of absence', async () => {
  using folder = temporaryFolder();
  const found = await scanned(folder.at('none'));
  assert.deepEqual(paths(found), ['/etc']);
  assert.equal(failureOf(found[0]?.observation).reason, 'io');
});

test('a directory that is taken away during the walk is not yielded as an empty one', async () => {
  using folder = temporaryFolder();
  fill(folder.path, ['etc/a', 'etc/b/x', 'etc/c/x', 'outside/x']);
  const changes: Record<string, () => void> = {
    '/etc/b': () => {
      rmSync(folder.at('etc/b'), { recursive: true });
      symlinkSync('../outside', folder.at('etc/b'));
    },
    '/etc/c': () => renameSync(folder.at('etc/c'), folder.at('moved')),
  };
  // Asked after the directory was looked at and before it is opened.
  const mayContain = (path: ReplicaPath): boolean => {
    changes[path]?.();
    return true;
  };
  const found = await scanned(folder.path, { watchlists: { ...everything(['/etc']), mayContain } });
  assert.deepEqual(
    found.map(({ path, observation }) => [path, observation.kind]),
    [
      ['/etc', 'entry'],
      ['/etc/a', 'entry'],
      ['/etc/b', 'unstable'],
      ['/etc/c', 'unstable'],
    ],
  );
});

test('a known tree is scanned by the cache, a changed file is read', async () => {
  using folder = temporaryFolder();
  fill(folder.path, ['etc/a', 'etc/b']);
  const cache = memoryCache();
  const now = (): number => Date.now() + 3_600_000;
  const first = await scanned(folder.path, { cache, now });
  assert.equal(cache.size, 2);
  const reads: string[] = [];
  const watching = {
    ...cache,
    set: (path: string, stamp: string, entry: Entry) => {
      reads.push(path);
      cache.set(path, stamp, entry);
    },
  };
  assert.deepEqual(await scanned(folder.path, { cache: watching, now }), first);
  writeFileSync(folder.at('etc/b'), 'new');
  await scanned(folder.path, { cache: watching, now });
  assert.deepEqual(reads, ['/etc/b']);
});

test('a lazy walk tells the name alone of a file that nobody has read, and all of what is remembered', async () => {
  using folder = temporaryFolder();
  fill(folder.path, ['etc/known', 'etc/unread', 'etc/d/deep', 'etc/skipped', 'etc/out/x']);
  symlinkSync('unread', folder.at('etc/link'));
  run('mkfifo', folder.at('etc/pipe'));
  const cache = memoryCache();
  const now = (): number => Date.now() + 3_600_000;
  await scanned(folder.path, { cache, now, from: replica('/etc/known') });
  const below = everything(['/etc'], ['/etc/out']);
  // Of a file that is not included nobody need be told, although it may have been a directory with what is.
  const watchlists = {
    ...below,
    includes: (path: ReplicaPath) => path !== '/etc/skipped' && below.includes(path),
  };
  const options = { root: folder.path, watchlists, cache, now, maxFileSizeBytes: 1024, lazy: true };
  const seen = await all(flat(scan(options)));
  assert.deepEqual(
    seen.map(({ path, unread }) => [path, unread === true]),
    [
      ['/etc', false],
      ['/etc/d', false],
      ['/etc/d/deep', true],
      ['/etc/known', false],
      ['/etc/link', false],
      ['/etc/pipe', false],
      ['/etc/unread', true],
    ],
  );
  assert.deepEqual(cache.size, 1, 'nothing was read');
});

for (const [how, disguise] of [
  [
    'in place, its times set back',
    (file: string) => {
      const { atime, mtime } = statSync(file);
      writeFileSync(file, 'new');
      utimesSync(file, atime, mtime);
    },
  ],
  [
    'by a copy with the same size and time, renamed over it',
    (file: string) => {
      const { atime, mtime } = statSync(file);
      writeFileSync(`${file}.tmp`, 'new');
      utimesSync(`${file}.tmp`, atime, mtime);
      renameSync(`${file}.tmp`, file);
    },
  ],
] as const)
  test(`a change is seen that was made ${how}`, async () => {
    using folder = temporaryFolder();
    put(folder.path, { 'etc/a': 'old', 'etc/b': 'old' });
    const cache = memoryCache();
    const now = (): number => Date.now() + 3_600_000;
    const before = await scanned(folder.path, { cache, now });
    disguise(folder.at('etc/b'));
    const after = await scanned(folder.path, { cache, now });
    assert.deepEqual(after.at(-2), before.at(-2));
    const entry = seenEntry(after.at(-1));
    assert.equal(entry.kind === 'file' && entry.digest, createHash('sha256').update('new').digest('hex'));
  });

test('attributes are as they are now, whatever the cache knows', async () => {
  using folder = temporaryFolder();
  put(folder.path, { 'etc/a': 'a' });
  const cache = memoryCache();
  const now = (): number => Date.now() + 3_600_000;
  await scanned(folder.path, { cache, now });
  const seen = async (): Promise<Entry> => seenEntry((await scanned(folder.path, { cache, now })).at(-1));
  chmodSync(folder.at('etc/a'), 0o600);
  assert.partialDeepStrictEqual(await seen(), { mode: 0o600, owner: 'root' });
  chownSync(folder.at('etc/a'), 1, 2);
  assert.partialDeepStrictEqual(await seen(), { owner: 'daemon', group: 'bin' });
  run('setfattr', '-n', 'user.a', '-v', 'x', folder.at('etc/a'));
  assert.partialDeepStrictEqual(await seen(), { xattrs: { 'user.a': 'eA==' } });
  assert.partialDeepStrictEqual(await seen(), { xattrs: { 'user.a': 'eA==' } });
  run('setfattr', '-x', 'user.a', folder.at('etc/a'));
  assert.partialDeepStrictEqual(await seen(), { xattrs: {} });
});

test('owners are called what they are called now, whatever the cache knows', async () => {
  using folder = temporaryFolder();
  put(folder.path, { 'etc/a': 'a' });
  const cache = memoryCache();
  const now = (): number => Date.now() + 3_600_000;
  const before = await scanned(folder.path, { cache, now });
  const known = cache.get('/etc/a');
  assert.ok(known?.entry.kind === 'file');
  for (const renamed of [{ owner: 'was-root' }, { group: 'was-root' }]) {
    cache.set('/etc/a', known.stamp, { ...known.entry, ...renamed });
    assert.deepEqual(await scanned(folder.path, { cache, now }), before);
  }
});

test('a file that is too large is told, whatever the cache knows', async () => {
  using folder = temporaryFolder();
  put(folder.path, { 'etc/a': 'abc' });
  const cache = memoryCache();
  const now = (): number => Date.now() + 3_600_000;
  await scanned(folder.path, { cache, now });
  const [, found] = await scanned(folder.path, { cache, now, maxFileSizeBytes: 2 });
  assert.equal(found?.observation.kind, 'failed');
});

test('a fresh walk reads everything, and makes the cache forget what it is wrong about', async () => {
  using folder = temporaryFolder();
  put(folder.path, { 'etc/a': 'a', 'etc/b': 'b', 'etc/c': 'c' });
  const cache = memoryCache();
  const now = (): number => Date.now() + 3_600_000;
  const right = await scanned(folder.path, { cache, now });
  // What a failing disk does: other bytes, the same inode and times.
  const [a, b] = ['/etc/a', '/etc/b'].map((path) => cache.get(path));
  assert.ok(a && b);
  cache.set('/etc/b', b.stamp, a.entry);
  cache.delete('/etc/c');
  assert.notDeepEqual(await scanned(folder.path, { cache, now }), right);
  assert.deepEqual(await scanned(folder.path, { cache, now, fresh: true }), right);
  assert.equal(cache.get('/etc/b'), undefined);
  assert.deepEqual(cache.get('/etc/a'), a);
  assert.ok(cache.get('/etc/c'));
});

test('the walk gives way to others and ends when it is told to', async () => {
  using folder = temporaryFolder();
  fill(
    folder.path,
    Array.from({ length: 3000 }, (_, index) => `etc/d${index % 10}/f${index}`),
  );
  const controller = new AbortController();
  const reason = new Error('enough');
  const before = readdirSync('/proc/self/fd').length;
  // Nothing is yielded: others get their turn all the same, or this would never be called.
  const watchlists = { ...everything(['/etc']), includes: () => false };
  const walk = all(
    (async function* endless() {
      for (;;)
        yield* flat(scan({ root: folder.path, watchlists, maxFileSizeBytes: 9, signal: controller.signal }));
    })(),
  );
  setImmediate(() => setImmediate(() => controller.abort(reason)));
  await assert.rejects(walk, reason);
  assert.equal(readdirSync('/proc/self/fd').length, before);
  await assert.rejects(scanned(folder.path, { signal: controller.signal }), reason);
});

test('a walk that nobody finishes leaves no descriptor open', async () => {
  using folder = temporaryFolder();
  fill(folder.path, ['etc/a/b/c', 'etc/d']);
  utimesSync(folder.at('etc/d'), 1, 1);
  const before = readdirSync('/proc/self/fd').length;
  const watchlists = everything(['/etc']);
  for await (const { path } of flat(scan({ root: folder.path, watchlists, maxFileSizeBytes: 99 })))
    if (path === '/etc/a/b/c') break;
  assert.equal(readdirSync('/proc/self/fd').length, before);
});

test('a wide tree is walked with as many descriptors as it is deep', async () => {
  using folder = temporaryFolder();
  fill(
    folder.path,
    Array.from({ length: 40 }, (_, index) => `etc/d${index}/e/f`),
  );
  const before = readdirSync('/proc/self/fd').length;
  let most = 0;
  const watchlists = everything(['/etc']);
  for await (const _ of flat(scan({ root: folder.path, watchlists, maxFileSizeBytes: 99 })))
    most = Math.max(most, readdirSync('/proc/self/fd').length);
  assert.equal(most - before, 4);
});

test('a tree of 500 levels is walked to its end', async () => {
  using folder = temporaryFolder();
  const deep = `etc/${'d/'.repeat(500)}`;
  fill(folder.path, [`${deep}a`]);
  const before = readdirSync('/proc/self/fd').length;
  const found = await scanned(folder.path);
  assert.equal(found.length, 502);
  assert.equal(found.at(-1)?.path, `/${deep}a`);
  assert.ok(found.every(({ observation }) => observation.kind === 'entry'));
  assert.equal(readdirSync('/proc/self/fd').length, before);
});

test('a path that is too long for the system fails by itself, the longest name does not', async () => {
  using folder = temporaryFolder();
  const long = 'n'.repeat(255);
  fill(folder.path, [`etc/${long}`, 'etc/z']);
  let fd = openSync(folder.at('etc'), 'r');
  for (let level = 0; level < 20; level += 1) {
    const child = `/proc/self/fd/${fd}/${'m'.repeat(250)}`;
    mkdirSync(child);
    const below = openSync(child, 'r');
    closeSync(fd);
    fd = below;
  }
  closeSync(fd);
  const found = await scanned(folder.path);
  // Node cannot remove what no path tells.
  run('rm', '-r', folder.at('etc'));
  assert.deepEqual(paths(found).slice(-2), [`/etc/${long}`, '/etc/z']);
  const failed = found.filter(({ observation }) => observation.kind === 'failed');
  assert.equal(failed.length, 1);
  assert.deepEqual(failureOf(failed[0]?.observation), {
    reason: 'bad-path',
    detail: 'expected a path within the limits of the system, found path-too-long',
  });
});
