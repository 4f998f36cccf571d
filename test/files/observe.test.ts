import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  closeSync,
  copyFileSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { Directories } from '../../src/files/confined.ts';
import { setTimes } from '../../src/files/native.ts';
import { racyMs, tellsOfChanges, unreadBytes } from '../../src/files/observe.ts';
import { stampOf } from '../../src/files/stats.ts';
import { entryOf, failureOf, look, memoryCache, replica, run, temporaryFolder } from './fixture.ts';

const absent = { kind: 'entry', entry: { kind: 'absent' }, stamp: '' };
const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');
/** Later than anything that happens in a test, so that nothing is racily clean. */
const later = (): number => Date.now() + 3_600_000;

test('a file is observed with everything that is replicated', () => {
  using folder = temporaryFolder();
  using directories = new Directories(folder.path);
  writeFileSync(folder.at('a'), 'content');
  chownSync(folder.at('a'), Number(run('id', '-u', 'daemon')), 424242);
  chmodSync(folder.at('a'), 0o6751);
  run('setfattr', '-n', 'user.note', '-v', 'x', folder.at('a'));
  setTimes(folder.at('a'), '1700000000.000000042');
  const stats = lstatSync(folder.at('a'), { bigint: true });
  assert.deepEqual(look(directories, '/a'), {
    kind: 'entry',
    entry: {
      kind: 'file',
      digest: digestOf('content'),
      size: 7,
      mtime: '1700000000.000000042',
      mode: 0o6751,
      owner: 'daemon',
      group: '424242',
      xattrs: { 'user.note': 'eA==' },
    },
    stamp: `${stats.dev}:${stats.ino}:7:1700000000000000042:${stats.ctimeNs}`,
  });
});

for (const mtime of ['-1.500000000', '-2.000000001', '0.000000000', '5000000000.999999999']) {
  test(`the time ${mtime} is told as it was set`, () => {
    using folder = temporaryFolder();
    using directories = new Directories(folder.path);
    writeFileSync(folder.at('a'), '');
    setTimes(folder.at('a'), mtime);
    const entry = entryOf(look(directories, '/a'));
    assert.equal(entry.kind === 'file' && entry.mtime, mtime);
  });
}

test('directories and links have no content', () => {
  using folder = temporaryFolder();
  using directories = new Directories(folder.path);
  mkdirSync(folder.at('d'));
  chmodSync(folder.at('d'), 0o1770);
  symlinkSync('../é\n', folder.at('link'));
  run('chown', '-h', 'daemon:adm', folder.at('link'));
  run('setfacl', '-m', 'u:daemon:rwx,d:g:adm:r-x', folder.at('d'));
  const directory = entryOf(look(directories, '/d'));
  assert.ok(directory.kind === 'directory');
  assert.deepEqual(
    { mode: directory.mode, xattrs: Object.keys(directory.xattrs) },
    { mode: 0o1770, xattrs: ['system.posix_acl_access', 'system.posix_acl_default'] },
  );
  const link = entryOf(look(directories, '/link'));
  assert.deepEqual(link, { kind: 'symlink', target: '../é\n', owner: 'daemon', group: 'adm' });
  assert.equal(entryOf(look(directories, '/')).kind, 'directory');
});

test('nothing is absent, and so is what has no directory as its parent', () => {
  using folder = temporaryFolder();
  using directories = new Directories(folder.path);
  writeFileSync(folder.at('file'), '');
  mkdirSync(folder.at('real'));
  writeFileSync(folder.at('real/a'), '');
  symlinkSync('real', folder.at('link'));
  for (const path of ['/none', '/none/a', '/file/a', '/link/a'])
    assert.deepEqual(look(directories, path), absent, path);
});

test('without its root nothing is known to be absent', () => {
  using folder = temporaryFolder();
  using directories = new Directories(folder.at('none'));
  assert.equal(failureOf(look(directories, '/etc/a')).reason, 'io');
});

