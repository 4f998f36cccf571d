import { maxBodyBytes } from './frame.ts';

/** Sums of 64 bits on their way, in a body: eight bytes each, the lowest first. A twentieth of rows that name what they are of. */

const sumBytes = 8;
const mostInBody = maxBodyBytes / sumBytes;

/** Bodies that hold all of them, in order. Gives one empty body for no sums. */
export function* inBodies(sums: readonly bigint[]): Generator<{ body: Buffer; last: boolean }> {
  for (let from = 0; ; from += mostInBody) {
    const part = sums.slice(from, from + mostInBody);
    const body = Buffer.allocUnsafe(part.length * sumBytes);
    part.forEach((sum, index) => {
      body.writeBigUInt64LE(sum, index * sumBytes);
    });
    const last = from + mostInBody >= sums.length;
    yield { body, last };
    if (last) return;
  }
}

/** The sums of one body. Bytes beyond the last whole one are no sum. */
export function* sumsIn(body: Buffer): Generator<bigint> {
  for (let at = 0; at + sumBytes <= body.byteLength; at += sumBytes) yield body.readBigUInt64LE(at);
}
