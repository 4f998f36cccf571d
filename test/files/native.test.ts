import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { test } from 'node:test';
import { isOpenForWriting } from '../../src/files/lease.ts';
import {
  getXattr,
  groupIdOf,
  groupNameOf,
  listXattrs,
  lockFile,
  removeXattr,
  renameExchange,
  renameNoReplace,
  setTimes,
  setXattr,
  syncFileSystem,
  userIdOf,
  userNameOf,
} from '../../src/files/native.ts';
import { run, temporaryFolder } from './fixture.ts';

const native = new URL('../../src/files/native.ts', import.meta.url).pathname;
const lease = new URL('../../src/files/lease.ts', import.meta.url).pathname;

test('an exchange swaps two names, whatever they are', () => {
  using folder = temporaryFolder();
  writeFileSync(folder.at('a'), 'A');
  mkdirSync(folder.at('b'));
  const fd = openSync(folder.path, constants.O_RDONLY);
  assert.deepEqual(renameExchange(`/proc/self/fd/${fd}/a`, `/proc/self/fd/${fd}/b`), { ok: true });
  closeSync(fd);
  assert.equal(readFileSync(folder.at('b'), 'utf8'), 'A');
  assert.ok(statSync(folder.at('a')).isDirectory());
});

test('renames tell by the name of the errno why they did not happen', () => {
  using folder = temporaryFolder();
  writeFileSync(folder.at('a'), 'A');
  writeFileSync(folder.at('b'), 'B');
  const cases = [
    [renameNoReplace(folder.at('a'), folder.at('b')), 'EEXIST'],
    [renameNoReplace(folder.at('none'), folder.at('c')), 'ENOENT'],
    [renameExchange(folder.at('a'), folder.at('none')), 'ENOENT'],
    [renameNoReplace(folder.at('a'), '/dev/shm/bmcs-none'), 'EXDEV'],
    [renameNoReplace(folder.at('a'), folder.at('x'.repeat(256))), 'ENAMETOOLONG'],
  ] as const;
  for (const [result, code] of cases) assert.deepEqual(result, { ok: false, code });
  assert.equal(readFileSync(folder.at('a'), 'utf8') + readFileSync(folder.at('b'), 'utf8'), 'AB');
  assert.deepEqual(renameNoReplace(folder.at('a'), folder.at('é\n')), { ok: true });
  assert.equal(readFileSync(folder.at('é\n'), 'utf8'), 'A');
});

test('a NUL does not cut a path or a name short', () => {
  using folder = temporaryFolder();
  writeFileSync(folder.at('a'), 'A');
  const invalid = { code: 'EINVAL' };
  assert.throws(() => renameNoReplace(folder.at('a'), `${folder.at('b')}\0c`), invalid);
  assert.throws(() => setXattr(folder.at('a'), 'user.a\0b', Buffer.from('x')), invalid);
  assert.equal(userIdOf('root\0'), undefined);
  assert.equal(groupIdOf('root\0'), undefined);
});

test('syncfs writes the file system, and throws for a closed descriptor', () => {
  using folder = temporaryFolder();
  const fd = openSync(folder.path, constants.O_RDONLY);
  syncFileSystem(fd);
  closeSync(fd);
  assert.throws(() => syncFileSystem(fd), { code: 'EBADF' });
});

const times: [string, bigint][] = [
  ['0.000000000', 0n],
  ['1700000000.123456789', 1_700_000_000_123_456_789n],
  ['-1.500000000', -500_000_000n],
  ['-2.000000001', -1_999_999_999n],
];
for (const [text, nanoseconds] of times) {
  test(`the time ${text} is set to the nanosecond, the access time stays`, () => {
    using folder = temporaryFolder();
    writeFileSync(folder.at('a'), '');
    utimesSync(folder.at('a'), 1000, 2000);
    setTimes(folder.at('a'), text);
    const stats = lstatSync(folder.at('a'), { bigint: true });
    assert.equal(stats.mtimeNs, nanoseconds);
    assert.equal(stats.atimeNs, 1_000_000_000_000n);
  });
}

test('the time of a link is its own', () => {
  using folder = temporaryFolder();
  writeFileSync(folder.at('a'), '');
  symlinkSync('a', folder.at('link'));
  const before = lstatSync(folder.at('a'), { bigint: true }).mtimeNs;
  setTimes(folder.at('link'), '5.000000006');
  assert.equal(lstatSync(folder.at('link'), { bigint: true }).mtimeNs, 5_000_000_006n);
  assert.equal(lstatSync(folder.at('a'), { bigint: true }).mtimeNs, before);
});

