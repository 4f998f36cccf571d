import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { type Frame, FrameDecoder, packFrames, preamble } from '../../src/wire/frame.ts';
import { maxUnpackedBytes } from '../../src/wire/packed.ts';
import { encodeFrame } from '../rig/frames.ts';

function decoded(...pieces: Buffer[]): { frames: Frame[]; fault: string | undefined } {
  const decoder = new FrameDecoder();
  decoder.decode(preamble);
  const frames: Frame[] = [];
  let fault: string | undefined;
  for (const piece of pieces) {
    const { frames: more, fault: now } = decoder.decode(piece);
    frames.push(...more);
    fault = now?.kind;
  }
  return { frames, fault };
}

/** A packed frame around whatever a hostile peer puts there. */
function packedAround(body: Buffer): Buffer {
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32LE(body.byteLength, 0);
  return Buffer.concat([lengths, body]);
}

const text = (n: number): Buffer => Buffer.from(`smtpd_option_${n} = yes\n`.repeat(40));
const plain = (...numbers: number[]): Buffer =>
  Buffer.concat(numbers.map((n) => encodeFrame({ n }, text(n))));

function packed(frames: Buffer): Buffer {
  const bytes = packFrames(frames);
  assert.ok(bytes !== undefined);
  return bytes;
}

describe('packed frames', () => {
  it('are what they were, between others that are not packed', () => {
    const pieces = [plain(1), packed(plain(2, 3, 4)), plain(5), packed(plain(6, 7))];
    const { frames, fault } = decoded(Buffer.concat(pieces));
    assert.equal(fault, undefined);
    const expected = [1, 2, 3, 4, 5, 6, 7].map((n) => [{ n }, text(n).toString()]);
    assert.deepEqual(
      frames.map(({ header, body }) => [header, body.toString()]),
      expected,
    );
  });

  it('are the same however the stream is split', () => {
    const stream = Buffer.concat([packed(plain(1, 2)), plain(3), packed(plain(4, 5))]);
    fc.assert(
      fc.property(fc.array(fc.nat(stream.length)), (cuts) => {
        const at = [0, ...cuts.sort((a, b) => a - b), stream.length];
        const pieces = at.slice(1).map((end, index) => Buffer.from(stream.subarray(at[index], end)));
        const { frames, fault } = decoded(...pieces);
        assert.equal(fault, undefined);
        assert.deepEqual(
          frames.map(({ header }) => header),
          [1, 2, 3, 4, 5].map((n) => ({ n })),
        );
      }),
    );
  });

  it('take less', () => {
    const frames = plain(...Array.from({ length: 50 }, (_, n) => n));
    assert.ok(packed(frames).byteLength < frames.byteLength / 4);
  });

  it('are not made of what is small, or gets no smaller, or is more than a receiver takes', () => {
    assert.equal(packFrames(encodeFrame({ n: 1 })), undefined);
    assert.equal(packFrames(encodeFrame({ n: 1 }, randomBytes(100_000))), undefined);
    assert.equal(packFrames(Buffer.alloc(maxUnpackedBytes + 1)), undefined);
    assert.notEqual(packFrames(Buffer.alloc(maxUnpackedBytes)), undefined);
  });
});

describe('of a packed frame that no sender of ours makes', () => {
  const cases: [string, Buffer][] = [
    ['no zstd', Buffer.from('hello')],
    ['nothing', Buffer.alloc(0)],
    ['a zstd frame that breaks off', packed(plain(1, 2, 3)).subarray(8, -20)],
    ['64 MiB of zeros', zstdCompressSync(Buffer.alloc(64 * 1024 ** 2))],
    ['half a frame', zstdCompressSync(plain(1, 2).subarray(0, -1))],
    ['less than the lengths of one', zstdCompressSync(Buffer.concat([plain(1), Buffer.alloc(7)]))],
    ['another packed one', zstdCompressSync(packed(plain(1, 2, 3)))],
  ];
  for (const [what, body] of cases) {
    it(`with ${what} in it nothing after it is decoded, and it is named`, () => {
      const { frames, fault } = decoded(plain(0), packedAround(body), plain(9));
      assert.equal(fault, 'packed-wrongly');
      assert.ok(frames.every(({ header }) => (header as { n: number }).n < 9));
    });
  }

  it('the lengths of a frame in it are checked as any', () => {
    const lengths = Buffer.alloc(8, 0xff);
    assert.equal(decoded(packedAround(zstdCompressSync(lengths))).fault, 'frame-too-large');
  });
});
