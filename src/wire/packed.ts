import type * as zlibOfNode from 'node:zlib';

/**
 * Frames that travel compressed. Without I/O. A frame whose header has no byte is packed: its body is one zstd frame
 * (RFC 8878) of whole frames, of which none is packed itself. Only for links that are slower than both machines compress.
 */
type Zlib = typeof zlibOfNode;

/** Largest sum of the frames in a packed one: what a body may take of the receiver's memory. */
export const maxUnpackedBytes = 1024 * 1024;
/** Less than this fits in one packet of a network anyway. */
const leastBytes = 1400;
/** The fastest of zstd's levels: text becomes a quarter, at 150 MB a second. */
const level = 1;

let zlib: Zlib | undefined;

/** Takes 5 ms to load, which a receiver on a fast link would pay at each start. */
function loaded(): Zlib {
  zlib ??= process.getBuiltinModule('node:zlib');
  return zlib;
}

/** The frames compressed; undefined where that gains nothing or is more than `unpack` takes. */
export function pack(frames: Uint8Array): Buffer | undefined {
  if (frames.byteLength < leastBytes || frames.byteLength > maxUnpackedBytes) return undefined;
  const { zstdCompressSync, constants } = loaded();
  const packed = zstdCompressSync(frames, {
    pledgedSrcSize: frames.byteLength,
    params: { [constants.ZSTD_c_compressionLevel]: level },
  });
  return packed.byteLength < frames.byteLength ? packed : undefined;
}

/** The frames in the body of a packed one. Throws for what is not zstd, or more than maxUnpackedBytes. */
export function unpack(body: Uint8Array): Buffer {
  return loaded().zstdDecompressSync(body, { maxOutputLength: maxUnpackedBytes });
}
