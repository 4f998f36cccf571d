import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { test } from 'node:test';
import type { DirectoryEntry, FileEntry, SymlinkEntry } from '../../src/core/entry.ts';
import { Directories } from '../../src/files/confined.ts';
import {
  changeDirectory,
  type Outcome,
  type Place,
  placeStaged,
  StagedFile,
  stageDirectory,
  stageSymlink,
} from '../../src/files/place.ts';
import { readXattrs } from '../../src/files/xattr.ts';
import { entryOf, look, run, temporaryFolder } from './fixture.ts';

const nonce = '0123456789ab';
const acl = 'user::rw-,user:daemon:r--,group::r--,mask::r--,other::---';

function fileEntry(content: string, about: Partial<FileEntry> = {}): FileEntry {
  return {
    kind: 'file',
    digest: createHash('sha256').update(content).digest('hex'),
    size: Buffer.byteLength(content),
    mode: 0o644,
    owner: 'root',
    group: 'root',
    mtime: '1700000000.123456789',
    xattrs: {},
    ...about,
  };
}

const directoryEntry: DirectoryEntry = {
  kind: 'directory',
  mode: 0o2750,
  owner: 'daemon',
  group: 'adm',
  xattrs: { 'user.a': 'AP8=' },
};

/** A folder that is open as a place, as the applier has it. */
function openPlace() {
  const folder = temporaryFolder();
  const fd = openSync(folder.path, constants.O_RDONLY | constants.O_DIRECTORY);
  const place: Place = { fd, child: (name) => `/proc/self/fd/${fd}/${name}` };
  return {
    folder,
    place,
    names: () => readdirSync(folder.path).sort(),
    [Symbol.dispose]: () => {
      closeSync(fd);
      folder[Symbol.dispose]();
    },
  };
}

function created(outcome: Outcome<StagedFile>): StagedFile {
  assert.ok(outcome.ok, JSON.stringify(outcome));
  return outcome.value;
}

function descriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

test('a file on its way is root’s alone, whatever the umask, and has its entry when it is finished', () => {
  using at = openPlace();
  const put = fileEntry('hello', {
    mode: 0o4751,
    owner: 'daemon',
    group: 'adm',
    xattrs: { 'user.a': 'AP8=', 'system.posix_acl_access': 'user::rwx,group::r-x,other::--x' },
  });
  const umask = process.umask(0);
  const file = created(StagedFile.create(at.place, 'conf', nonce));
  process.umask(umask);
  assert.deepEqual(at.names(), [`.conf.bmcs-${nonce}~`]);
  assert.equal(file.write(Buffer.from('hel')), undefined);
  assert.equal(file.write(Buffer.alloc(0)), undefined);
  assert.equal(file.write(Buffer.from('lo')), undefined);
  const before = lstatSync(file.names.temporary);
  assert.deepEqual([before.mode & 0o7777, before.uid, before.gid], [0o600, 0, 0]);
  assert.equal(file.finish(put), undefined);
  assert.equal(placeStaged(file.names, { kind: 'absent' }).kind, 'placed');

  using directories = new Directories(at.folder.path);
  // A minimal ACL is no more than the mode, and the kernel keeps it as that.
  const { 'user.a': value } = put.xattrs;
  assert.deepEqual(entryOf(look(directories, '/conf')), { ...put, xattrs: { 'user.a': value } });
  assert.equal(readFileSync(at.folder.at('conf'), 'utf8'), 'hello');
});

test('set-id bits, a file capability and an ACL survive the change of owner', () => {
  using at = openPlace();
  writeFileSync(at.folder.at('model'), '');
  run('setcap', 'cap_net_bind_service+ep', at.folder.at('model'));
  const capability = readXattrs(at.folder.at('model'))['security.capability'] ?? '';
  const put = fileEntry('x', {
    mode: 0o6640,
    owner: 'daemon',
    group: 'adm',
    xattrs: { 'security.capability': capability, 'system.posix_acl_access': acl },
  });
  const file = created(StagedFile.create(at.place, 'conf', nonce));
  file.write(Buffer.from('x'));
  assert.equal(file.finish(put), undefined);
  placeStaged(file.names, { kind: 'absent' });
  using directories = new Directories(at.folder.path);
  assert.deepEqual(entryOf(look(directories, '/conf')), put);
  assert.match(run('getcap', at.folder.at('conf')), /cap_net_bind_service=ep/);
  assert.match(run('getfacl', '--absolute-names', at.folder.at('conf')), /^user:daemon:r--$/m);
});

