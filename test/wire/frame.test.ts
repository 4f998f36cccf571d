import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Frame, FrameDecoder, maxBodyBytes, maxFrameBytes, preamble } from '../../src/wire/frame.ts';
import { encodeFrame } from '../rig/frames.ts';

type Sent = { header: unknown; body: Buffer };

function encodeAll(sent: readonly Sent[]): Buffer {
  return Buffer.concat([preamble, ...sent.map(({ header, body }) => encodeFrame(header, body))]);
}

function decodeInPieces(
  bytes: Buffer,
  cuts: readonly number[],
): { frames: Frame[]; decoder: FrameDecoder; fault: string | undefined } {
  const decoder = new FrameDecoder();
  const frames: Frame[] = [];
  let fault: string | undefined;
  const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  for (const [index, start] of [0, ...at].entries()) {
    const piece = Buffer.from(bytes.subarray(start, at[index] ?? bytes.length));
    const decoded = decoder.decode(piece);
    frames.push(...decoded.frames.map(({ header, body }) => ({ header, body: Buffer.from(body) })));
    fault = decoded.fault?.kind;
  }
  return { frames, decoder, fault };
}

const sent = fc.array(
  fc.record({
    header: fc.jsonValue(),
    body: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  }),
  { maxLength: 8 },
);

describe('framing', () => {
  it('decodes the same frames however the stream is split', () => {
    fc.assert(
      fc.property(sent, fc.array(fc.nat()), (messages, cuts) => {
        const { frames, decoder, fault } = decodeInPieces(encodeAll(messages), cuts);
        assert.equal(fault, undefined);
        assert.deepEqual(
          frames.map(({ header, body }) => [JSON.stringify(header), body.toString('hex')]),
          messages.map(({ header, body }) => [JSON.stringify(header), body.toString('hex')]),
        );
        assert.equal(decoder.end(), undefined);
      }),
    );
  });

  it('decodes one byte at a time', () => {
    const bytes = encodeAll([{ header: { t: 'ping' }, body: Buffer.from('content') }]);
    const { frames } = decodeInPieces(bytes, Array.from(bytes.keys()));
    assert.deepEqual(frames, [{ header: { t: 'ping' }, body: Buffer.from('content') }]);
  });

  it('names a stream that is not ours, such as a login banner', () => {
    const { fault } = decodeInPieces(Buffer.from('Welcome to mail2!\r\n'), []);
    assert.equal(fault, 'not-our-protocol');
  });

  it('names a frame that is too large before it takes memory for it', () => {
    const header = Buffer.alloc(8);
    header.writeUInt32LE(maxFrameBytes + 1, 0);
    assert.equal(decodeInPieces(Buffer.concat([preamble, header]), []).fault, 'frame-too-large');
  });

  it('names a header that is longer than its frame', () => {
    const header = Buffer.alloc(8);
    header.writeUInt32LE(10, 0);
    header.writeUInt32LE(11, 4);
    assert.equal(decodeInPieces(Buffer.concat([preamble, header]), []).fault, 'header-too-large');
  });

  it('names a body that is over the limit', () => {
    const header = Buffer.alloc(8);
    header.writeUInt32LE(maxBodyBytes + 3, 0);
    header.writeUInt32LE(2, 4);
    assert.equal(decodeInPieces(Buffer.concat([preamble, header]), []).fault, 'header-too-large');
  });

  it('names a header that is not JSON', () => {
    const frame = encodeFrame({});
    frame[8] = 0x21;
    assert.equal(decodeInPieces(Buffer.concat([preamble, frame]), []).fault, 'header-not-json');
  });

  it('names a stream that ends in the middle of something, wherever that is', () => {
    const bytes = encodeAll([{ header: { t: 'ping', id: 1 }, body: Buffer.from('abc') }]);
    for (let length = 1; length < bytes.length; length += 1) {
      const { decoder } = decodeInPieces(bytes.subarray(0, length), []);
      const expected =
        length < preamble.length ? 'not-our-protocol' : length === preamble.length ? undefined : 'truncated';
      assert.equal(decoder.end()?.kind, expected, `after ${length} bytes`);
    }
  });

  it('never throws and never gives frames after a fault, whatever garbage comes', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 64 })), (chunks) => {
        const decoder = new FrameDecoder();
        decoder.decode(preamble);
        let faulty = false;
        for (const chunk of chunks) {
          const { frames, fault } = decoder.decode(Buffer.from(chunk));
          if (faulty) assert.equal(frames.length, 0);
          faulty = fault !== undefined;
        }
      }),
    );
  });

  it('refuses to encode what the other side would refuse', () => {
    assert.throws(() => encodeFrame({}, Buffer.alloc(maxBodyBytes + 1)), RangeError);
  });
});
