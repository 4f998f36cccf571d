import { pack, unpack } from './packed.ts';

/**
 * Framing, without I/O. A stream begins with the preamble, so that a login banner or a shell's
 * output on the same pipe is told apart from the protocol. Frames follow:
 *
 *     u32 LE  bytes of header and body together
 *     u32 LE  bytes of the header
 *     header  JSON in UTF-8
 *     body    raw bytes
 *
 * Both lengths are checked before any memory is taken. A frame without a header holds other frames, packed.
 */

export const preamble = Buffer.from('bm-confsync 1\n', 'latin1');

/** Largest header and body together. Content travels in bodies of at most maxBodyBytes. */
export const maxFrameBytes = 4 * 1024 * 1024;
export const maxBodyBytes = 256 * 1024;
const maxHeaderBytes = maxFrameBytes - maxBodyBytes;
const lengthsBytes = 8;

export type Frame = { readonly header: unknown; readonly body: Buffer };

export type FrameFault = {
  readonly kind:
    | 'not-our-protocol'
    | 'frame-too-large'
    | 'header-too-large'
    | 'header-not-json'
    | 'packed-wrongly'
    | 'truncated';
  readonly detail: string;
};

/** Whole frames as one packed frame; undefined where that gains nothing. */
export function packFrames(frames: Uint8Array): Buffer | undefined {
  const body = pack(frames);
  if (body === undefined || body.byteLength > maxBodyBytes) return undefined;
  const packed = Buffer.allocUnsafe(lengthsBytes + body.byteLength);
  packed.writeUInt32LE(body.byteLength, 0);
  packed.writeUInt32LE(0, 4);
  packed.set(body, lengthsBytes);
  return packed;
}

/** All of a frame before its body, which is to be written right behind it. Throws a RangeError when the caller made it too large. */
export function encodeHead(header: unknown, bodyBytes: number): Buffer {
  const json = JSON.stringify(header);
  const jsonBytes = Buffer.byteLength(json, 'utf8');
  if (bodyBytes > maxBodyBytes || jsonBytes > maxHeaderBytes) {
    throw new RangeError(`a frame of ${jsonBytes} + ${bodyBytes} bytes is over the limit`);
  }
  const head = Buffer.allocUnsafe(lengthsBytes + jsonBytes);
  head.writeUInt32LE(jsonBytes + bodyBytes, 0);
  head.writeUInt32LE(jsonBytes, 4);
  head.write(json, lengthsBytes, 'utf8');
  return head;
}

/** Turns chunks, split anywhere, into frames. After a fault nothing more is decoded. */
export class FrameDecoder {
  #fault: FrameFault | undefined;
  #preambleLeft = preamble.byteLength;
  /** Bytes of an item whose end has not arrived: preamble, lengths, or a frame of known length. */
  #pending: Buffer = Buffer.alloc(0);
  #filled = 0;

