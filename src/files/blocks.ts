import { readSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { xxh64 } from './hash.ts';

/**
 * Digests of the blocks of a file, so that the other node can tell which of them it has too. One row a block:
 *
 *     u32 LE  CRC-32, which can be rolled along a file
 *     u64 LE  XXH64, which is right but for one pair of blocks in 2^64
 *
 * That is enough, since what is built of blocks is checked by its SHA-256 as a whole. The rest of the file that does
 * not fill a block has no row.
 */

/** Bytes of a block. Smaller ones find more, and cost more digests to tell of. */
export const blockBytes = 64 * 1024;
export const rowBytes = 12;

/** At most so many blocks are hashed before others get their turn. */
const blocksPerPart = 256;
const part = Buffer.allocUnsafeSlow(blockBytes);

/** The rows of a file that is open for reading, from its beginning, in parts. Throws system errors. */
export function* blockRows(fd: number, size: number): Generator<Buffer> {
  const blocks = Math.floor(size / blockBytes);
  for (let first = 0; first < blocks; first += blocksPerPart) {
    const rows = Buffer.allocUnsafe(Math.min(blocksPerPart, blocks - first) * rowBytes);
    let filled = 0;
    for (; filled < rows.byteLength; filled += rowBytes) {
      const at = (first + filled / rowBytes) * blockBytes;
      // It became shorter: there are no more whole blocks.
      if (readSync(fd, part, 0, blockBytes, at) < blockBytes) break;
      writeRow(rows, filled, part);
    }
    yield rows.subarray(0, filled);
    if (filled < rows.byteLength) return;
  }
}

function writeRow(rows: Buffer, at: number, block: Buffer): void {
  rows.writeUInt32LE(crc32(block), at);
  rows.writeBigUInt64LE(xxh64(block), at + 4);
}

/** The blocks that a file of the other node has, by their digests. */
export class KnownBlocks {
  readonly #rows: Buffer;
  readonly #byCrc = new Map<number, number[]>();
  /** Whether any block has a CRC with these low bits: nearly every window is told from all blocks by this alone. */
  readonly #maybe = new Uint8Array(1 << 16);

  /** `rows` as `blockRows` makes them; what does not fill a row at the end is ignored. */
  constructor(rows: Buffer) {
    this.#rows = rows;
    for (let block = 0; block < this.count; block += 1) {
      const crc = rows.readUInt32LE(block * rowBytes);
      this.#maybe[crc & 0xffff] = 1;
      const same = this.#byCrc.get(crc);
      if (same === undefined) this.#byCrc.set(crc, [block]);
      // Of very many equal blocks a few do.
      else if (same.length < 4) same.push(block);
    }
  }

  get count(): number {
    return Math.floor(this.#rows.byteLength / rowBytes);
  }

  /** Whether it is worth asking `find`. */
  mayHave(crc: number): boolean {
    return this.#maybe[crc & 0xffff] === 1;
  }

  /** Whether a window is this very block. */
  isBlock(block: number, window: Uint8Array): boolean {
    if (block < 0 || block >= this.count) return false;
    return this.#isRow(block, xxh64(window));
  }

  /** The block that a window with this CRC is, if any. */
  find(crc: number, window: Uint8Array): number | undefined {
    const candidates = this.#byCrc.get(crc);
    if (candidates === undefined) return undefined;
    const strong = xxh64(window);
    return candidates.find((block) => this.#isRow(block, strong));
  }

  #isRow(block: number, strong: bigint): boolean {
    return this.#rows.readBigUInt64LE(block * rowBytes + 4) === strong;
  }
}
