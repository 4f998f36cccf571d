import type { Entry } from '../core/entry.ts';
import { type Packed, unpackEntry } from '../core/packed.ts';
import { parseReplicaPath, type ReplicaPath } from '../core/path.ts';
import { parseEntry } from '../wire/entry.ts';

/** Reading columns as if somebody else had written them: undefined wherever the value is not ours. */

/** The entry in a column of JSON text. */
export function entryColumn(value: unknown): Entry | undefined {
  if (typeof value !== 'string') return undefined;
  try {
    return parseEntry(JSON.parse(value));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** By far the most: a file without extended attributes. */
const plainFile =
  /^f -?\d{1,19}\.\d{9} [0-9a-f]{64} \d{1,15} [0-7]{1,4} \["[\w.@$-]{1,256}","[\w.@$-]{1,256}"\]$/;

/** A packed entry. */
export function packedColumn(value: unknown): Packed | undefined {
  if (typeof value !== 'string') return undefined;
  if (plainFile.test(value)) return value;
  const entry = unpackEntry(value);
  return entry === undefined || parseEntry(entry) === undefined ? undefined : value;
}

export function pathColumn(value: unknown): ReplicaPath | undefined {
  if (typeof value !== 'string') return undefined;
  const parsed = parseReplicaPath(value);
  return parsed.ok ? parsed.path : undefined;
}

export function textColumn(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** A whole number from 0 to 2^53-1. */
export function countColumn(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

/** One of a closed list of words. */
export function wordColumn<Word extends string>(value: unknown, words: readonly Word[]): Word | undefined {
  return words.find((word) => word === value);
}