test('what is no time is refused', () => {
  using folder = temporaryFolder();
  writeFileSync(folder.at('a'), '');
  for (const text of ['', '1', '1.5', 'x.000000000', '9223372036854775808.000000000'])
    assert.throws(() => setTimes(folder.at('a'), text), { code: 'EINVAL' }, text);
  assert.throws(() => setTimes(folder.at('none'), '0.000000000'), { code: 'ENOENT' });
});

test('a file is open for writing exactly while somebody has it so', async () => {
  using folder = temporaryFolder();
  writeFileSync(folder.at('a'), 'A');
  const fd = openSync(folder.at('a'), constants.O_RDONLY);
  const reader = openSync(folder.at('a'), constants.O_RDONLY);
  assert.equal(isOpenForWriting(fd), false);
  const writer = spawn('sh', ['-c', 'exec 3>>"$0"; echo open; read line', folder.at('a')]);
  await once(writer.stdout, 'data');
  assert.equal(isOpenForWriting(fd), true);
  writer.stdin.end('\n');
  await once(writer, 'close');
  assert.equal(isOpenForWriting(fd), false);
  const own = openSync(folder.at('a'), constants.O_WRONLY);
  assert.equal(isOpenForWriting(fd), true);
  closeSync(own);
  assert.equal(isOpenForWriting(fd), false);
  closeSync(reader);
  closeSync(fd);
});

test('whether a directory is open for writing is not known', () => {
  using folder = temporaryFolder();
  const fd = openSync(folder.path, constants.O_RDONLY);
  assert.equal(isOpenForWriting(fd), undefined);
  closeSync(fd);
});

test('a SIGIO does not end a process that has looked for writers, nor keep it alive', () => {
  const script = `
    import { openSync } from 'node:fs';
    import { isOpenForWriting } from ${JSON.stringify(lease)};
    isOpenForWriting(openSync('/etc/passwd', 'r'));
    process.kill(process.pid, 'SIGIO');
    setTimeout(() => console.log('alive'), 20);`;
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  assert.deepEqual([child.status, child.signal, child.stdout], [0, null, 'alive\n'], child.stderr);
});

test('a lock is held by one at a time, and given back once', () => {
  using folder = temporaryFolder();
  const lock = lockFile(folder.at('lock'));
  assert.ok(lock !== undefined);
  assert.equal(statSync(folder.at('lock')).mode & 0o777, 0o600);
  assert.equal(lockFile(folder.at('lock')), undefined);
  assert.equal(spawnSync('flock', ['-n', folder.at('lock'), 'true']).status, 1);
  lock.release();
  const again = lockFile(folder.at('lock'));
  assert.ok(again !== undefined);
  // The descriptor's number is in use again by now.
  lock.release();
  assert.equal(lockFile(folder.at('lock')), undefined);
  again.release();
  assert.throws(() => lockFile(folder.at('none/lock')), { code: 'ENOENT' });
});

test('a lock ends with its holder, however that ends', async () => {
  using folder = temporaryFolder();
  const script = `
    import { lockFile } from ${JSON.stringify(native)};
    console.log(lockFile(${JSON.stringify(folder.at('lock'))}) === undefined ? 'refused' : 'held');
    setInterval(() => undefined, 1000);`;
  const holder = spawn(process.execPath, ['--input-type=module', '-e', script]);
  const closed = once(holder, 'close');
  try {
    const [said] = await once(holder.stdout, 'data');
    assert.equal(String(said), 'held\n');
    assert.equal(lockFile(folder.at('lock')), undefined);
  } finally {
    holder.kill('SIGKILL');
  }
  assert.deepEqual(await closed, [null, 'SIGKILL']);
  const lock = lockFile(folder.at('lock'));
  assert.ok(lock !== undefined);
  lock.release();
});

test('a lock is not taken through a link', () => {
  using folder = temporaryFolder();
  symlinkSync('elsewhere', folder.at('lock'));
  assert.throws(() => lockFile(folder.at('lock')), { code: 'ELOOP' });
});

