import { randomBytes } from 'node:crypto';

const nonceBytes = 6;

/** Random parts of temporary names: a call for each costs as much as a small write. */
export function nonces(): () => string {
  let pool = Buffer.alloc(0);
  return () => {
    if (pool.byteLength < nonceBytes) pool = randomBytes(nonceBytes * 512);
    const nonce = pool.toString('hex', 0, nonceBytes);
    pool = pool.subarray(nonceBytes);
    return nonce;
  };
}
