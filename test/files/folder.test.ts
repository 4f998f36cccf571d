import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { before, test } from 'node:test';
import fc from 'fast-check';
import { Folder } from '../../src/files/folder.ts';
import { initialiseHash } from '../../src/files/hash.ts';
import { Manifest } from '../../src/files/manifest.ts';
import type { EntryCache } from '../../src/files/observation.ts';
import { type ScanOptions, scan, scanFolders } from '../../src/files/scan.ts';
import type { Scanned } from '../../src/files/walk.ts';
import { flat } from '../rig/flat.ts';
import { memoryCache, replica, run, temporaryFolder } from './fixture.ts';

before(initialiseHash);

const everything: ScanOptions['watchlists'] = {
  roots: [replica('/etc')],
  includes: () => true,
  mayContain: () => true,
};

/** Long after whatever was done: nothing counts as just changed. */
function later(): number {
  return Date.now() + 10_000;
}

type Walked = { root: string; cache?: EntryCache } & Partial<ScanOptions>;

async function manifest(options: Walked): Promise<{ told: unknown; folders: Folder[]; singles: string[] }> {
  const kept = new Manifest({ mtime: true });
  const rough = new Manifest({ mtime: false });
  const folders: Folder[] = [];
  const singles: string[] = [];
  const walk = { watchlists: everything, maxFileSizeBytes: 1e6, now: later, ...options };
  const found: AsyncIterable<Iterable<Scanned | Folder>> =
    options.cache === undefined ? scan(walk) : scanFolders(walk);
  for await (const one of flat(found)) {
    kept.take(one);
    rough.take(one);
    if (one instanceof Folder) folders.push(one);
    else singles.push(one.path);
  }
  const told = {
    entries: [...kept.entries()].sort(),
    size: kept.size,
    problems: [...kept.problems],
    directories: [...kept.directories()].sort(),
    digests: [kept.digest(), rough.digest()],
    children: [...kept.directories()].map(([path]) => [path, kept.childrenOf(path).toSorted()]).sort(),
  };
  return { told, folders, singles };
}

function fill(root: string): void {
  for (const directory of ['a', 'b']) {
    mkdirSync(`${root}/etc/${directory}`, { recursive: true });
    for (const name of ['one', 'two', 'three']) writeFileSync(`${root}/etc/${directory}/${name}`, name);
  }
}

/** Twice: what is not known the first time is put together, and walked as known the second time. */
async function warm(root: string, options: Partial<ScanOptions> = {}): Promise<EntryCache> {
  const cache = memoryCache();
  for (const _ of [1, 2]) await manifest({ root, cache, ...options });
  untilTimesMove(root);
  return cache;
}

/** The times of files move in ticks, and no walk knows of a directory what changed within one: it waits for longer. */
function untilTimesMove(root: string): void {
  const changedAt = (): bigint => {
    writeFileSync(`${root}/tick`, '');
    return statSync(`${root}/tick`, { bigint: true }).ctimeNs;
  };
  for (const before = changedAt(); changedAt() === before; );
}

test('children that are as they were come as one folder', async () => {
  using folder = temporaryFolder();
  fill(folder.path);
  symlinkSync('one', folder.at('etc/a/link'));
  const cache = await warm(folder.path);
  const { told, folders, singles } = await manifest({ root: folder.path, cache });
  assert.deepEqual(
    folders.map(({ path, names }) => [path, names]),
    [
      ['/etc', []],
      ['/etc/a', ['link', 'one', 'three', 'two']],
      ['/etc/b', ['one', 'three', 'two']],
    ],
  );
  assert.deepEqual(singles, ['/etc', '/etc/a', '/etc/b']);
  assert.deepEqual(told, (await manifest({ root: folder.path })).told);
});

