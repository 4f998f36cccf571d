import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import type { Piece } from '../../src/active/content.ts';
import { delta } from '../../src/active/delta.ts';
import { blockBytes, blockRows, KnownBlocks, rowBytes } from '../../src/files/blocks.ts';
import { initialiseHash } from '../../src/files/hash.ts';
import { maxBodyBytes } from '../../src/wire/frame.ts';
import { maxCopyBytes } from '../../src/wire/message.ts';
import { seeded } from '../world/tree.ts';

const folder = mkdtempSync(join(tmpdir(), 'bm-confsync-delta-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function knownOf(base: Buffer): KnownBlocks {
  const file = join(folder, 'base');
  writeFileSync(file, base);
  const fd = openSync(file, 'r');
  try {
    return new KnownBlocks(Buffer.concat([...blockRows(fd, base.byteLength)]));
  } finally {
    closeSync(fd);
  }
}

/** All in the same memory, as a file is read. */
function* inChunks(content: Buffer, bytes: number): Generator<Buffer> {
  const chunk = Buffer.alloc(bytes);
  for (let at = 0; at < content.byteLength; at += bytes) {
    const size = content.copy(chunk, 0, at, at + bytes);
    yield chunk.subarray(0, size);
    chunk.fill(0);
  }
}

/** Each piece is good until the next one is asked for. */
function deltaOf(content: Buffer, bytes: number, known: KnownBlocks): Piece[] {
  const pieces: Piece[] = [];
  for (const piece of delta(inChunks(content, bytes), known))
    pieces.push(Buffer.isBuffer(piece) ? Buffer.from(piece) : piece);
  return pieces;
}

function built(base: Buffer, pieces: readonly Piece[]): Buffer {
  return Buffer.concat(
    pieces.map((piece) =>
      Buffer.isBuffer(piece) ? piece : base.subarray(piece.from, piece.from + piece.bytes),
    ),
  );
}

function newBytes(pieces: readonly Piece[]): number {
  return pieces.reduce((sum, piece) => sum + (Buffer.isBuffer(piece) ? piece.byteLength : 0), 0);
}

function randomBytes(bytes: number, seed: number): Buffer {
  const random = seeded(seed);
  const made = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; at += 1) made[at] = Math.floor(random() * 256);
  return made;
}

await initialiseHash();

describe('a content in terms of what the peer has', () => {
  const base = randomBytes(20 * blockBytes + 777, 1);
  const known = knownOf(base);
  const middle = 9 * blockBytes + 1234;
  const inserted = Buffer.from('something new');
  const cases: readonly [string, Buffer, number][] = [
    ['nothing changed', base, 777],
    ['one byte changed', changed(base, middle, 1), blockBytes + 777],
    ['three blocks changed', changed(base, middle, 3 * blockBytes), 4 * blockBytes + 777],
    ['appended', Buffer.concat([base, inserted]), 777 + inserted.byteLength],
    ['inserted at the beginning', Buffer.concat([inserted, base]), 777 + inserted.byteLength],
    [
      'inserted in the middle',
      Buffer.concat([base.subarray(0, middle), inserted, base.subarray(middle)]),
      blockBytes + 777 + inserted.byteLength,
    ],
    [
      'removed in the middle',
      Buffer.concat([base.subarray(0, middle), base.subarray(middle + 5000)]),
      blockBytes + 777,
    ],
    ['cut off', base.subarray(0, 5 * blockBytes + 3), 3],
    [
      'blocks in another order',
      Buffer.concat([base.subarray(10 * blockBytes), base.subarray(0, 10 * blockBytes)]),
      777,
    ],
    [
      'one block again and again',
      Buffer.concat(Array.from({ length: 9 }, () => base.subarray(0, blockBytes))),
      0,
    ],
  ];
  for (const [what, content, most] of cases) {
    it(`${what}: at most ${most} bytes are new`, () => {
      for (const bytes of [256 * 1024, 65_536, 100_000]) {
        const pieces = deltaOf(content, bytes, known);
        assert.ok(built(base, pieces).equals(content));
        assert.ok(newBytes(pieces) <= most, `${newBytes(pieces)} in chunks of ${bytes}`);
      }
    });
  }

  it('says nothing but what frames can carry', () => {
    const pieces = deltaOf(Buffer.concat([randomBytes(600_000, 2), base]), 256 * 1024, known);
    for (const piece of pieces) {
      if (Buffer.isBuffer(piece)) assert.ok(piece.byteLength <= maxBodyBytes && piece.byteLength > 0);
      else assert.ok(piece.bytes <= maxCopyBytes);
    }
  });

  it('finds blocks in place again after it gave up to search', () => {
    const noise = randomBytes(1024 * 1024, 3);
    const other = Buffer.concat(Array.from({ length: 35 }, (_, n) => changed(noise, n * 29_000, 64)));
    const large = Buffer.concat([Buffer.alloc(other.byteLength, 1), base]);
    const content = Buffer.concat([other, base]);
    const pieces = deltaOf(content, 256 * 1024, knownOf(large));
    assert.ok(built(large, pieces).equals(content));
    assert.ok(newBytes(pieces) <= other.byteLength + 777);
  });

  it('any edits: what is built is the content', () => {
    const small = randomBytes(5 * blockBytes + 99, 4);
    const smallKnown = knownOf(small);
    const edit = fc.record({
      at: fc.nat(small.byteLength),
      drop: fc.nat(2 * blockBytes),
      put: fc.oneof(
        fc.uint8Array({ maxLength: 40 }),
        fc.nat(4 * blockBytes).map((at) => small.subarray(at, at + 70_000)),
      ),
    });
    fc.assert(
      fc.property(
        fc.array(edit, { maxLength: 4 }),
        fc.integer({ min: 1000, max: 300_000 }),
        (edits, bytes) => {
          let content = small;
          for (const { at, drop, put } of edits)
            content = Buffer.concat([content.subarray(0, at), put, content.subarray(at + drop)]);
          const pieces = deltaOf(content, bytes, smallKnown);
          assert.ok(built(small, pieces).equals(content));
        },
      ),
      { numRuns: 200 },
    );
  });

  it('of a peer that has nothing all is new', () => {
    const pieces = deltaOf(base, 256 * 1024, new KnownBlocks(Buffer.alloc(0)));
    assert.ok(Buffer.concat(pieces.filter((piece) => Buffer.isBuffer(piece))).equals(base));
    assert.equal(new KnownBlocks(Buffer.alloc(rowBytes - 1)).count, 0);
  });
});

function changed(base: Buffer, at: number, bytes: number): Buffer {
  const copy = Buffer.from(base);
  for (let n = 0; n < bytes; n += 1) copy[at + n] = ((copy[at + n] ?? 0) + 1) & 0xff;
  return copy;
}
