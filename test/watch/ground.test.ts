import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Ground } from '../../src/watch/ground.ts';

const name = fc.constantFrom('etc', 'a', '', '.', '..', 'b\uFFFD', 'n\0', 'x'.repeat(256), 'ü'.repeat(128));
const onDisk = fc
  .tuple(fc.constantFrom('/root', '/root2', '/', ''), fc.array(name, { maxLength: 4 }))
  .map(([root, names]) => [root, ...names].join('/'));

for (const root of ['/root', '/']) {
  test(`below ${root}, what a path means does not depend on those that came before it`, () => {
    fc.assert(
      fc.property(fc.array(onDisk, { maxLength: 8 }), (paths) => {
        const ground = new Ground(root);
        for (const path of paths) assert.equal(ground.fromDisk(path), new Ground(root).fromDisk(path), path);
      }),
    );
  });
}

test('the second path of a directory is looked at as closely as the first', () => {
  const ground = new Ground('/root');
  assert.equal(ground.fromDisk('/root/etc/a'), '/etc/a');
  assert.equal(ground.fromDisk('/root/etc/b'), '/etc/b');
  for (const bad of ['..', '.', '', 'b\uFFFD', 'n\0', 'x'.repeat(256)])
    assert.equal(ground.fromDisk(`/root/etc/${bad}`), undefined, bad);
  const deep = `/root${'/d'.repeat(2045)}`;
  assert.notEqual(ground.fromDisk(`${deep}/abc`), undefined);
  assert.equal(ground.fromDisk(`${deep}/abcdefg`), undefined, 'too long for the system');
});
