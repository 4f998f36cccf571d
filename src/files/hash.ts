import { createHash, hash } from 'node:crypto';
import { readSync } from 'node:fs';
import xxhash, { type XXHash, type XXHashAPI } from 'xxhash-wasm';

/** Files that fit are read and hashed in one go each; others in chunks of this size, bytes. */
const chunkBytes = 256 * 1024;
/** All hashing is synchronous, so one buffer serves all files. */
const chunk = Buffer.allocUnsafeSlow(chunkBytes);
const emptyDigest = hash('sha256', '', 'hex');

/**
 * SHA-256 (hexadecimal) and size in bytes of what a descriptor holds, from its beginning, at most `maxBytes`
 * (default: all). With the size that is expected as `maxBytes`, a file that grows for ever is not read for ever;
 * whether it grew is for the caller to see. `onWhole` is given all of it where one read sufficed, good until the next
 * call. Throws system errors.
 */
export function sha256OfFile(
  fd: number,
  maxBytes = Number.POSITIVE_INFINITY,
  onWhole?: (bytes: Uint8Array) => void,
): { readonly digest: string; readonly size: number } {
  if (maxBytes === 0) return { digest: emptyDigest, size: 0 };
  const first = readSync(fd, chunk, 0, Math.min(chunkBytes, maxBytes), 0);
  if (first === maxBytes) {
    const bytes = chunk.subarray(0, first);
    onWhole?.(bytes);
    return { digest: hash('sha256', bytes, 'hex'), size: first };
  }

  // It is longer, or the read was short: only a read of nothing is the end.
  const state = createHash('sha256').update(chunk.subarray(0, first));
  let size = first;
  for (let read = first; read > 0 && size < maxBytes; size += read) {
    read = readSync(fd, chunk, 0, Math.min(chunkBytes, maxBytes - size), size);
    state.update(chunk.subarray(0, read));
  }
  return { digest: state.digest('hex'), size };
}

let quick: XXHashAPI | undefined;

/** Has to be awaited once before `fingerprint` or `xxh64` is used: the hash is WebAssembly. */
export async function initialiseHash(): Promise<void> {
  quick ??= await xxhash();
}

/** XXH64 of some bytes. It tells blocks apart, and proves nothing. */
export function xxh64(bytes: Uint8Array): bigint {
  if (quick === undefined) throw new Error('initialiseHash was not awaited');
  return quick.h64Raw(bytes);
}

/** XXH64 of a text. It finds accidents, and proves nothing. */
export function xxh64Text(text: string): bigint {
  if (quick === undefined) throw new Error('initialiseHash was not awaited');
  const { read, written } = encoder.encodeInto(text, piece);
  if (read === text.length) return quick.h64Raw(piece.subarray(0, written));
  const state = quick.create64();
  for (let rest = text; rest !== ''; ) {
    const part = encoder.encodeInto(rest, piece);
    flush(state, part.written);
    rest = rest.slice(part.read);
  }
  return state.digest();
}

/** Text is hashed in pieces of this size, so that the memory of the WebAssembly never grows. Bytes. */
const pieceBytes = 64 * 1024;
const piece = new Uint8Array(pieceBytes);
const encoder = new TextEncoder();

/**
 * XXH64 over lines, 16 hexadecimal digits. The length of each line counts, so that no other lines give the same
 * text. It finds differences; it is no proof against somebody who wants two trees to look the same.
 */
export function fingerprint(lines: Iterable<string>): string {
  if (quick === undefined) throw new Error('initialiseHash was not awaited');
  const state = quick.create64();
  let filled = 0;
  for (const line of lines) {
    let rest = `${line.length} ${line}\n`;
    for (;;) {
      const { read, written } = encoder.encodeInto(rest, piece.subarray(filled));
      filled += written;
      if (read === rest.length) break;
      rest = rest.slice(read);
      filled = flush(state, filled);
    }
  }
  flush(state, filled);
  return state.digest().toString(16).padStart(16, '0');
}

function flush(state: XXHash<bigint>, filled: number): number {
  state.update(piece.subarray(0, filled));
  return 0;
}