test('a file does not inherit the default ACL of its directory', () => {
  using at = openPlace();
  run('setfacl', '-m', 'd:u:daemon:rwx', at.folder.path);
  const file = created(StagedFile.create(at.place, 'conf', nonce));
  assert.equal(lstatSync(file.names.temporary).mode & 0o077, 0, 'nobody else may read it on its way');
  assert.equal(file.finish(fileEntry('')), undefined);
  assert.deepEqual(readXattrs(file.names.temporary), {});
  assert.equal(lstatSync(file.names.temporary).mode & 0o7777, 0o644);
});

for (const [name, content, put] of [
  ['other bytes', 'hallo', fileEntry('hello')],
  ['too few bytes', 'hell', fileEntry('hello')],
  ['too many bytes', 'hello!', fileEntry('hello')],
  ['a size that lies', 'hello', fileEntry('hello', { size: 4 })],
] as const) {
  test(`${name} are no file, and nothing is left of it`, () => {
    using at = openPlace();
    const before = descriptors();
    const file = created(StagedFile.create(at.place, 'conf', nonce));
    file.write(Buffer.from(content));
    assert.equal(file.finish(put)?.reason, 'digest-mismatch');
    assert.equal(file.discard(), undefined);
    assert.deepEqual(at.names(), []);
    assert.equal(descriptors(), before);
  });
}

for (const [name, about, reason] of [
  ['an owner', { owner: 'no-such-user' }, 'unknown-owner'],
  ['a group', { group: 'no-such-group' }, 'unknown-owner'],
  [
    'an ACL’s user',
    { xattrs: { 'system.posix_acl_access': acl.replace('daemon', 'nosuch') } },
    'unknown-owner',
  ],
  ['an attribute of the machine', { xattrs: { 'trusted.a': 'AA==' } }, 'no-xattrs'],
  ['a time that is none', { mtime: 'now' }, 'io'],
] as const) {
  test(`a file with ${name} that this node cannot give it fails, and keeps no descriptor`, () => {
    using at = openPlace();
    const before = descriptors();
    const file = created(StagedFile.create(at.place, 'conf', nonce));
    file.write(Buffer.from('x'));
    assert.equal(file.finish(fileEntry('x', about))?.reason, reason);
    assert.equal(file.discard(), undefined);
    assert.deepEqual(at.names(), []);
    assert.equal(descriptors(), before);
  });
}

test('a finished file closes its descriptor once, and can be discarded', () => {
  using at = openPlace();
  const before = descriptors();
  const file = created(StagedFile.create(at.place, 'conf', nonce));
  assert.equal(file.finish(fileEntry('')), undefined);
  assert.equal(descriptors(), before);
  // Another file gets the number of the one that was closed.
  const other = openSync('/dev/null', 'r');
  assert.equal(file.discard(), undefined);
  assert.equal(readFileSync(other, 'utf8'), '');
  closeSync(other);
  assert.deepEqual(at.names(), []);
});

test('a name that is taken, also by a link, is not opened', () => {
  using at = openPlace();
  symlinkSync('victim', at.folder.at(`.conf.bmcs-${nonce}~`));
  const taken = StagedFile.create(at.place, 'conf', nonce);
  assert.ok(!taken.ok && taken.failure.reason === 'not-empty', JSON.stringify(taken));
  assert.deepEqual(at.names(), [`.conf.bmcs-${nonce}~`]);
});

test('what somebody puts under the temporary name gets none of the file’s attributes', () => {
  using at = openPlace();
  const file = created(StagedFile.create(at.place, 'conf', nonce));
  file.write(Buffer.from('x'));
  writeFileSync(at.folder.at('secret'), 'secret', { mode: 0o600 });
  renameSync(file.names.temporary, at.folder.at('stolen'));
  renameSync(at.folder.at('secret'), file.names.temporary);
  const before = lstatSync(file.names.temporary, { bigint: true });
  const put = fileEntry('x', { xattrs: { 'system.posix_acl_access': acl, 'user.a': 'AP8=' } });
  assert.equal(file.finish({ ...put, owner: 'daemon' }), undefined);
  assert.deepEqual(lstatSync(file.names.temporary, { bigint: true }), before);
  assert.deepEqual(readXattrs(file.names.temporary), {});
});

