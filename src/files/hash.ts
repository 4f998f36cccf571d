import { createHash, hash } from 'node:crypto';
import { readSync } from 'node:fs';
import xxhash, { type XXHashAPI } from 'xxhash-wasm';

let quick: XXHashAPI | undefined;
const buffer = Buffer.allocUnsafe(256 * 1024);

/** Has to be awaited once before `fingerprint` is used: the hash is WebAssembly. */
export async function initialiseHash(): Promise<void> {
  quick ??= await xxhash();
}

/** XXH64 over lines, 16 hexadecimal digits. Finds differences; says nothing about intent. */
export function fingerprint(lines: Iterable<string>): string {
  if (quick === undefined) throw new Error('initialiseHash was not awaited');
  const state = quick.create64();
  for (const line of lines) state.update(line).update('\n');
  return state.digest().toString(16).padStart(16, '0');
}

/** SHA-256 (hexadecimal) and size of what a descriptor holds, from its beginning. Throws system errors. */
export function sha256OfFile(fd: number): { digest: string; size: number } {
  const first = readSync(fd, buffer, 0, buffer.byteLength, 0);
  if (first < buffer.byteLength)
    return { digest: hash('sha256', buffer.subarray(0, first), 'hex'), size: first };
  const state = createHash('sha256').update(buffer);
  for (let size = first; ; ) {
    const read = readSync(fd, buffer, 0, buffer.byteLength, size);
    if (read === 0) return { digest: state.digest('hex'), size };
    state.update(buffer.subarray(0, read));
    size += read;
  }
}
