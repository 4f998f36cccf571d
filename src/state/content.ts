import { createHash } from 'node:crypto';
import { fstatSync, readSync, writeSync } from 'node:fs';

/** Larger reads do not stay in the processor's cache until they are hashed. */
const chunkBytes = 256 * 1024;

/**
 * The SHA-256 of an open file and its size in bytes. Reads from the beginning with explicit positions, so that the offset of
 * the descriptor does not move. `each` is given the content, in a buffer that is used again. Throws system errors.
 */
export function digestOf(
  fd: number,
  each: (chunk: Uint8Array) => void = () => undefined,
): { digest: string; size: number } {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(Math.min(chunkBytes, fstatSync(fd).size + 1));
  let size = 0;
  for (;;) {
    const count = readSync(fd, buffer, 0, buffer.length, size);
    if (count === 0) return { digest: hash.digest('hex'), size };
    const chunk = buffer.subarray(0, count);
    hash.update(chunk);
    each(chunk);
    size += count;
  }
}

/** Writes all of it at the offset of the descriptor. Throws system errors. */
export function writeAll(fd: number, content: Uint8Array): void {
  for (let done = 0; done < content.length; ) done += writeSync(fd, content, done);
}