  /** Decodes what is complete. The frames before a fault are given together with it. */
  decode(chunk: Buffer): { readonly frames: Frame[]; readonly fault: FrameFault | undefined } {
    const frames: Frame[] = [];
    let rest = chunk;
    while (this.#fault === undefined && rest.byteLength > 0) {
      rest = this.#preambleLeft > 0 ? this.#decodePreamble(rest) : this.#decodeFrame(rest, frames);
    }
    return { frames, fault: this.#fault };
  }

  /** What the end of the stream means: a fault when it came in the middle of something. */
  end(): FrameFault | undefined {
    if (this.#fault !== undefined) return this.#fault;
    if (this.#preambleLeft > 0) {
      return { kind: 'not-our-protocol', detail: 'the stream ended before the preamble was complete' };
    }
    if (this.#filled === 0) return undefined;
    return { kind: 'truncated', detail: `the stream ended ${this.#filled} bytes into a frame` };
  }

  #decodePreamble(chunk: Buffer): Buffer {
    const at = preamble.byteLength - this.#preambleLeft;
    const taken = Math.min(chunk.byteLength, this.#preambleLeft);
    if (chunk.compare(preamble, at, at + taken, 0, taken) !== 0) {
      const shown = JSON.stringify(chunk.subarray(0, 80).toString('latin1'));
      this.#fault = {
        kind: 'not-our-protocol',
        detail: `expected ${JSON.stringify(preamble.toString('latin1'))}, found ${shown}`,
      };
    }
    this.#preambleLeft -= taken;
    return chunk.subarray(taken);
  }

  #decodeFrame(chunk: Buffer, frames: Frame[]): Buffer {
    // The usual case: the whole frame lies in this chunk and needs no copy.
    if (this.#filled === 0 && chunk.byteLength >= lengthsBytes) {
      const total = this.#checkLengths(chunk);
      if (total === undefined) return chunk;
      if (chunk.byteLength >= total) {
        this.#emit(chunk.subarray(0, total), frames);
        return chunk.subarray(total);
      }
    }
    return this.#collect(chunk, frames);
  }

  #collect(chunk: Buffer, frames: Frame[]): Buffer {
    if (this.#filled === 0) this.#pending = Buffer.allocUnsafe(lengthsBytes);
    const taken = Math.min(chunk.byteLength, this.#pending.byteLength - this.#filled);
    chunk.copy(this.#pending, this.#filled, 0, taken);
    this.#filled += taken;
    const rest = chunk.subarray(taken);
    if (this.#filled < this.#pending.byteLength) return rest;
    const total = this.#checkLengths(this.#pending);
    if (total === undefined) return rest;
    if (this.#filled < total) {
      const whole = Buffer.allocUnsafe(total);
      this.#pending.copy(whole, 0, 0, this.#filled);
      this.#pending = whole;
      return rest;
    }
    const frame = this.#pending;
    this.#filled = 0;
    this.#pending = Buffer.alloc(0);
    this.#emit(frame, frames);
    return rest;
  }

  /** Bytes of the whole frame, lengths included; undefined and a fault when they are out of bounds. */
  #checkLengths(bytes: Buffer): number | undefined {
    const total = bytes.readUInt32LE(0);
    const header = bytes.readUInt32LE(4);
    if (total > maxFrameBytes) {
      this.#fault = {
        kind: 'frame-too-large',
        detail: `expected at most ${maxFrameBytes} bytes, found ${total}`,
      };
      return undefined;
    }
    if (header > maxHeaderBytes || header > total || total - header > maxBodyBytes) {
      this.#fault = {
        kind: 'header-too-large',
        detail: `a header of ${header} bytes does not fit a frame of ${total}`,
      };
      return undefined;
    }
    return lengthsBytes + total;
  }

  #emit(frame: Buffer, frames: Frame[]): void {
    const headerEnd = lengthsBytes + frame.readUInt32LE(4);
    if (headerEnd === lengthsBytes) return this.#unpack(frame.subarray(headerEnd), frames);
    try {
      const header: unknown = JSON.parse(frame.toString('utf8', lengthsBytes, headerEnd));
      frames.push({ header, body: frame.subarray(headerEnd) });
    } catch (error) {
      this.#fault = { kind: 'header-not-json', detail: String(error) };
    }
  }

  #unpack(body: Buffer, frames: Frame[]): void {
    try {
      let rest = unpack(body);
      while (this.#fault === undefined && rest.byteLength > 0) {
        const total = rest.byteLength < lengthsBytes ? undefined : this.#checkLengths(rest);
        if (total === undefined || total > rest.byteLength || rest.readUInt32LE(4) === 0) {
          throw new RangeError('expected whole frames, none of them packed');
        }
        this.#emit(rest.subarray(0, total), frames);
        rest = rest.subarray(total);
      }
    } catch (error) {
      this.#fault ??= { kind: 'packed-wrongly', detail: String(error) };
    }
  }
}