const changes: readonly [string, (root: string) => void][] = [
  ['a file is written in place', (root) => writeFileSync(`${root}/etc/a/two`, 'longer')],
  ['a file is replaced', (root) => renameSync(`${root}/etc/b/one`, `${root}/etc/a/one`)],
  ['a file is added', (root) => writeFileSync(`${root}/etc/a/four`, '')],
  ['a file is removed', (root) => rmSync(`${root}/etc/a/one`)],
  [
    'a file becomes a directory',
    (root) => {
      rmSync(`${root}/etc/a/one`);
      mkdirSync(`${root}/etc/a/one`);
    },
  ],
  [
    'a file becomes a link',
    (root) => {
      rmSync(`${root}/etc/a/one`);
      symlinkSync('two', `${root}/etc/a/one`);
    },
  ],
  ['a mode changes', (root) => chmodSync(`${root}/etc/a/one`, 0o600)],
  ['an owner changes', (root) => chownSync(`${root}/etc/a/one`, 12, 34)],
  ['an attribute is set', (root) => void run('setfattr', '-n', 'user.x', '-v', 'y', `${root}/etc/a/one`)],
  ['the directory’s mode changes', (root) => chmodSync(`${root}/etc/a`, 0o700)],
  ['the directory’s owner changes', (root) => chownSync(`${root}/etc/a`, 12, 34)],
  [
    'the directory is replaced by one with the same names',
    (root) => {
      renameSync(`${root}/etc/a`, `${root}/old`);
      renameSync(`${root}/etc/b`, `${root}/etc/a`);
    },
  ],
  ['the directory goes', (root) => rmSync(`${root}/etc/a`, { recursive: true })],
];

for (const [what, change] of changes) {
  test(`it is seen that ${what}`, async () => {
    using folder = temporaryFolder();
    fill(folder.path);
    const cache = await warm(folder.path);
    const unchanged = await manifest({ root: folder.path });
    change(folder.path);
    const fresh = await manifest({ root: folder.path, cache, fresh: true });
    assert.deepEqual(fresh.told, (await manifest({ root: folder.path })).told);
    const { told } = await manifest({ root: folder.path, cache });
    assert.deepEqual(told, fresh.told);
    assert.notDeepEqual(told, unchanged.told);
    const again = await manifest({ root: folder.path, cache });
    assert.deepEqual(again.told, told);
  });
}

test('what cannot be remembered is looked at each time, beside the folder', async () => {
  using folder = temporaryFolder();
  fill(folder.path);
  run('setfattr', '-n', 'user.x', '-v', 'y', folder.at('etc/a/one'));
  run('mkfifo', folder.at('etc/a/fifo'));
  writeFileSync(folder.at('etc/a/.two.bmcs-0123456789ab~'), '');
  const leftovers: string[] = [];
  const onLeftover = (path: string): void => void leftovers.push(path);
  const cache = await warm(folder.path, { onLeftover });
  const { told, folders, singles } = await manifest({ root: folder.path, cache, onLeftover });
  assert.deepEqual(folders[1]?.names, ['three', 'two']);
  assert.deepEqual(singles, ['/etc', '/etc/a', '/etc/a/fifo', '/etc/a/one', '/etc/b']);
  assert.deepEqual(leftovers, Array(3).fill('/etc/a/.two.bmcs-0123456789ab~'));
  assert.deepEqual(told, (await manifest({ root: folder.path })).told);
});

test('others’ watchlists and limits see their own', async () => {
  using folder = temporaryFolder();
  fill(folder.path);
  const cache = await warm(folder.path);
  const watchlists = { ...everything, includes: (path: string) => path !== '/etc/a/one' };
  for (const options of [{ watchlists }, { maxFileSizeBytes: 4 }]) {
    const root = folder.path;
    const { told } = await manifest({ root, cache, ...options });
    assert.deepEqual(told, (await manifest({ root, ...options })).told);
  }
});

