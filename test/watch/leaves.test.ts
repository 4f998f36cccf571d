import assert from 'node:assert/strict';
import { lstatSync, mkdirSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Leaves } from '../../src/watch/leaves.ts';
import { temporaryRoot } from './rig.ts';

const ext4 = 0xef53;
const btrfs = 0x9123683e;

const cases: [string, number, number, boolean][] = [
  ['two links on ext4: none in it', ext4, 2, true],
  ['three links: one in it', ext4, 3, false],
  ['one link: more than ext4 counts', ext4, 1, false],
  ['two links on XFS', 0x58465342, 2, true],
  ['two links on tmpfs', 0x01021994, 2, true],
  ['two links where links of directories are not counted', btrfs, 2, false],
  ['two links on an overlay, of which nobody knows what is below', 0x794c7630, 2, false],
];

for (const [what, type, nlink, expected] of cases) {
  test(`a directory is known to have none in it or is listed: ${what}`, () => {
    assert.equal(new Leaves(() => type).isLeaf('/etc/d', { nlink, dev: 1 }), expected);
  });
}

test('each device is asked for once, and one that cannot be asked counts as one that does not tell', () => {
  const asked: string[] = [];
  const leaves = new Leaves((path) => {
    asked.push(path);
    if (path === '/gone') throw new Error('ENOENT');
    return path === '/a' ? ext4 : btrfs;
  });
  assert.equal(leaves.isLeaf('/a', { nlink: 2, dev: 1 }), true);
  assert.equal(leaves.isLeaf('/a/b', { nlink: 2, dev: 1 }), true);
  assert.equal(leaves.isLeaf('/b', { nlink: 2, dev: 2 }), false);
  assert.equal(leaves.isLeaf('/gone', { nlink: 2, dev: 3 }), false);
  assert.deepEqual(asked, ['/a', '/b', '/gone']);
});

test('this disk counts as it is said to, where it is of such a kind', (t) => {
  const root = temporaryRoot(t);
  const leaves = new Leaves();
  mkdirSync(join(root, 'd'));
  writeFileSync(join(root, 'd/file'), 'x');
  const known = [0xef53, 0x58465342, 0x01021994].includes(statfsSync(root).type);
  assert.equal(leaves.isLeaf(join(root, 'd'), lstatSync(join(root, 'd'))), known);
  mkdirSync(join(root, 'd/sub'));
  assert.equal(leaves.isLeaf(join(root, 'd'), lstatSync(join(root, 'd'))), false);
});
