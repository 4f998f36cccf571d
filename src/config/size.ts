/** Amounts of data as people write them. */

const unitBytes: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1024,
  kib: 1024,
  kb: 1000,
  m: 1024 ** 2,
  mib: 1024 ** 2,
  mb: 1000 ** 2,
  g: 1024 ** 3,
  gib: 1024 ** 3,
  gb: 1000 ** 3,
  t: 1024 ** 4,
  tib: 1024 ** 4,
  tb: 1000 ** 4,
};

/** For messages: what parseSize takes. */
export const sizeForm = 'a size such as 64MiB, 10 MB or a number of bytes';

/**
 * Bytes of `64MiB` (powers of 1024), `10 MB` (powers of 1000), `1G` (as GiB) or a plain number; undefined
 * for anything else and for what a whole number cannot hold.
 */
export function parseSize(raw: string | number): number | undefined {
  const parts = /^(\d{1,15}(?:\.\d{1,3})?) ?([a-z]{0,3})$/i.exec(String(raw).trim());
  const factor = unitBytes[(parts?.[2] ?? '').toLowerCase()];
  if (parts === null || factor === undefined) return undefined;
  const bytes = Number(parts[1]) * factor;
  if (factor === 1 && !Number.isInteger(bytes)) return undefined;
  return bytes <= Number.MAX_SAFE_INTEGER ? Math.round(bytes) : undefined;
}