test('a name that the file system cannot hold, or a parent out of reach, is a failure', () => {
  using folder = temporaryFolder();
  const script = `
    import { Directories } from ${JSON.stringify(new URL('../../src/files/confined.ts', import.meta.url).href)};
    import { observe } from ${JSON.stringify(new URL('../../src/files/observe.ts', import.meta.url).href)};
    const directories = new Directories(process.argv[1]);
    const look = (path) => observe({ directories, path, maxFileSizeBytes: 10, checkWriters: false });
    console.log(JSON.stringify(['/secret', '/shut/a', '/shut', '/deep/shut/a', '/open'].map(look)));`;
  mkdirSync(folder.at('deep'));
  for (const name of ['shut', 'deep/shut']) {
    mkdirSync(folder.at(name));
    writeFileSync(folder.at(`${name}/a`), '');
    chmodSync(folder.at(name), 0o700);
  }
  writeFileSync(folder.at('secret'), 'x', { mode: 0o600 });
  writeFileSync(folder.at('open'), 'x', { mode: 0o644 });
  chmodSync(folder.path, 0o755);
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', script, folder.path], {
    encoding: 'utf8',
    uid: 65534,
    gid: 65534,
  });
  assert.equal(child.status, 0, child.stderr);
  const [secret, below, shut, deep, open] = JSON.parse(child.stdout);
  assert.deepEqual(failureOf(secret), { reason: 'permission', detail: 'EACCES: open /secret' });
  assert.deepEqual(failureOf(below), {
    reason: 'permission',
    detail: 'may not open the directory /shut (EACCES)',
  });
  assert.equal(entryOf(shut).kind, 'directory');
  assert.equal(failureOf(deep).reason, 'permission');
  assert.equal(entryOf(open).kind, 'file', 'a file of somebody else is read though its access time moves');
});

test('FIFOs, sockets and devices are told and not opened', async () => {
  using folder = temporaryFolder();
  using directories = new Directories(folder.path);
  run('mkfifo', folder.at('fifo'));
  run('mknod', folder.at('character'), 'c', '1', '3');
  run('mknod', folder.at('block'), 'b', '7', '99');
  const server = createServer().listen(folder.at('socket'));
  await once(server, 'listening');
  const types = ['fifo', 'socket', 'character', 'block'].map((name) => look(directories, `/${name}`));
  server.close();
  assert.deepEqual(
    types,
    ['fifo', 'socket', 'character-device', 'block-device'].map((type) => ({ kind: 'unsupported', type })),
  );
});

test('a file that is too large is not read, whatever the cache knows', () => {
  using folder = temporaryFolder();
  using directories = new Directories(folder.path);
  const cache = memoryCache();
  writeFileSync(folder.at('a'), 'four');
  assert.equal(entryOf(look(directories, '/a', { cache, maxFileSizeBytes: 4, now: later })).kind, 'file');
  const failure = failureOf(look(directories, '/a', { cache, maxFileSizeBytes: 3, now: later }));
  assert.equal(failure.reason, 'too-large');
  assert.match(failure.detail, /at most 3 bytes .* found 4/);
  truncateSync(folder.at('a'), 2 ** 40);
  assert.equal(failureOf(look(directories, '/a')).reason, 'too-large');
});

test('a large file is read in pieces', () => {
  using folder = temporaryFolder();
  using directories = new Directories(folder.path);
  writeFileSync(folder.at('a'), '');
  truncateSync(folder.at('a'), 8 * 1024 * 1024 + 1);
  const entry = entryOf(look(directories, '/a', { maxFileSizeBytes: 2 ** 30 }));
  assert.equal(entry.kind === 'file' && entry.digest, run('sha256sum', folder.at('a')).slice(0, 64));
});

test('a link target that is no text is a failure, one with U+FFFD is a target', () => {
  using folder = temporaryFolder();
  using directories = new Directories(folder.path);
  symlinkSync(Buffer.from('b\xe9', 'latin1'), folder.at('link'));
  symlinkSync('\uFFFD', folder.at('odd'));
  const failure = failureOf(look(directories, '/link'));
  assert.equal(failure.reason, 'bad-path');
  assert.match(failure.detail, /62e9/);
  const odd = entryOf(look(directories, '/odd'));
  assert.equal(odd.kind === 'symlink' && odd.target, '\uFFFD');
});

test('looking does not move the access time', () => {
  using folder = temporaryFolder();
  using directories = new Directories(folder.path);
  writeFileSync(folder.at('a'), 'x');
  // Older than the last change, so that the kernel would move it (relatime).
  utimesSync(folder.at('a'), 1000, 2000);
  assert.equal(entryOf(look(directories, '/a')).kind, 'file');
  assert.equal(statSync(folder.at('a')).atimeMs, 1_000_000);
});

test('a file that somebody has open for writing is unstable where that is asked for', async () => {
  using folder = temporaryFolder();
  using directories = new Directories(folder.path);
  writeFileSync(folder.at('a'), 'x');
  const cache = memoryCache();
  const writer = spawn('sh', ['-c', 'exec 3>>"$0"; echo open; read line', folder.at('a')]);
  await once(writer.stdout, 'data');
  let unwritten = 0;
  const onUnwritten = (): void => {
    unwritten += 1;
  };
  const options = { cache, now: later, onUnwritten };
  assert.deepEqual(look(directories, '/a', { checkWriters: true, ...options }), { kind: 'unstable' });
  assert.equal(entryOf(look(directories, '/a', { checkWriters: false, ...options })).kind, 'file');
  assert.equal(cache.size, 0, 'what may still be written is not remembered');
  const whileWritten = unwritten;
  writer.stdin.end('\n');
  await once(writer, 'close');
  assert.equal(entryOf(look(directories, '/a', { checkWriters: true, ...options })).kind, 'file');
  assert.equal(cache.size, 1);
  assert.deepEqual([whileWritten, unwritten], [0, 1]);
});

