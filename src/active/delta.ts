import { crc32 } from 'node:zlib';
import { RollingCrc } from '../core/rolling.ts';
import { blockBytes, type KnownBlocks } from '../files/blocks.ts';
import { maxBodyBytes } from '../wire/frame.ts';
import { maxCopyBytes } from '../wire/message.ts';
import type { Piece } from './content.ts';

/** After so many bytes without any match only windows where blocks would lie are looked at. */
const searchedBytes = 32 * 1024 * 1024;

/**
 * Says a content in terms of the blocks that the peer has, as rsync does: a window moves over what is new until it is
 * one of them, and goes on block by block from there. Chunks are good until the next one is asked for, and so is what is
 * yielded.
 */
export function* delta(chunks: Iterable<Buffer>, known: KnownBlocks): Generator<Piece> {
  const matcher = new Matcher(known);
  let copy: { from: number; bytes: number } | undefined;
  for (const piece of matcher.pieces(chunks)) {
    const follows =
      copy !== undefined &&
      !Buffer.isBuffer(piece) &&
      copy.from + copy.bytes === piece.from &&
      copy.bytes < maxCopyBytes;
    if (copy !== undefined && follows) copy.bytes += blockBytes;
    else {
      if (copy !== undefined) yield copy;
      copy = Buffer.isBuffer(piece) ? undefined : { ...piece };
      if (Buffer.isBuffer(piece)) yield* inBodies(piece);
    }
  }
  if (copy !== undefined) yield copy;
}

function* inBodies(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.byteLength; at += maxBodyBytes) yield bytes.subarray(at, at + maxBodyBytes);
}

class Matcher {
  readonly #known: KnownBlocks;
  readonly #rolling = new RollingCrc(blockBytes);
  /** What was taken and not said yet, and where in the file it begins. */
  #held: Buffer = Buffer.alloc(0);
  /** Holds what is left over of one chunk, and the next one behind it. */
  #joined: Buffer = Buffer.alloc(0);
  #offset = 0;
  /** Where the window begins in `held`, or behind its end; what is before it is new. */
  #at = 0;
  /** The block that comes next if nothing changed. */
  #expected = 0;
  #rolls = false;
  #searched = 0;

  constructor(known: KnownBlocks) {
    this.#known = known;
  }

  *pieces(chunks: Iterable<Buffer>): Generator<Piece> {
    for (const chunk of chunks) {
      this.#take(chunk);
      yield* this.#match();
      const known = Math.min(this.#at, this.#held.byteLength);
      if (known > 0) yield this.#held.subarray(0, known);
      this.#forget(known);
      // The next chunk may come in the memory of this one.
      this.#keep(this.#held);
    }
    if (this.#held.byteLength > 0) yield this.#held;
  }

  #take(chunk: Buffer): void {
    const before = this.#held.byteLength;
    if (before === 0) this.#held = chunk;
    else {
      this.#keep(this.#held, before + chunk.byteLength);
      chunk.copy(this.#joined, before);
      this.#held = this.#joined.subarray(0, before + chunk.byteLength);
    }
  }

  /** Moves what is held to the beginning of memory of its own, with room for so many bytes. */
  #keep(held: Buffer, room = held.byteLength): void {
    const joined = room > this.#joined.byteLength ? Buffer.allocUnsafe(2 * room) : this.#joined;
    held.copy(joined, 0);
    this.#joined = joined;
    this.#held = joined.subarray(0, held.byteLength);
  }

  /** These bytes of `held` are said. */
  #forget(bytes: number): void {
    this.#held = this.#held.subarray(bytes);
    this.#offset += bytes;
    this.#at -= Math.min(this.#at, bytes);
  }

  /** Says all blocks that are whole in `held`, each with the new bytes before it. */
  *#match(): Generator<Piece> {
    for (;;) {
      const block = this.#next();
      if (block === undefined) return;
      if (this.#at > 0) yield this.#held.subarray(0, this.#at);
      yield { from: block * blockBytes, bytes: blockBytes };
      this.#forget(this.#at + blockBytes);
      this.#expected = block + 1;
      this.#rolls = false;
      this.#searched = 0;
    }
  }

  /** Moves the window to the next known block; undefined when more bytes are needed for that. */
  #next(): number | undefined {
    for (;;) {
      const left = this.#held.byteLength - this.#at - blockBytes;
      // To roll on takes the byte behind the window.
      if (left < (this.#rolls ? 1 : 0)) return undefined;
      const found = this.#rolls ? this.#roll() : this.#look();
      if (found !== undefined) return found;
    }
  }

  /** The window is somewhere new: most often it is the block that follows the last one. */
  #look(): number | undefined {
    const window = this.#held.subarray(this.#at, this.#at + blockBytes);
    if (this.#known.isBlock(this.#expected, window)) return this.#expected;
    if (this.#searched >= searchedBytes) {
      this.#at += blockBytes;
      this.#expected += 1;
      return undefined;
    }
    const crc = crc32(window);
    const found = this.#known.find(crc, window);
    if (found === undefined) {
      this.#rolling.start(crc);
      this.#rolls = true;
    }
    return found;
  }

  /** Moves on byte by byte within what is there. */
  #roll(): number | undefined {
    const held = this.#held;
    const known = this.#known;
    const rolling = this.#rolling;
    const end = held.byteLength - blockBytes;
    const begin = this.#at;
    let at = begin;
    while (at < end) {
      const crc = rolling.roll(held[at + blockBytes] ?? 0, held[at] ?? 0);
      at += 1;
      if (!known.mayHave(crc)) continue;
      const found = known.find(crc, held.subarray(at, at + blockBytes));
      if (found === undefined) continue;
      this.#at = at;
      return found;
    }
    this.#at = at;
    this.#searched += at - begin;
    if (this.#searched >= searchedBytes) this.#giveUp();
    return undefined;
  }

  /** Goes on where a block of the peer would begin if nothing had moved. */
  #giveUp(): void {
    this.#rolls = false;
    this.#expected = Math.ceil((this.#offset + this.#at) / blockBytes);
    this.#at = this.#expected * blockBytes - this.#offset;
  }
}