test('the content of an open file is copied from its beginning, in pieces', () => {
  using at = openPlace();
  const content = 'abcdefghij'.repeat(10);
  writeFileSync(at.folder.at('source'), content);
  const source = openSync(at.folder.at('source'), 'r');
  const file = created(StagedFile.create(at.place, 'conf', nonce));
  assert.equal(file.copyFrom(source, Buffer.alloc(7)), undefined);
  assert.equal(file.finish(fileEntry(content)), undefined);
  assert.equal(readFileSync(file.names.temporary, 'utf8'), content);
  closeSync(source);
  assert.equal(file.copyFrom(source, Buffer.alloc(7))?.reason, 'io');
});

test('a file of which a part could not be written is never finished, whatever was hashed', () => {
  using at = openPlace();
  const place = new URL('../../src/files/place.ts', import.meta.url).pathname;
  const script = `
    import { openSync } from 'node:fs';
    import { StagedFile } from ${JSON.stringify(place)};
    const folder = ${JSON.stringify(at.folder.path)};
    const place = { fd: openSync(folder, 'r'), child: (name) => folder + '/' + name };
    const { value: file } = StagedFile.create(place, 'conf', '${nonce}');
    const told = [file.write(Buffer.from('whole')), file.write(Buffer.alloc(5000, 'x')), file.write(Buffer.alloc(0))];
    told.push(file.finish(${JSON.stringify(fileEntry('whole'))}));
    console.log(JSON.stringify(told.map((failure) => failure?.reason ?? 'fine')), file.discard());`;
  const said = run('prlimit', '--fsize=4096', process.execPath, '--input-type=module', '-e', script);
  assert.equal(said, '["fine","io","io","io"] undefined\n');
  assert.deepEqual(at.names(), []);
});

test('a content that comes as a whole is checked like one that comes in parts', () => {
  using at = openPlace();
  for (const [content, put, expected] of [
    ['whole', 'whole', undefined],
    ['', '', undefined],
    ['other', 'whole', 'digest-mismatch'],
    ['longer', 'whole', 'digest-mismatch'],
  ] as const) {
    const file = created(StagedFile.create(at.place, 'conf', nonce));
    assert.equal(file.writeWhole(Buffer.from(content)), undefined);
    assert.equal(file.finish(fileEntry(put))?.reason, expected, content);
    assert.equal(readFileSync(file.names.temporary, 'utf8'), content);
    file.discard();
  }
});

test('nothing is added to a content that came as a whole, and no whole to a part', () => {
  using at = openPlace();
  const whole = created(StagedFile.create(at.place, 'conf', nonce));
  assert.equal(whole.writeWhole(Buffer.from('a')), undefined);
  assert.throws(() => whole.write(Buffer.from('b')), /is whole/);
  assert.equal(whole.finish(fileEntry('a')), undefined);
  whole.discard();
  const part = created(StagedFile.create(at.place, 'conf', nonce));
  assert.equal(part.write(Buffer.from('a')), undefined);
  assert.throws(() => part.writeWhole(Buffer.from('b')), /has a part/);
  part.discard();
});

test('a file whose descriptor is closed takes no more', () => {
  using at = openPlace();
  const file = created(StagedFile.create(at.place, 'conf', nonce));
  assert.equal(file.finish(fileEntry('')), undefined);
  assert.throws(() => file.write(Buffer.from('b')), /is closed/);
});

test('a link is staged with its owner, its target untouched', () => {
  using at = openPlace();
  writeFileSync(at.folder.at('target'), '');
  const put: SymlinkEntry = { kind: 'symlink', target: 'target', owner: 'daemon', group: 'adm' };
  const staged = stageSymlink(at.place, 'link', put, nonce);
  assert.ok(staged.ok);
  assert.equal(readlinkSync(staged.value.temporary), 'target');
  placeStaged(staged.value, { kind: 'absent' });
  using directories = new Directories(at.folder.path);
  assert.deepEqual(entryOf(look(directories, '/link')), put);
  assert.equal(lstatSync(at.folder.at('target')).uid, 0);
});