test('a new name is seen in a directory that cannot be remembered itself', async () => {
  using folder = temporaryFolder();
  fill(folder.path);
  writeFileSync(folder.at('etc/a/skip'), '');
  run('setfattr', '-n', 'user.x', '-v', 'y', folder.at('etc/a'));
  const watchlists = { ...everything, includes: (path: string) => !path.endsWith('skip') };
  const skipping = { ...watchlists, mayContain: watchlists.includes };
  const cache = await warm(folder.path, { watchlists: skipping });
  renameSync(folder.at('etc/a/skip'), folder.at('etc/a/four'));
  const { told } = await manifest({ root: folder.path, cache, watchlists: skipping });
  assert.deepEqual(told, (await manifest({ root: folder.path, watchlists: skipping })).told);
});

test('owners are called what they are called now', async () => {
  using folder = temporaryFolder();
  fill(folder.path);
  // No account has these ids, so that they are called by their numbers: to be called anything else is news.
  chownSync(folder.at('etc/a/one'), 4_000_000, 4_000_000);
  const cache = await warm(folder.path);
  const known = cache.folder(replica('/etc/a'));
  assert.ok(known?.walked);
  const owners = known.walked.owners.map((one) => ({ ...one, owner: 'somebody' }));
  const parts = { path: known.path, names: known.names, packed: [], states: new Uint32Array(99) };
  cache.keep(new Folder({ ...parts, walked: { ...known.walked, owners } }));
  const { told } = await manifest({ root: folder.path, cache });
  assert.deepEqual(told, (await manifest({ root: folder.path })).told);
});

test('a fresh walk reads what is in folders too', async () => {
  using folder = temporaryFolder();
  fill(folder.path);
  symlinkSync('one', folder.at('etc/a/link'));
  const cache = await warm(folder.path);
  const root = folder.path;
  const { folders } = await manifest({ root, cache, fresh: true });
  assert.deepEqual(
    folders.map(({ path }) => path),
    ['/etc', '/etc/a', '/etc/b'],
  );
  // Bytes that changed while no time did.
  const known = cache.folder(replica('/etc/a'));
  assert.ok(known);
  const packed = known.names.map((_, place) => known.packedAt(place) ?? '');
  const wrong = packed.map((text) => text.replace(/ [0-9a-f]{8}([0-9a-f]{56}) /, ' 00000000$1 '));
  const states = Uint32Array.from(known.names.flatMap((_, place) => known.stateAt(place)));
  const { path, names, walked } = known;
  assert.ok(walked);
  cache.keep(new Folder({ path, names, packed: wrong, states, walked }));
  const cold = await manifest({ root });
  assert.notDeepEqual((await manifest({ root, cache })).told, cold.told);
  assert.deepEqual((await manifest({ root, cache, fresh: true })).told, cold.told);
});

test('what a directory holds is known by its own times, except to a fresh walk', async () => {
  using folder = temporaryFolder();
  fill(folder.path);
  const root = folder.path;
  const cache = await warm(root);
  const known = cache.folder(replica('/etc/a'));
  assert.ok(known?.walked);
  // As if a name had been overlooked, which shows who lists.
  const listing = known.walked.listing.filter((name) => name !== 'one');
  const { path, names, walked } = known.without('one');
  assert.equal(walked, undefined);
  const packed = names.map((name) => known.packedAt(known.placeOf(name)) ?? '');
  const states = Uint32Array.from(names.flatMap((name) => known.stateAt(known.placeOf(name))));
  cache.keep(new Folder({ path, names, packed, states, walked: { ...known.walked, listing } }));
  const cold = await manifest({ root });
  assert.notDeepEqual((await manifest({ root, cache })).told, cold.told);
  assert.deepEqual((await manifest({ root, cache, fresh: true })).told, cold.told);
  utimesSync(folder.at('etc/a'), 1, 1);
  assert.deepEqual((await manifest({ root, cache })).told, (await manifest({ root })).told);
});

test('a directory that changed a moment ago is not remembered', async () => {
  using folder = temporaryFolder();
  fill(folder.path);
  const cache = memoryCache();
  await manifest({ root: folder.path, cache, now: Date.now });
  assert.equal(cache.folder(replica('/etc/a')), undefined);
});

