import assert from 'node:assert/strict';
import { it } from 'node:test';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { RollingCrc } from '../../src/core/rolling.ts';

it('a CRC that rolls is what zlib says of each window', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 300 }),
      fc.integer({ min: 1, max: 80 }),
      (bytes, window) => {
        fc.pre(window <= bytes.length);
        const rolling = new RollingCrc(window);
        rolling.start(crc32(bytes.subarray(0, window)));
        for (let at = 1; at + window <= bytes.length; at += 1) {
          const crc = rolling.roll(bytes[at + window - 1] ?? 0, bytes[at - 1] ?? 0);
          assert.equal(crc, crc32(bytes.subarray(at, at + window)));
        }
      },
    ),
  );
});
