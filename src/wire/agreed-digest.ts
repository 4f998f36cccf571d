import { createHash } from 'node:crypto';
import type { MovedPath } from '../core/move.ts';
import { packedKey } from '../core/packed.ts';

/** Equal exactly where both nodes agreed on the same at the same paths, times of files aside. SHA-256, hexadecimal. */
export function agreedDigest(paths: readonly MovedPath[]): string {
  const hash = createHash('sha256');
  // A path holds no NUL.
  for (const { from, packed } of paths) hash.update(`${from}\0${packedKey(packed)}\0`);
  return hash.digest('hex');
}