// The clock is asked between the first look and the opening: a place to change the file from.
const meanwhile: [string, (file: string) => void][] = [
  ['is written to', (file) => appendFileSync(file, 'more')],
  ['is rewritten with as many bytes', (file) => writeFileSync(file, 'CONTENT')],
  [
    'is rewritten and its time set back',
    (file) => {
      const { atime, mtime } = statSync(file);
      writeFileSync(file, 'CONTENT');
      utimesSync(file, atime, mtime);
    },
  ],
  [
    'is replaced',
    (file) => {
      copyFileSync(file, `${file}.new`);
      renameSync(`${file}.new`, file);
    },
  ],
  ['changes its mode', (file) => chmodSync(file, 0o611)],
  ['gets an attribute', (file) => void run('setfattr', '-n', 'user.a', file)],
  ['is removed', (file) => rmSync(file)],
  [
    'becomes a link',
    (file) => {
      renameSync(file, `${file}.old`);
      symlinkSync(`${file}.old`, file);
    },
  ],
  [
    'becomes a FIFO',
    (file) => {
      rmSync(file);
      run('mkfifo', file);
    },
  ],
  [
    'becomes a directory',
    (file) => {
      rmSync(file);
      mkdirSync(file);
    },
  ],
];
for (const [name, change] of meanwhile) {
  test(`a file that ${name} while it is looked at is unstable`, () => {
    using folder = temporaryFolder();
    using directories = new Directories(folder.path);
    const cache = memoryCache();
    writeFileSync(folder.at('a'), 'content', { mode: 0o600 });
    lutimesSync(folder.at('a'), 1000, 2000);
    const now = (): number => {
      change(folder.at('a'));
      return later();
    };
    assert.deepEqual(look(directories, '/a', { cache, now }), { kind: 'unstable' });
    assert.equal(cache.size, 0);
  });
}

test('a file that is written to while it is read is unstable', async () => {
  using folder = temporaryFolder();
  using directories = new Directories(folder.path);
  writeFileSync(folder.at('a'), '');
  truncateSync(folder.at('a'), 64 * 1024 * 1024);
  // The size stays, only the content and the times move.
  const script = `const fs = require('node:fs'); const fd = fs.openSync(process.argv[1], 'r+');
    for (let i = 0; ; i += 1) { fs.writeSync(fd, String(i), 0); if (i === 10) fs.writeSync(1, 'writing'); }`;
  const writer = spawn(process.execPath, ['-e', script, folder.at('a')]);
  await once(writer.stdout, 'data');
  const observation = look(directories, '/a', { maxFileSizeBytes: 2 ** 30 });
  writer.kill('SIGKILL');
  await once(writer, 'close');
  assert.deepEqual(observation, { kind: 'unstable' });
});

test('a file that a process is about to write under a lease is unstable', async () => {
  using folder = temporaryFolder();
  using directories = new Directories(folder.path);
  writeFileSync(folder.at('a'), 'x');
  const script = `import fcntl, sys
file = open(sys.argv[1], 'r+')
import signal; signal.signal(signal.SIGIO, lambda *_: None)
fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK); print('leased', flush=True); sys.stdin.readline()`;
  const holder = spawn('python3', ['-c', script, folder.at('a')]);
  await once(holder.stdout, 'data');
  const observation = look(directories, '/a');
  holder.stdin.end('\n');
  await once(holder, 'close');
  assert.deepEqual(observation, { kind: 'unstable' });
  assert.equal(entryOf(look(directories, '/a')).kind, 'file');
});

test('an unchanged file is not opened again, a changed one is', () => {
  using folder = temporaryFolder();
  using directories = new Directories(folder.path);
  const cache = memoryCache();
  writeFileSync(folder.at('a'), 'one');
  const first = look(directories, '/a', { cache, now: later });
  const known = cache.get('/a');
  assert.ok(known !== undefined && first.kind === 'entry' && known.stamp === first.stamp);
  // A mark that only the cache can tell of.
  cache.set('/a', known.stamp, { ...entryOf(first), mtime: '1.000000000' } as typeof known.entry);
  const marked = entryOf(look(directories, '/a', { cache, now: later }));
  assert.equal(marked.kind === 'file' && marked.mtime, '1.000000000');
  chmodSync(folder.at('a'), 0o600);
  const changed = entryOf(look(directories, '/a', { cache, now: later }));
  assert.ok(changed.kind === 'file' && changed.mode === 0o600 && changed.mtime !== '1.000000000');
});

