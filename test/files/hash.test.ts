import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync, writeFileSync } from 'node:fs';
import { before, test } from 'node:test';
import fc from 'fast-check';
import { fingerprint, initialiseHash, sha256OfFile } from '../../src/files/hash.ts';
import { run, temporaryFolder } from './fixture.ts';

before(initialiseHash);

const chunk = 256 * 1024;
for (const size of [0, 1, 4096, chunk - 1, chunk, chunk + 1, 3 * chunk, 3 * chunk + 17]) {
  test(`${size} bytes have the digest that sha256sum finds`, () => {
    using folder = temporaryFolder();
    const content = Buffer.alloc(size, 'bm-confsync');
    writeFileSync(folder.at('a'), content);
    const digest = run('sha256sum', folder.at('a')).slice(0, 64);
    const fd = openSync(folder.at('a'), 'r');
    assert.deepEqual(sha256OfFile(fd), { digest, size });
    assert.deepEqual(sha256OfFile(fd, size), { digest, size }, 'with the size that is expected');
    assert.deepEqual(sha256OfFile(fd, size + 5), { digest, size }, 'when it is shorter than expected');
    closeSync(fd);
  });
}

test('no more is read than asked for', () => {
  using folder = temporaryFolder();
  writeFileSync(folder.at('a'), Buffer.alloc(chunk + 100, 'x'));
  const fd = openSync(folder.at('a'), 'r');
  for (const size of [0, 10, chunk, chunk + 50]) {
    const digest = createHash('sha256').update(Buffer.alloc(size, 'x')).digest('hex');
    assert.deepEqual(sha256OfFile(fd, size), { digest, size });
  }
  closeSync(fd);
});

test('hashing starts at the beginning, wherever the descriptor stands', () => {
  using folder = temporaryFolder();
  writeFileSync(folder.at('a'), 'abc');
  const fd = openSync(folder.at('a'), 'r');
  readSync(fd, Buffer.alloc(2));
  assert.equal(sha256OfFile(fd).digest, createHash('sha256').update('abc').digest('hex'));
  closeSync(fd);
  assert.throws(() => sha256OfFile(fd, 3), { code: 'EBADF' });
});

test('a fingerprint is XXH64 over the lines with their lengths', () => {
  assert.equal(fingerprint([]), 'ef46db3751d8e999', 'XXH64 of nothing, as its specification has it');
  // From a second implementation, written after the specification, over `3 abc\n` and so on.
  assert.equal(fingerprint(['abc']), '585668a2a8dc59cb');
  assert.equal(fingerprint(['x'.repeat(100), 'é\u{1F600}']), '1557b3c62e642052');
  assert.notEqual(fingerprint(['a']), fingerprint(['b']));
});

const different: [string[], string[]][] = [
  [['ab'], ['a', 'b']],
  [['a\nb'], ['a', 'b']],
  [['a\n1 b'], ['a', 'b']],
  [
    ['a', 'b'],
    ['b', 'a'],
  ],
  [[''], []],
  [['é'], ['e\u0301']],
];
for (const [one, other] of different) {
  test(`${JSON.stringify(one)} and ${JSON.stringify(other)} have different fingerprints`, () =>
    assert.notEqual(fingerprint(one), fingerprint(other)));
}

test('how much is hashed at once does not matter', () => {
  // Long lines with characters of two, three and four bytes cross the ends of the pieces at every offset.
  const lines = fc.array(fc.string({ unit: fc.constantFrom('a', 'é', '€', '😀'), maxLength: 60_000 }), {
    maxLength: 4,
  });
  fc.assert(
    fc.property(lines, fc.nat(70_000), (some, padding) => {
      const all = ['x'.repeat(padding), ...some];
      const whole = all.map((line) => `${line.length} ${line}\n`).join('');
      assert.equal(fingerprint(all), oneShot(whole));
    }),
    { numRuns: 25 },
  );
});

/** XXH64 as its specification has it, in plain whole numbers. */
function oneShot(text: string): string {
  const bytes = Buffer.from(text);
  const [p1, p2, p3, p4, p5] = [
    0x9e3779b185ebca87n,
    0xc2b2ae3d27d4eb4fn,
    0x165667b19e3779f9n,
    0x85ebca77c2b2ae63n,
    0x27d4eb2f165667c5n,
  ];
  const wrap = (value: bigint): bigint => BigInt.asUintN(64, value);
  const rotate = (value: bigint, by: bigint): bigint => wrap((value << by) | (value >> (64n - by)));
  const round = (lane: bigint, input: bigint): bigint => wrap(rotate(wrap(lane + input * p2), 31n) * p1);
  let at = 0;
  let hash = p5;
  if (bytes.length >= 32) {
    const lanes = [wrap(p1 + p2), p2, 0n, wrap(-p1)];
    for (; at + 32 <= bytes.length; at += 32)
      for (const [index, lane] of lanes.entries())
        lanes[index] = round(lane, bytes.readBigUInt64LE(at + 8 * index));
    hash = wrap([1n, 7n, 12n, 18n].reduce((sum, by, index) => sum + rotate(lanes[index] ?? 0n, by), 0n));
    for (const lane of lanes) hash = wrap((hash ^ round(0n, lane)) * p1 + p4);
  }
  hash = wrap(hash + BigInt(bytes.length));
  for (; at + 8 <= bytes.length; at += 8)
    hash = wrap(rotate(hash ^ round(0n, bytes.readBigUInt64LE(at)), 27n) * p1 + p4);
  if (at + 4 <= bytes.length) {
    hash = wrap(rotate(hash ^ wrap(BigInt(bytes.readUInt32LE(at)) * p1), 23n) * p2 + p3);
    at += 4;
  }
  for (; at < bytes.length; at += 1)
    hash = wrap(rotate(hash ^ wrap(BigInt(bytes.readUInt8(at)) * p5), 11n) * p1);
  hash = wrap((hash ^ (hash >> 33n)) * p2);
  hash = wrap((hash ^ (hash >> 29n)) * p3);
  return (hash ^ (hash >> 32n)).toString(16).padStart(16, '0');
}
