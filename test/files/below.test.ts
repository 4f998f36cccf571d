import assert from 'node:assert/strict';
import { closeSync, constants, fstatSync, lstatSync, mkdirSync, openSync, symlinkSync } from 'node:fs';
import { test } from 'node:test';
import { belowDescriptor, openBelow } from '../../src/files/below.ts';
import { temporaryFolder } from './fixture.ts';

const atCwd = -100;

test('only a path that leads through a descriptor to a name in it is taken apart', () => {
  assert.deepEqual(belowDescriptor('/proc/self/fd/17/a name'), { directory: 17, name: 'a name' });
  assert.deepEqual(belowDescriptor('/proc/self/fd/3/.'), { directory: 3, name: '.' });
  for (const path of [
    '/etc/hosts',
    'hosts',
    '/proc/self/fd/17',
    '/proc/self/fd/17/',
    '/proc/self/fd/17/a/b',
    '/proc/self/fd/-1/a',
    '/proc/self/fd/1x/a',
    '/proc/self/fd/12345678901/a',
    '/proc/self/fd//a',
    '/srv/proc/self/fd/17/a',
  ])
    assert.deepEqual(belowDescriptor(path), { directory: atCwd, name: path });
});

test('a file is made below a descriptor with its mode, and only where there is none', () => {
  using folder = temporaryFolder();
  const directory = openSync(folder.path, 'r');
  const flags = constants.O_CREAT | constants.O_EXCL | constants.O_RDWR | constants.O_NOFOLLOW;
  const fd = openBelow(directory, 'a', flags, 0o600);
  assert.equal(fstatSync(fd).ino, lstatSync(folder.at('a')).ino);
  assert.equal(fstatSync(fd).mode & 0o7777, 0o600);
  assert.throws(() => openBelow(directory, 'a', flags, 0o600), { code: 'EEXIST' });
  symlinkSync('/nowhere', folder.at('link'));
  assert.throws(() => openBelow(directory, 'link', flags, 0o600), { code: 'EEXIST' });
  for (const name of ['', '..', 'a/b', 'a\0b'])
    assert.throws(() => openBelow(directory, name, flags, 0o600), /expected the name of a child/);
  closeSync(fd);
  closeSync(directory);
});

test('a descriptor stands for the directory wherever it is called now', () => {
  using folder = temporaryFolder();
  mkdirSync(folder.at('d'));
  const directory = openSync(folder.at('d'), 'r');
  const fd = openBelow(directory, '.', constants.O_RDONLY);
  assert.equal(fstatSync(fd).ino, lstatSync(folder.at('d')).ino);
  closeSync(fd);
  closeSync(directory);
});
