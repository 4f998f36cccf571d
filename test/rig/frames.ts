import { encodeHead } from '../../src/wire/frame.ts';

/** One frame as bytes. Throws as encodeHead. */
export function encodeFrame(header: unknown, body: Uint8Array = new Uint8Array()): Buffer {
  return Buffer.concat([encodeHead(header, body.byteLength), body]);
}
