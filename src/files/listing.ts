import { type Dirent, readdirSync } from 'node:fs';
import type { ReplicaPath } from '../core/path.ts';
import type { NotOpened, OpenDirectory } from './confined.ts';
import { errnoCode, errnoFailure } from './errno.ts';
import type { Observation } from './observation.ts';

/**
 * The names of a directory in the order in which the kernel tells them; an observation where it does not. Those that it tells to be
 * files, as most file systems do, are added to `files`.
 */
export function listed(
  directory: OpenDirectory,
  path: ReplicaPath,
  files?: Set<string>,
): readonly string[] | Observation {
  if (files === undefined) return told(path, () => readdirSync(directory.child('.')));
  return told(path, () => readdirSync(directory.child('.'), { withFileTypes: true }).map(nameOfEntry));

  function nameOfEntry(entry: Dirent): string {
    if (entry.isFile()) files?.add(entry.name);
    return entry.name;
  }
}

/** It was a directory a moment ago: only a failure to open it tells nothing of what is there now. */
export function notListed(directory: NotOpened): Observation {
  const { reason, detail } = directory;
  if (reason === 'parent-missing' || reason === 'not-confined') return { kind: 'unstable' };
  return { kind: 'failed', failure: { reason, detail } };
}

export type Names = { readonly names: readonly string[]; readonly undecodable: readonly Buffer[] };

/**
 * All names in the order of their bytes, out of a listing. While names come and go, one listing may miss a name that is
 * replaced: it is listed twice where it changed lately, since nobody replaces it again just then.
 */
export function inOrder({
  directory,
  path,
  listing,
  changedLately,
}: {
  readonly directory: OpenDirectory;
  readonly path: ReplicaPath;
  readonly listing: readonly string[];
  readonly changedLately: boolean;
}): Names | Observation {
  const again = changedLately ? listed(directory, path) : [];
  if ('kind' in again) return again;
  const sorted = byBytes(again.length === 0 ? [...listing] : [...new Set([...listing, ...again])]);
  if (!sorted.some((name) => name.includes('\uFFFD'))) return { names: sorted, undecodable: [] };
  return told(path, () => withoutLossy(directory, sorted));
}

/** What the calls answer, or why they could not. */
function told<Answer>(path: ReplicaPath, calls: () => Answer): Answer | Observation {
  try {
    return calls();
  } catch (error) {
    // It was removed since it was opened.
    if (errnoCode(error) === 'ENOENT') return { kind: 'unstable' };
    return { kind: 'failed', failure: errnoFailure(error, path) };
  }
}

/** In the order of their UTF-8 bytes, which is that of UTF-16 units except beyond the surrogates. */
export function byBytes(names: string[]): string[] {
  if (!names.some((name) => /[\uD800-\uFFFF]/.test(name))) return names.sort();
  return names
    .map((name) => Buffer.from(name))
    .sort(Buffer.compare)
    .map((bytes) => bytes.toString('utf8'));
}

/** Names that decoding has changed, or may have, are told by their bytes: the text could be another file's name. */
function withoutLossy(directory: OpenDirectory, names: readonly string[]): Names {
  const raw = readdirSync(directory.child('.'), { encoding: 'buffer' });
  return {
    names: names.filter((name) => !name.includes('\uFFFD')),
    undecodable: raw.filter((bytes) => bytes.toString('utf8').includes('\uFFFD')).sort(Buffer.compare),
  };
}

/** Printable ASCII as it is, every other byte as `\xNN`. */
export function escaped(bytes: Buffer): string {
  return bytes
    .toString('latin1')
    .replace(/[^\x20-\x7e]|\\/g, (byte) => `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