test('what only may hold something that is included is not told, also not later', async () => {
  using folder = temporaryFolder();
  fill(folder.path);
  const watchlists = { ...everything, includes: (path: string) => path !== '/etc/a/one' };
  const cache = memoryCache();
  for (const _ of [1, 2, 3]) {
    const { told } = await manifest({ root: folder.path, cache, watchlists });
    assert.deepEqual(told, (await manifest({ root: folder.path, watchlists })).told);
  }
});

test('of a directory in which one file changed the others come as its folder', async () => {
  using folder = temporaryFolder();
  fill(folder.path);
  const cache = await warm(folder.path);
  writeFileSync(folder.at('etc/a/new'), 'new');
  renameSync(folder.at('etc/a/new'), folder.at('etc/a/two'));
  untilTimesMove(folder.path);
  const { told, folders, singles } = await manifest({ root: folder.path, cache });
  assert.deepEqual(folders.find(({ path }) => path === '/etc/a')?.names, ['one', 'three', 'two']);
  assert.deepEqual(singles, ['/etc', '/etc/a', '/etc/b']);
  assert.deepEqual(told, (await manifest({ root: folder.path })).told);
});

test('a file that could not be remembered at first is put to the others later', async () => {
  using folder = temporaryFolder();
  fill(folder.path);
  const known = memoryCache();
  // As for a file that was just written: the cache refuses it.
  let refuses = true;
  const cache: EntryCache = {
    ...known,
    set: (path, stamp, entry) => {
      if (!refuses || path !== '/etc/a/one') known.set(path, stamp, entry);
    },
  };
  await manifest({ root: folder.path, cache });
  refuses = false;
  const names: (readonly string[] | undefined)[] = [];
  for (const _ of [1, 2, 3, 4]) {
    const { folders } = await manifest({ root: folder.path, cache });
    names.push(folders.find(({ path }) => path === '/etc/a')?.names);
  }
  const all = ['one', 'three', 'two'];
  assert.deepEqual(names, [['three', 'two'], ['three', 'two'], all, all]);
});

type Act = { readonly kind: string; readonly at: string; readonly to: string };

/** Sizes differ each time: a tick of the clock may be longer than a step of this test. */
let written = 0;

function act(root: string, { kind, at, to }: Act): void {
  const path = `${root}/etc/${at}`;
  try {
    if (kind === 'write') {
      written += 1;
      writeFileSync(path, 'x'.repeat(written));
    }
    if (kind === 'mkdir') mkdirSync(path, { recursive: true });
    if (kind === 'remove') rmSync(path, { recursive: true, force: true });
    if (kind === 'move') renameSync(path, `${root}/etc/${to}`);
    if (kind === 'link') symlinkSync(to, path);
    if (kind === 'chmod') chmodSync(path, readdirSync(root).length % 2 === 0 ? 0o700 : 0o750);
  } catch (error) {
    assert.ok(error instanceof Error && 'code' in error, String(error));
  }
}

test('a walk by what is remembered finds what a walk without any memory finds', async () => {
  const name = fc.constantFrom('a', 'b', 'ü', '😀', '\uff5e');
  const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join('/'));
  const kind = fc.constantFrom('write', 'write', 'mkdir', 'mkdir', 'remove', 'move', 'link', 'chmod');
  const steps = fc.array(fc.array(fc.record({ kind, at: path, to: path }), { maxLength: 6 }), {
    maxLength: 6,
  });
  await fc.assert(
    fc.asyncProperty(steps, async (rounds) => {
      using folder = temporaryFolder();
      mkdirSync(folder.at('etc'));
      const cache = memoryCache();
      for (const round of [...rounds, [], []]) {
        for (const step of round) act(folder.path, step);
        untilTimesMove(folder.path);
        const { told } = await manifest({ root: folder.path, cache });
        assert.deepEqual(told, (await manifest({ root: folder.path })).told);
      }
    }),
    { numRuns: 60 },
  );
});