test('names of accounts are as they are now, whatever the cache knows', () => {
  using folder = temporaryFolder();
  using directories = new Directories(folder.path);
  const cache = memoryCache();
  writeFileSync(folder.at('a'), 'one', { mode: 0o644 });
  run('setfacl', '-m', 'u:daemon:r--', folder.at('a'));
  const first = entryOf(look(directories, '/a', { cache, now: later }));
  const known = cache.get('/a');
  assert.ok(known !== undefined && first.kind === 'file');
  const acl = 'system.posix_acl_access';
  const renamed = { [acl]: (first.xattrs[acl] ?? '').replace('daemon', 'former') };
  cache.set('/a', known.stamp, { ...first, owner: 'former', group: 'former', xattrs: renamed });
  assert.deepEqual(entryOf(look(directories, '/a', { cache, now: later })), first);
  cache.set('/a', known.stamp, { ...first, xattrs: renamed });
  assert.deepEqual(entryOf(look(directories, '/a', { cache, now: later })), first);
});

const ages: [number, number][] = [
  [0, 0],
  [50, 0],
  [-1000, 0],
  [51, 1],
  [60_000, 1],
];
for (const [age, remembered] of ages) {
  test(`a file that changed ${age} ms ago is ${remembered === 0 ? 'not ' : ''}remembered`, () => {
    using folder = temporaryFolder();
    using directories = new Directories(folder.path);
    const cache = memoryCache();
    writeFileSync(folder.at('a'), 'x');
    utimesSync(folder.at('a'), 1000, 1000);
    const changed = Number(statSync(folder.at('a'), { bigint: true }).ctimeNs / 1_000_000n);
    assert.equal(entryOf(look(directories, '/a', { cache, now: () => changed + age })).kind, 'file');
    assert.equal(cache.size, remembered);
  });
}

test('a file whose time lies ahead is not remembered', () => {
  using folder = temporaryFolder();
  using directories = new Directories(folder.path);
  const cache = memoryCache();
  writeFileSync(folder.at('a'), 'x');
  utimesSync(folder.at('a'), 4_000_000_000, 4_000_000_000);
  look(directories, '/a', { cache, now: later });
  assert.equal(cache.size, 0);
});

test('no descriptor is left open, whatever is found', () => {
  using folder = temporaryFolder();
  using directories = new Directories(folder.path);
  writeFileSync(folder.at('a'), 'x');
  directories.open(replica('/'));
  const next = (): number => {
    const fd = openSync('/dev/null', 'r');
    closeSync(fd);
    return fd;
  };
  const free = next();
  look(directories, '/a');
  for (const change of [() => appendFileSync(folder.at('a'), 'y'), () => rmSync(folder.at('a'))]) {
    const now = (): number => {
      change();
      return later();
    };
    assert.deepEqual(look(directories, '/a', { now }), { kind: 'unstable' });
  }
  look(directories, '/none');
  assert.equal(next(), free);
});

test('how much is to be read of a file: all of one that rests and is not known', () => {
  using folder = temporaryFolder();
  const path = folder.at('a');
  writeFileSync(path, 'content');
  mkdirSync(folder.at('directory'));
  symlinkSync('a', folder.at('link'));
  const stamp = stampOf(lstatSync(path, { bigint: true }));
  assert.equal(unreadBytes(path, undefined), 7);
  assert.equal(unreadBytes(path, 'another'), 7);
  assert.equal(unreadBytes(path, stamp), 0);
  for (const name of ['directory', 'link', 'none'])
    assert.equal(unreadBytes(folder.at(name), undefined), 0, name);
  const writer = openSync(path, 'a');
  assert.equal(unreadBytes(path, undefined), 0);
  closeSync(writer);
});

test('a stamp tells of every later change once its times are some moments past', () => {
  const at = (ms: number): bigint => BigInt(ms) * 1_000_000n;
  const stamp = (mtime: number, ctime: number): string => `1:2:3:${at(mtime)}:${at(ctime)}`;
  assert.ok(tellsOfChanges(stamp(1000, 1000), 1000 + racyMs + 1));
  assert.ok(!tellsOfChanges(stamp(1000, 1000), 1000 + racyMs));
  assert.ok(!tellsOfChanges(stamp(0, 1000), 1000));
  assert.ok(!tellsOfChanges(stamp(1000, 0), 1000));
});