test('somebody who opens the file for writing while it is looked at is not kept waiting, nor ends the process', async () => {
  using folder = temporaryFolder();
  writeFileSync(folder.at('a'), '');
  // Opens and closes without a break, so that some of it falls into a lease; says how often it could.
  const opener = spawn('sh', ['-c', 'for i in $(seq 3000); do : 3>>"$0"; done; echo done', folder.at('a')]);
  const said = once(opener.stdout, 'data');
  const closed = once(opener, 'close');
  const fd = openSync(folder.at('a'), constants.O_RDONLY);
  const seen = new Set<boolean | undefined>();
  while (opener.exitCode === null) {
    for (let i = 0; i < 500; i += 1) seen.add(isOpenForWriting(fd));
    await new Promise(setImmediate);
  }
  closeSync(fd);
  assert.equal(String((await said)[0]), 'done\n');
  assert.deepEqual(await closed, [0, null]);
  assert.ok(!seen.has(undefined) && seen.has(false), [...seen].join());
});

test('a descriptor is as good as a name, and reaches a file that has none any more', () => {
  using folder = temporaryFolder();
  writeFileSync(folder.at('a'), '');
  const fd = openSync(folder.at('a'), constants.O_RDWR);
  unlinkSync(folder.at('a'));
  setXattr(fd, 'user.a', Buffer.from('A'));
  setTimes(fd, '-2.000000003');
  assert.deepEqual([listXattrs(fd), String(getXattr(fd, 'user.a'))], [['user.a'], 'A']);
  assert.equal(fstatSync(fd, { bigint: true }).mtimeNs, -1_999_999_997n);
  removeXattr(fd, 'user.a');
  removeXattr(fd, 'user.a');
  assert.deepEqual(listXattrs(fd), []);
  closeSync(fd);
  for (const call of [
    () => listXattrs(fd),
    () => getXattr(fd, 'user.a'),
    () => setXattr(fd, 'user.a', Buffer.from('A')),
    () => removeXattr(fd, 'user.a'),
    () => setTimes(fd, '0.000000000'),
  ])
    assert.throws(call, { code: 'EBADF', path: `/proc/self/fd/${fd}` });
});

test('attributes are set, listed, read and removed', () => {
  using folder = temporaryFolder();
  const file = folder.at('a');
  writeFileSync(file, '');
  assert.deepEqual(listXattrs(file), []);
  setXattr(file, 'user.a', Buffer.from([0, 255, 10]));
  setXattr(file, 'user.empty', Buffer.alloc(0));
  assert.deepEqual([...listXattrs(file)].sort(), ['user.a', 'user.empty']);
  assert.deepEqual(getXattr(file, 'user.a'), Buffer.from([0, 255, 10]));
  assert.deepEqual(getXattr(file, 'user.empty'), Buffer.alloc(0));
  assert.equal(getXattr(file, 'user.none'), undefined);
  assert.equal(
    run('getfattr', '-n', 'user.a', '-e', 'hex', '--absolute-names', file).includes('0x00ff0a'),
    true,
  );
  const value = getXattr(file, 'user.a');
  setXattr(file, 'user.a', Buffer.from('other'));
  assert.deepEqual(value, Buffer.from([0, 255, 10]), 'what was read stays as it was');
  removeXattr(file, 'user.a');
  removeXattr(file, 'user.a');
  assert.deepEqual(listXattrs(file), ['user.empty']);
});

test('attributes that cannot be are system errors', () => {
  using folder = temporaryFolder();
  writeFileSync(folder.at('a'), '');
  symlinkSync('a', folder.at('link'));
  assert.throws(() => listXattrs(folder.at('none')), { code: 'ENOENT' });
  assert.throws(() => getXattr(folder.at('none'), 'user.a'), { code: 'ENOENT' });
  assert.throws(() => setXattr(folder.at('link'), 'user.a', Buffer.from('x')), { code: 'EPERM' });
  assert.deepEqual(listXattrs('/proc/self/status'), [], 'a file system without attributes has none');
});

test('accounts are found by id and by name', () => {
  for (const line of run('getent', 'passwd').trim().split('\n')) {
    const [name = '', , uid = ''] = line.split(':');
    assert.equal(userIdOf(name), Number(uid));
  }
  for (const line of run('getent', 'group').trim().split('\n')) {
    const [name = '', , gid = ''] = line.split(':');
    assert.equal(groupIdOf(name), Number(gid));
  }
  assert.equal(userNameOf(0), 'root');
  assert.equal(groupNameOf(0), 'root');
  assert.equal(userNameOf(3_999_999_999), undefined);
  assert.equal(groupNameOf(3_999_999_999), undefined);
  assert.equal(userIdOf('no-such-user'), undefined);
  assert.equal(groupIdOf('no-such-group'), undefined);
});
