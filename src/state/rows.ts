import type { Entry } from '../core/entry.ts';
import { type Packed, packEntry, unpackEntry } from '../core/packed.ts';
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

/** The entry in a column of JSON text, packed. */
export function packedJsonColumn(value: unknown): Packed | undefined {
  if (typeof value !== 'string') return undefined;
  const packed = plainPacked(value);
  if (packed !== undefined) return packed;
  const entry = entryColumn(value);
  return entry === undefined ? undefined : packEntry(entry);
}

/** What a full check of the shape would say of a plain file, at a quarter of the cost. */
function plainPacked(text: string): Packed | undefined {
  const raw = parsedRecord(text);
  if (raw?.['kind'] !== 'file' || Object.keys(raw).length !== 8) return undefined;
  const { mtime, digest, size, mode, owner, group, xattrs } = raw;
  if (typeof size !== 'number' || typeof mode !== 'number' || !isEmptyRecord(xattrs)) return undefined;
  const packed = `f ${mtime} ${digest} ${size} ${mode.toString(8)} ["${owner}","${group}"]`;
  return plainFile.test(packed) ? packed : undefined;
}

function parsedRecord(text: string): Record<string, unknown> | undefined {
  try {
    const raw: unknown = JSON.parse(text);
    return typeof raw === 'object' && raw !== null ? { ...raw } : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function isEmptyRecord(value: unknown): boolean {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length === 0
  );
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
