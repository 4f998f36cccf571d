import assert from 'node:assert/strict';
import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { test } from 'node:test';
import { blockThread } from '../../src/files/block-thread.ts';
import { Directories } from '../../src/files/confined.ts';
import { replica, run, temporaryFolder } from './fixture.ts';

function opened(directories: Directories, path: string) {
  const directory = directories.open(replica(path));
  assert.ok(directory.ok, JSON.stringify(directory));
  return directory;
}

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

test('children are reached through the descriptors of their parents', () => {
  using folder = temporaryFolder();
  mkdirSync(folder.at('etc/deep'), { recursive: true });
  using directories = new Directories(folder.path);
  const parent = directories.parentOf(replica('/etc/deep/a'));
  assert.ok(parent.ok);
  writeFileSync(parent.child('a'), 'A');
  assert.equal(readFileSync(folder.at('etc/deep/a'), 'utf8'), 'A');
  const top = directories.parentOf(replica('/etc'));
  assert.ok(top.ok);
  assert.equal(fstatSync(top.fd).ino, statSync(folder.path).ino);
  assert.equal(opened(directories, '/').fd, top.fd);
});

test('a root that is a link is followed', () => {
  using folder = temporaryFolder();
  mkdirSync(folder.at('real/etc'), { recursive: true });
  symlinkSync('real', folder.at('root'));
  using directories = new Directories(folder.at('root'));
  assert.equal(fstatSync(opened(directories, '/etc').fd).ino, statSync(folder.at('real/etc')).ino);
});

const refusals: [string, (at: (name: string) => string) => void, string, RegExp][] = [
  ['nothing', () => undefined, 'parent-missing', /\/a\/b, found nothing/],
  ['a file', (at) => writeFileSync(at('a/b'), ''), 'parent-missing', /\/a\/b, found something else/],
  ['a FIFO', (at) => void run('mkfifo', at('a/b')), 'parent-missing', /found something else/],
  [
    'a link to a directory',
    (at) => symlinkSync('..', at('a/b')),
    'not-confined',
    /\/a\/b, found a symbolic link/,
  ],
  ['a link to nothing', (at) => symlinkSync('none', at('a/b')), 'not-confined', /symbolic link/],
  ['a link to itself', (at) => symlinkSync('b', at('a/b')), 'not-confined', /symbolic link/],
];
for (const [name, prepare, reason, detail] of refusals) {
  test(`${name} where a directory should be is ${reason}`, () => {
    using folder = temporaryFolder();
    mkdirSync(folder.at('a'));
    mkdirSync(folder.at('c'));
    prepare(folder.at);
    using directories = new Directories(folder.path);
    for (const path of ['/a/b/x', '/a/b/c/x']) {
      const parent = directories.parentOf(replica(path));
      assert.ok(!parent.ok);
      assert.equal(parent.reason, reason);
      assert.match(parent.detail, detail);
    }
  });
}

test('a root that is missing is a failure, not a missing parent', () => {
  using folder = temporaryFolder();
  writeFileSync(folder.at('file'), '');
  symlinkSync('loop', folder.at('loop'));
  for (const name of ['none', 'file', 'loop']) {
    using directories = new Directories(folder.at(name));
    const parent = directories.parentOf(replica('/etc/a'));
    assert.ok(!parent.ok);
    assert.equal(parent.reason, 'io');
    assert.match(parent.detail, new RegExp(`root directory ${folder.at(name)}`));
  }
});

for (const name of ['..', '../x', 'a/b', '/etc', 'a\0b']) {
  test(`a child called ${JSON.stringify(name)} is a bug`, () => {
    using folder = temporaryFolder();
    using directories = new Directories(folder.path);
    assert.throws(() => opened(directories, '/').child(name), /expected the name of a child/);
  });
}

test('a directory that was swapped for a link is not followed, and leads nowhere else', () => {
  using folder = temporaryFolder();
  mkdirSync(folder.at('root/etc'), { recursive: true });
  mkdirSync(folder.at('outside'));
  using directories = new Directories(folder.at('root'));
  const before = opened(directories, '/etc');
  renameSync(folder.at('root/etc'), folder.at('root/moved'));
  symlinkSync(folder.at('outside'), folder.at('root/etc'));

  // Who holds the old descriptor still writes to the old directory.
  writeFileSync(before.child('a'), 'A');
  assert.deepEqual(readdirSync(folder.at('outside')), []);
  assert.equal(readFileSync(folder.at('root/moved/a'), 'utf8'), 'A');
  const after = directories.open(replica('/etc'));
  assert.ok(!after.ok);
  assert.equal(after.reason, 'not-confined');
});

