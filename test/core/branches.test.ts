import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Branches } from '../../src/core/branches.ts';
import type { ReplicaPath } from '../../src/core/path.ts';

const path = fc
  .array(fc.constantFrom('a', 'b', 'ab'), { minLength: 0, maxLength: 4 })
  .map((names) => `/${names.join('/')}` as ReplicaPath);

test('a directory is a branch exactly while something is below it', () => {
  fc.assert(
    fc.property(fc.array(path, { maxLength: 40 }), (toggled) => {
      const set = new Set<ReplicaPath>();
      const branches = new Branches((one) => set.has(one));
      for (const one of toggled) {
        if (set.delete(one)) branches.removed(one);
        else {
          set.add(one);
          branches.added(one);
        }
        for (const top of new Set([...toggled, '/' as ReplicaPath])) {
          const below = [...set].some(
            (known) => known !== top && known.startsWith(top === '/' ? '/' : `${top}/`),
          );
          assert.equal(branches.has(top), below, `${top} of ${[...set].join(' ')}`);
        }
      }
    }),
  );
});
