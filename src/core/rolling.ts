/**
 * A CRC-32 (ISO 3309, as zlib's) over a window that moves on byte by byte. CRC is linear, so that what the byte that
 * leaves had put in can be taken out again by a table.
 */
export class RollingCrc {
  readonly #leaving: Uint32Array;
  /** What zlib's inversions at both ends add for a window of this length. */
  readonly #inversions: number;
  #raw = 0;

  /** `bytes`: the length of the window, from 1. */
  constructor(bytes: number) {
    this.#leaving = leavingTable(bytes);
    let ones = 0xffffffff;
    for (let at = 0; at < bytes; at += 1) ones = step(ones, 0);
    this.#inversions = (ones ^ 0xffffffff) >>> 0;
  }

  /** Begins anew with a window whose CRC is `crc`. */
  start(crc: number): void {
    this.#raw = (crc ^ this.#inversions) >>> 0;
  }

  /** Moves on: one byte comes in at the end, one goes at the beginning. Answers the CRC of the new window. */
  roll(coming: number, going: number): number {
    this.#raw = (step(this.#raw, coming) ^ (this.#leaving[going] ?? 0)) >>> 0;
    return (this.#raw ^ this.#inversions) >>> 0;
  }
}

const table = makeTable();

function makeTable(): Uint32Array {
  const made = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte += 1) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
    made[byte] = crc >>> 0;
  }
  return made;
}

function step(crc: number, byte: number): number {
  return (crc >>> 8) ^ (table[(crc ^ byte) & 0xff] ?? 0);
}

/** What each value of a byte still is in the register after a whole window has come behind it. */
function leavingTable(bytes: number): Uint32Array {
  const made = new Uint32Array(256);
  // By linearity the powers of two are enough.
  for (let bit = 0; bit < 8; bit += 1) {
    let crc = step(0, 1 << bit);
    for (let at = 0; at < bytes; at += 1) crc = step(crc, 0);
    made[1 << bit] = crc >>> 0;
  }
  for (let byte = 1; byte < 256; byte += 1) {
    const low = byte & -byte;
    if (low !== byte) made[byte] = ((made[low] ?? 0) ^ (made[byte ^ low] ?? 0)) >>> 0;
  }
  return made;
}