test('where a directory is is asked for again after a millisecond, and at once by who places something', () => {
  using folder = temporaryFolder();
  mkdirSync(folder.at('root/etc'), { recursive: true });
  using directories = new Directories(folder.at('root'));
  const first = directories.parentLately(replica('/etc/a'));
  assert.ok(first.ok);
  renameSync(folder.at('root/etc'), folder.at('root/moved'));
  mkdirSync(folder.at('root/etc'));

  const placing = directories.parentOf(replica('/etc/a'));
  assert.ok(placing.ok && placing.fd !== first.fd);
  renameSync(folder.at('root/etc'), folder.at('root/moved-too'));
  blockThread(2);
  const looking = directories.parentLately(replica('/etc/a'));
  assert.ok(!looking.ok);
  assert.equal(looking.reason, 'parent-missing');
});

test('a directory that was replaced is opened anew, and so is what lies below it', () => {
  using folder = temporaryFolder();
  mkdirSync(folder.at('a/b'), { recursive: true });
  using directories = new Directories(folder.path);
  const old = opened(directories, '/a/b');
  renameSync(folder.at('a'), folder.at('old'));
  mkdirSync(folder.at('a/b'), { recursive: true });
  assert.equal(fstatSync(opened(directories, '/a/b').fd).ino, statSync(folder.at('a/b')).ino);
  assert.equal(
    fstatSync(old.fd).ino,
    statSync(folder.at('old/b')).ino,
    'its number names no other directory',
  );
  rmSync(folder.at('a'), { recursive: true });
  const gone = directories.open(replica('/a/b'));
  assert.ok(!gone.ok && gone.reason === 'parent-missing');
});

test('what is forgotten is opened anew, its neighbours are not', () => {
  using folder = temporaryFolder();
  for (const name of ['a/b', 'ab']) mkdirSync(folder.at(name), { recursive: true });
  using directories = new Directories(folder.path);
  const fds = ['/a/b', '/a', '/ab', '/'].map((path) => opened(directories, path).fd);
  directories.forget(replica('/a'));
  const again = ['/a/b', '/a', '/ab', '/'].map((path) => opened(directories, path).fd);
  assert.deepEqual(
    fds.map((fd, index) => fd === again[index]),
    [false, false, true, true],
  );
  directories.forget(replica('/'));
  assert.ok(!again.includes(opened(directories, '/ab').fd));
});

test('every descriptor is closed at the end, those of removed directories too', () => {
  using folder = temporaryFolder();
  const before = openDescriptors();
  {
    using directories = new Directories(folder.path);
    for (let index = 0; index < 20; index += 1) {
      mkdirSync(folder.at(`d${index}`));
      opened(directories, `/d${index}`);
      if (index % 2 === 0) rmdirSync(folder.at(`d${index}`));
      directories.open(replica(`/d${index}`));
      directories.forget(replica(`/d${index}`));
    }
    assert.equal(directories.size, 21);
    assert.equal(openDescriptors(), before + 21);
    directories.release(replica('/'));
  }
  assert.equal(openDescriptors(), before);
});

test('what is released is closed once, and opened anew when it is needed', () => {
  using folder = temporaryFolder();
  mkdirSync(folder.at('a/b'), { recursive: true });
  const before = openDescriptors();
  using directories = new Directories(folder.path);
  opened(directories, '/a/b');
  directories.release(replica('/a/b'));
  assert.equal(openDescriptors(), before + 2);

  // Its number belongs to somebody else by now, whom a second release or the end must not harm.
  const other = openSync(folder.at('a'), 'r');
  directories.release(replica('/a/b'));
  directories.release(replica('/never'));
  assert.equal(fstatSync(opened(directories, '/a/b').fd).ino, statSync(folder.at('a/b')).ino);
  directories.forget(replica('/a'));
  directories.release(replica('/a'));
  directories.close();
  directories.close();
  assert.equal(fstatSync(other).ino, statSync(folder.at('a')).ino);
  closeSync(other);
  assert.equal(openDescriptors(), before);
});

test('with a limit no more descriptors are held, and those in use stay longest', () => {
  using folder = temporaryFolder();
  const before = openDescriptors();
  using directories = new Directories(folder.path, { maxOpen: 4 });
  for (let index = 0; index < 12; index += 1) {
    mkdirSync(folder.at(`d/e${index}/f`), { recursive: true });
    const directory = opened(directories, `/d/e${index}/f`);
    assert.equal(fstatSync(directory.fd).ino, statSync(folder.at(`d/e${index}/f`)).ino);
    assert.ok(directories.size <= 4);
    assert.ok(openDescriptors() <= before + 4);
  }
  const fd = opened(directories, '/d').fd;
  opened(directories, '/d/e0');
  opened(directories, '/d/e1');
  assert.equal(opened(directories, '/d').fd, fd);
  directories.forget(replica('/d'));
  assert.ok(openDescriptors() <= before + 1);
});
