import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs, {
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { FileEntry } from '../../src/core/entry.ts';
import type { ReplicaPath } from '../../src/core/path.ts';
import { stampOf } from '../../src/files/stats.ts';
import type { Retention } from '../../src/state/retention.ts';
import { VersionStore } from '../../src/state/versions.ts';
import { another, exitOf, failure, file, opened, path, peer, temporaryFolder } from './fixture.ts';

const about = { path: path('/etc/hosts'), epoch: 3, reason: 'overwritten', peer, now: 1000 } as const;
const unlimited: Retention = { count: 1000, maxAgeMs: Number.MAX_SAFE_INTEGER, totalBytes: 1e12 };
const hour = 3600 * 1000;

type Rig = { store: VersionStore; state: string; etc: string };

function rig(t: TestContext): Rig {
  const folder = temporaryFolder(t);
  const etc = join(folder, 'etc');
  mkdirSync(etc);
  const state = join(folder, 'state');
  return { store: new VersionStore(opened(t, state)), state, etc };
}

function entryOf(content: string): FileEntry {
  const digest = createHash('sha256').update(content).digest('hex');
  return { ...file('0'), digest, size: Buffer.byteLength(content) };
}

function objectOf(state: string, content: string): string {
  const { digest } = entryOf(content);
  return join(state, 'objects', digest.slice(0, 2), digest.slice(2));
}

function objects(state: string): string[] {
  const top = join(state, 'objects');
  return readdirSync(top).flatMap((shelf) => readdirSync(join(top, shelf)).map((name) => `${shelf}${name}`));
}

function contentOf(store: VersionStore, id: string): string {
  const fd = store.read(id).openContent();
  try {
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
}

function keep(store: VersionStore, at: ReplicaPath, content: string, now: number): string {
  return store.keep({ ...about, path: at, now, content: Buffer.from(content), entry: entryOf(content) });
}

/** A displaced file as it was seen, so that it need not be read. */
function seenAt(from: string, content: string) {
  const stamp = stampOf(lstatSync(from, { bigint: true }));
  return { ...about, from, entry: entryOf(content), stamp };
}

const pretended: readonly [string, (from: string) => void, string][] = [
  ['is not read where it still is what was seen', () => undefined, 'as seen'],
  ['is read where it changed since', (from) => writeFileSync(from, 'changed'), 'changed'],
];
for (const [what, change, expected] of pretended) {
  test(`a displaced file ${what}`, (t) => {
    const { store, state, etc } = rig(t);
    const from = join(etc, 'hosts');
    writeFileSync(from, 'really');
    const seen = seenAt(from, 'as seen');
    change(from);
    store.adopt(seen);
    assert.deepEqual(objects(state), [entryOf(expected).digest]);
  });
}

test('a displaced file is read where somebody has it open for writing', (t) => {
  const { store, state, etc } = rig(t);
  const from = join(etc, 'hosts');
  writeFileSync(from, 'really');
  const writer = openSync(from, 'a');
  store.adopt(seenAt(from, 'as seen'));
  closeSync(writer);
  assert.deepEqual(objects(state), [entryOf('really').digest]);
});

test('a displaced file goes away only when it was read, and is what is kept already', (t) => {
  const { store, etc } = rig(t);
  const from = join(etc, 'hosts');
  keep(store, path('/etc/other'), 'as seen', 1);
  writeFileSync(from, 'really');
  assert.throws(() => store.adopt(seenAt(from, 'as seen')), /changed while it was kept/);
  assert.equal(readFileSync(from, 'utf8'), 'really');
  assert.deepEqual(store.list(about.path), []);
  writeFileSync(from, 'as seen');
  store.adopt(seenAt(from, 'as seen'));
  assert.equal(existsSync(from), false);
  assert.equal(store.list(about.path).length, 1);
});

test('a displaced file becomes a version: the same inode, private, gone from where it was', (t) => {
  const { store, state, etc } = rig(t);
  const from = join(etc, 'hosts');
  writeFileSync(from, 'old\n', { mode: 0o644 });
  const { ino } = statSync(from);
  const id = store.adopt({ ...about, from, entry: entryOf('old\n') });
  assert.match(id, /^[0-9a-f]{10}$/);
  assert.equal(existsSync(from), false);
  const object = statSync(objectOf(state, 'old\n'));
  assert.equal(object.ino, ino);
  assert.equal(object.mode & 0o7777, 0o600);
  assert.equal(contentOf(store, id), 'old\n');
  assert.deepEqual(store.list(about.path), [
    { id, path: about.path, entry: entryOf('old\n'), epoch: 3, reason: 'overwritten', peer, at: 1000 },
  ]);
});

test('works through /proc/self/fd, and over a restart', (t) => {
  const { store, state, etc } = rig(t);
  writeFileSync(join(etc, 'hosts'), 'old\n');
  const directory = openSync(etc, 'r');
  t.after(() => closeSync(directory));
  const from = `/proc/self/fd/${directory}/hosts`;
  const id = store.adopt({ ...about, from, entry: entryOf('old\n') });
  assert.deepEqual(readdirSync(etc), []);
  assert.equal(contentOf(new VersionStore(opened(t, state)), id), 'old\n');
});

test('a file with another name is copied: the other name stays as it was', (t) => {
  const { store, state, etc } = rig(t);
  writeFileSync(join(etc, 'hosts'), 'old\n', { mode: 0o640 });
  linkSync(join(etc, 'hosts'), join(etc, 'other'));
  const id = store.adopt({ ...about, from: join(etc, 'hosts'), entry: entryOf('old\n') });
  assert.deepEqual(readdirSync(etc), ['other']);
  assert.equal(statSync(join(etc, 'other')).mode & 0o777, 0o640);
  writeFileSync(join(etc, 'other'), 'changed later');
  assert.equal(contentOf(store, id), 'old\n');
  assert.equal(objects(state).length, 1);
});

test('a file on another file system is copied', { skip: !existsSync('/dev/shm') }, (t) => {
  const { store, state } = rig(t);
  const from = join('/dev/shm', `bmcs-test-${process.pid}`);
  writeFileSync(from, 'far\n');
  if (statSync(from).dev === statSync(state).dev) t.diagnostic('both are the same file system here');
  const id = store.adopt({ ...about, from, entry: entryOf('far\n') });
  assert.equal(existsSync(from), false);
  assert.equal(contentOf(store, id), 'far\n');
});

test('equal contents are stored once', (t) => {
  const { store, state, etc } = rig(t);
  for (const name of ['a', 'b']) {
    writeFileSync(join(etc, name), 'same\n');
    store.adopt({ ...about, path: path(`/etc/${name}`), from: join(etc, name), entry: entryOf('same\n') });
  }
  keep(store, path('/etc/c'), 'same\n', 1);
  assert.deepEqual(readdirSync(etc), []);
  assert.deepEqual(objects(state), [entryOf('same\n').digest]);
});

test('the bytes decide where they are not those that the entry claims', (t) => {
  const { store, etc } = rig(t);
  const from = join(etc, 'hosts');
  writeFileSync(from, 'edited at the last moment\n');
  const id = store.adopt({ ...about, from, entry: entryOf('what was expected\n') });
  assert.equal(contentOf(store, id), 'edited at the last moment\n');
  assert.equal(store.get(id)?.entry.kind === 'file' && store.get(id)?.path, '/etc/hosts');
});

test('a file that is as it was read is taken for what it was, and read again where it changed since', (t) => {
  const { store, etc } = rig(t);
  const from = join(etc, 'hosts');
  const read = entryOf('as it was read\n');
  const stampNow = (): string => stampOf(statSync(from, { bigint: true }));
  writeFileSync(from, 'never looked at again\n');
  const trusted = store.adopt({ ...about, from, entry: read, stamp: stampNow() });
  assert.deepEqual(store.get(trusted)?.entry, read);
  writeFileSync(from, 'as it was read\n');
  const stamp = stampNow();
  writeFileSync(from, 'written in between\n');
  utimesSync(from, 1, 1);
  const changed = store.adopt({ ...about, from, entry: read, stamp });
  assert.equal(contentOf(store, changed), 'written in between\n');
});

test('a process that writes on after the file was taken over is noticed, and never spoils another version', (t) => {
  const { store, state, etc } = rig(t);
  const from = join(etc, 'hosts');
  writeFileSync(from, 'old\n');
  const late = openSync(from, 'r+');
  const id = store.adopt({ ...about, from, entry: entryOf('old\n') });
  writeSync(late, 'LATE');
  closeSync(late);
  assert.throws(() => store.read(id).openContent(), failure('version-damaged'));
  assert.equal(readFileSync(objectOf(state, 'old\n'), 'utf8'), 'LATE');

  const again = keep(store, path('/etc/other'), 'old\n', 2000);
  assert.equal(contentOf(store, again), 'old\n');
});

test('takes no symlink for a file', (t) => {
  const { store, etc } = rig(t);
  writeFileSync(join(etc, 'secret'), 'secret\n');
  symlinkSync('secret', join(etc, 'hosts'));
  assert.throws(() => store.adopt({ ...about, from: join(etc, 'hosts'), entry: entryOf('x') }), /ELOOP/);
  assert.throws(() => store.adopt({ ...about, from: etc, entry: entryOf('x') }), /regular file/);
  assert.deepEqual(readdirSync(etc).sort(), ['hosts', 'secret']);
});

test('a version that cannot be recorded leaves the file where it was', (t) => {
  const folder = temporaryFolder(t);
  const database = opened(t, join(folder, 'state'));
  const store = new VersionStore(database);
  const from = join(folder, 'hosts');
  writeFileSync(from, 'old\n', { mode: 0o640 });
  database
    .statement('CREATE TRIGGER no BEFORE INSERT ON version BEGIN SELECT raise(FAIL, "full"); END')
    .run();
  assert.throws(() => store.adopt({ ...about, from, entry: entryOf('old\n') }));
  assert.equal(readFileSync(from, 'utf8'), 'old\n');
  assert.equal(statSync(from).mode & 0o777, 0o640);
  assert.throws(() => keep(store, about.path, 'other\n', 1));
  database.statement('DROP TRIGGER no').run();
  const id = store.adopt({ ...about, from, entry: entryOf('old\n') });
  assert.equal(contentOf(store, id), 'old\n');
});

test('several are taken over together, and one that cannot be stops none of the others', (t) => {
  const { store, state, etc } = rig(t);
  const adoptions = ['a', 'missing', 'b', 'c'].map((name) => {
    if (name !== 'missing') writeFileSync(join(etc, name), `content ${name}`);
    const entry = entryOf(`content ${name}`);
    return { ...about, path: path(`/etc/${name}`), from: join(etc, name), entry };
  });
  // No file can replace a directory.
  mkdirSync(objectOf(state, 'content c'), { recursive: true });
  const outcomes = store.adoptAll(adoptions, { batch: true });
  assert.deepEqual(
    outcomes.map((outcome) =>
      outcome instanceof Error && 'code' in outcome ? outcome.code : typeof outcome,
    ),
    ['string', 'ENOENT', 'string', 'EISDIR'],
  );
  assert.deepEqual(readdirSync(etc), ['c']);
  const [a] = store.list(path('/etc/a'));
  assert.equal(contentOf(store, a?.id ?? ''), 'content a');
  for (const name of ['missing', 'c']) assert.deepEqual(store.list(path(`/etc/${name}`)), []);
});

test('a content that a version lacks is missed until it comes', (t) => {
  const { store, state, etc } = rig(t);
  const from = join(etc, 'hosts');
  writeFileSync(from, 'old\n');
  const { digest } = entryOf('old\n');
  assert.equal(store.misses(digest), false, 'no version refers to it');
  store.adopt({ ...about, from, entry: entryOf('old\n') });
  assert.equal(store.misses(digest), false, 'it is here');
  // As if the process had ended between the row and the content.
  renameSync(objectOf(state, 'old\n'), from);
  assert.equal(store.misses(digest), true);
});

test('a symlink is a version without content', (t) => {
  const { store, state, etc } = rig(t);
  const from = join(etc, 'hosts');
  symlinkSync('../x', from);
  const entry = { kind: 'symlink', target: '../x', owner: 'root', group: 'root' } as const;
  const id = store.adopt({ ...about, from, entry });
  assert.deepEqual(readdirSync(etc), []);
  assert.deepEqual(store.read(id).entry, entry);
  assert.throws(() => store.read(id).openContent(), failure('version-damaged'));
  assert.deepEqual(objects(state), []);
});

test('an id that is not there is a Failure', (t) => {
  assert.throws(() => rig(t).store.read('0123456789'), failure('no-such-version'));
});

test('the same refused content again renews its version instead of adding one', (t) => {
  const { store } = rig(t);
  const refused = { ...about, reason: 'refused', content: Buffer.from('x'), entry: entryOf('x') } as const;
  const first = store.keep(refused);
  assert.equal(store.keep({ ...refused, now: 5000 }), first);
  assert.deepEqual(
    store.list(about.path).map((version) => version.at),
    [5000],
  );
  const other = keep(store, about.path, 'y', 6000);
  const back = store.keep({ ...refused, now: 7000 });
  assert.deepEqual(
    store.list(about.path).map((version) => version.id),
    [back, other, first],
  );
});

test('what was kept in a batch is there at once, and names what has to be synced for it', (t) => {
  const { store, state } = rig(t);
  assert.deepEqual([store.unsettled, ...store.unsettledPaths()], [0]);
  const content = Buffer.from('batch');
  const id = store.keep({ ...about, content, entry: entryOf('batch') }, { batch: true });
  assert.equal(contentOf(new VersionStore(opened(t, state)), id), 'batch');
  assert.equal(store.unsettled, 1);
  const object = objectOf(state, 'batch');
  const log = join(state, 'state.db-wal');
  assert.deepEqual(store.unsettledPaths(), new Set([object, dirname(object), log]));
  for (const path of store.unsettledPaths()) assert.ok(existsSync(path), path);
  store.settled();
  assert.deepEqual([store.unsettled, ...store.unsettledPaths()], [0]);
});

test('what was taken over in a batch has a row that lasts, and names what is to be synced when nobody waits', (t) => {
  const { store, state, etc } = rig(t);
  assert.equal(store.displaced, 0);
  writeFileSync(join(etc, 'hosts'), 'batch');
  store.adoptAll([{ ...about, from: join(etc, 'hosts'), entry: entryOf('batch') }], { batch: true });
  assert.deepEqual([store.unsettled, store.displaced], [0, 1]);
  const object = objectOf(state, 'batch');
  assert.deepEqual(store.displacedPaths(), new Set([object, dirname(object)]));
  store.displacedSettled();
  assert.deepEqual([store.displaced, ...store.displacedPaths()], [0]);
  // A link has no content.
  symlinkSync('../x', join(etc, 'hosts'));
  const entry = { kind: 'symlink', target: '../x', owner: 'root', group: 'root' } as const;
  store.adoptAll([{ ...about, from: join(etc, 'hosts'), entry }], { batch: true });
  assert.deepEqual([store.unsettled, store.displaced], [0, 0]);
});

test('the folder of all objects is synced where one of its folders is new to this process', (t) => {
  const { store, state, etc } = rig(t);
  const syncs = t.mock.method(fs, 'fsyncSync');
  syncBuiltinESMExports();
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
  const take = (content: string): number => {
    syncs.mock.resetCalls();
    writeFileSync(join(etc, 'hosts'), content);
    store.adopt({ ...about, from: join(etc, 'hosts'), entry: entryOf(content) });
    return syncs.mock.callCount();
  };
  const [first = '', ...others] = Array.from({ length: 2000 }, (_, number) => `content ${number}`);
  const shelfOf = (content: string): string => dirname(objectOf(state, content));
  const same = others.find((content) => shelfOf(content) === shelfOf(first)) ?? '';
  const other = others.find((content) => shelfOf(content) !== shelfOf(first)) ?? '';
  take('the log has its name from now on');
  // The content, its name, and that of its folder.
  assert.deepEqual([take(first), take(same), take(other)], [4, 3, 4]);
});

test('a file that has to be copied goes away only when its copy survives a power cut, in a batch too', (t) => {
  const { store, state, etc } = rig(t);
  const from = join(etc, 'hosts');
  writeFileSync(from, 'copied');
  // It has another name, so that it cannot be moved into the store.
  linkSync(from, join(etc, 'other'));
  const synced = new Set<string>();
  t.mock.method(fs, 'fsyncSync', (fd: number) => synced.add(readlinkSync(`/proc/self/fd/${fd}`)));
  const { unlinkSync } = fs;
  let before: string[] = [];
  t.mock.method(fs, 'unlinkSync', (path: string) => {
    if (path === from) before = [...synced];
    unlinkSync(path);
  });
  syncBuiltinESMExports();
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
  store.adoptAll([{ ...about, from, entry: entryOf('copied') }], { batch: true });
  assert.equal(existsSync(from), false);
  const object = objectOf(state, 'copied');
  for (const path of [object, dirname(object), dirname(dirname(object))])
    assert.ok(before.includes(path), path);
});

test('prune by count keeps the newest ones of each path', (t) => {
  const { store, state } = rig(t);
  for (let i = 0; i < 5; i += 1) keep(store, path('/etc/a'), `a${i}`, i);
  const other = keep(store, path('/etc/b'), 'b0', 0);
  assert.deepEqual(store.prune({ ...unlimited, count: 2 }, 10), { versions: 3, objects: 3, bytes: 6 });
  assert.deepEqual(
    store.list(path('/etc/a')).map((version) => contentOf(store, version.id)),
    ['a4', 'a3'],
  );
  assert.equal(contentOf(store, other), 'b0');
  assert.equal(objects(state).length, 3);
});

test('prune by age spares nobody; by total size it spares the newest of a path', (t) => {
  const { store } = rig(t);
  keep(store, path('/etc/a'), 'aaaa', 1);
  const newest = keep(store, path('/etc/a'), 'bbbb', 2);
  const only = keep(store, path('/etc/b'), 'cccc', 0);
  assert.equal(store.prune({ ...unlimited, totalBytes: 0 }, 10).versions, 1);
  assert.equal(contentOf(store, newest), 'bbbb');
  assert.equal(contentOf(store, only), 'cccc');
  assert.equal(store.prune({ ...unlimited, maxAgeMs: 9 }, 10).versions, 1);
  assert.equal(store.get(only), undefined);
  assert.equal(contentOf(store, newest), 'bbbb');
});

test('prune by total size counts a content once, and takes no more than it must', (t) => {
  const { store, state } = rig(t);
  for (const [at, content] of ['1111', '2222', '3333', '1111'].entries())
    keep(store, about.path, content, at);
  // 12 bytes in three contents. Dropping the oldest row frees nothing: the newest one has the same bytes.
  assert.deepEqual(store.prune({ ...unlimited, totalBytes: 8 }, 10), { versions: 2, objects: 1, bytes: 4 });
  assert.deepEqual(
    store.list(about.path).map((version) => contentOf(store, version.id)),
    ['1111', '3333'],
  );
  assert.equal(objects(state).length, 2);
});

test('an object without a version goes only when nobody touched it for an hour', (t) => {
  const { store, state } = rig(t);
  const orphan = objectOf(state, 'orphan');
  mkdirSync(join(orphan, '..'), { recursive: true });
  writeFileSync(orphan, 'orphan');
  writeFileSync(join(state, 'objects', 'copy-0123456789ab'), 'half');
  const { ctimeMs } = statSync(orphan);
  assert.equal(store.prune(unlimited, ctimeMs + hour - 1000).objects, 0);
  assert.equal(store.prune(unlimited, ctimeMs + hour + 1000).objects, 2);
  assert.equal(existsSync(orphan), false);
});

test('a process that is killed while it keeps versions leaves only whole ones', async (t) => {
  const { state } = rig(t);
  const { child, lines } = another(
    t,
    `const { openDatabase } = await load('database');
     const { VersionStore } = await load('versions');
     const store = new VersionStore(openDatabase(${JSON.stringify(state)}));
     for (let i = 0; ; i += 1) {
       const content = Buffer.from(String(i).repeat(5000));
       say(store.keep({ path: '/etc/hosts', epoch: 1, reason: 'refused', peer: 'mail2', now: i, content,
         entry: ${JSON.stringify(file('0'))} }));
     }`,
  );
  const said: string[] = [];
  while (said.length < 10) said.push(String((await lines.next()).value));
  child.kill('SIGKILL');
  await exitOf(child);
  const store = new VersionStore(opened(t, state));
  const versions = store.list(about.path);
  for (const version of versions) assert.ok(contentOf(store, version.id).length >= 5000);
  for (const id of said) assert.ok(store.get(id), 'what was answered is there');
});