test('a link that cannot be made leaves nothing', () => {
  using at = openPlace();
  const put: SymlinkEntry = { kind: 'symlink', target: 'target', owner: 'root', group: 'root' };
  for (const [about, reason] of [
    [{ owner: 'no-such-user' }, 'unknown-owner'],
    [{ target: '' }, 'io'],
    [{ target: 'x'.repeat(4096) }, 'bad-path'],
  ] as const) {
    const staged = stageSymlink(at.place, 'link', { ...put, ...about }, nonce);
    assert.ok(!staged.ok && staged.failure.reason === reason, JSON.stringify(staged));
  }
  assert.deepEqual(at.names(), []);
});

test('a directory is staged with its attributes', () => {
  using at = openPlace();
  const before = descriptors();
  const staged = stageDirectory(at.place, 'dir', directoryEntry, nonce);
  assert.ok(staged.ok, JSON.stringify(staged));
  placeStaged(staged.value, { kind: 'absent' });
  assert.equal(descriptors(), before);
  using directories = new Directories(at.folder.path);
  assert.deepEqual(entryOf(look(directories, '/dir')), directoryEntry);
});

test('a directory that cannot be staged leaves nothing, and says why', () => {
  using at = openPlace();
  const staged = stageDirectory(at.place, 'dir', { ...directoryEntry, group: 'no-such-group' }, nonce);
  assert.ok(!staged.ok && staged.failure.reason === 'unknown-owner', JSON.stringify(staged));
  assert.deepEqual(at.names(), []);
});

test('a directory in use changes, what is in it does not', () => {
  using at = openPlace();
  mkdirSync(at.folder.at('dir'));
  writeFileSync(at.folder.at('dir/a'), 'A', { mode: 0o600 });
  const child = lstatSync(at.folder.at('dir/a'), { bigint: true });
  assert.equal(changeDirectory(at.folder.at('dir'), directoryEntry), undefined);
  using directories = new Directories(at.folder.path);
  assert.deepEqual(entryOf(look(directories, '/dir')), directoryEntry);
  assert.deepEqual(lstatSync(at.folder.at('dir/a'), { bigint: true }), child);
});

test('a link to a directory is not followed', () => {
  using at = openPlace();
  mkdirSync(at.folder.at('dir'));
  symlinkSync('dir', at.folder.at('link'));
  const before = lstatSync(at.folder.at('dir'), { bigint: true });
  assert.equal(changeDirectory(at.folder.at('link'), directoryEntry)?.reason, 'io');
  assert.deepEqual(lstatSync(at.folder.at('dir'), { bigint: true }), before);
});

const large = Buffer.alloc(65_000, 'x').toString('base64');
for (const [name, about, reason] of [
  ['names an unknown owner', { owner: 'no-such-user' }, 'unknown-owner'],
  ['has a malformed ACL', { xattrs: { 'system.posix_acl_access': 'user::rwx' } }, 'no-xattrs'],
  // The kernel refuses the second attribute when the first one is set already.
  ['has an attribute that is too large', { xattrs: { 'user.a': 'AAAA', 'user.z': large } }, 'no-space'],
] as const) {
  test(`a change that ${name} leaves the directory as it was`, () => {
    using at = openPlace();
    mkdirSync(at.folder.at('dir'));
    chmodSync(at.folder.at('dir'), 0o3755);
    run('setfattr', '-n', 'user.old', '-v', 'kept', at.folder.at('dir'));
    run('setfacl', '-m', 'u:daemon:rwx', at.folder.at('dir'));
    using directories = new Directories(at.folder.path);
    const before = entryOf(look(directories, '/dir'));
    const { ctimeNs } = lstatSync(at.folder.at('dir'), { bigint: true });
    const failure = changeDirectory(at.folder.at('dir'), { ...directoryEntry, ...about });
    assert.equal(failure?.reason, reason, JSON.stringify(failure));
    assert.deepEqual(entryOf(look(directories, '/dir')), before);
    // What can be known beforehand does not even touch it.
    const untouched = lstatSync(at.folder.at('dir'), { bigint: true }).ctimeNs === ctimeNs;
    assert.equal(untouched, reason !== 'no-space');
  });
}
