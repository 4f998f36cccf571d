import { createHash } from 'node:crypto';
import { packEntry, packedKey } from '../core/packed.ts';
import type { ReplicaPath } from '../core/path.ts';
import type { Slice } from './scan.ts';
import type { Scanned } from './walk.ts';

/** A part of the tree whose fingerprint is wanted. */
export type PrintScope = {
  readonly name: string;
  includes(path: ReplicaPath): boolean;
  mayLieBelow(directory: ReplicaPath): boolean;
};

export type Print = {
  readonly name: string;
  /** Four groups of four characters, such as `7K2M-X0QD-93TA-HB5W`. */
  readonly fingerprint: string;
  /** Paths that count in it. */
  readonly paths: number;
  /** Paths that could not be read; they count as unreadable, whatever they hold. */
  readonly unread: readonly string[];
};

/** Reasons for which a path is never replicated, on neither node: what it is cannot differ. */
const neverReplicated: ReadonlySet<string> = new Set(['bad-path', 'too-large', 'unsupported-type']);

/**
 * A short text for each part of a tree, the same exactly when the parts agree in what is replicated: path,
 * type, content, mode, names of owner and group, link target and extended attributes. Times of files and whatever belongs
 * to a node do not count. Throws what the walk throws.
 */
export async function printsOf(
  walk: AsyncIterable<Slice<Scanned>>,
  scopes: readonly PrintScope[],
): Promise<Print[]> {
  const parts = scopes.map((scope) => ({ scope, lines: [] as string[], unread: [] as string[] }));
  const take = (scanned: Scanned): void => {
    const { path } = scanned;
    const line = lineOf(scanned);
    if (line === undefined) return;
    for (const { scope, lines, unread } of parts) {
      const isUnread = line === unreadable;
      if (!scope.includes(path) && !(isUnread && scope.mayLieBelow(path))) continue;
      lines.push(`${path}\0${line}\0`);
      if (isUnread) unread.push(path);
    }
  };
  for await (const slice of walk) for (const scanned of slice) take(scanned);
  return parts.map(({ scope, lines, unread }) => ({
    name: scope.name,
    fingerprint: speakable(lines.sort()),
    paths: lines.length,
    unread,
  }));
}

const unreadable = '?';

/** Undefined where nothing that is replicated is there. */
function lineOf({ packed, observation }: Scanned): string | undefined {
  if (packed !== undefined) return packedKey(packed);
  switch (observation.kind) {
    case 'entry':
      return observation.entry.kind === 'absent' ? undefined : packedKey(packEntry(observation.entry));
    case 'unsupported':
      return undefined;
    case 'failed':
      return neverReplicated.has(observation.failure.reason) ? undefined : unreadable;
    case 'unstable':
      return unreadable;
  }
}

/** Crockford's base32: no I, L, O or U, so that nothing is misheard for a digit. */
const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const groups = 4;
const charactersAGroup = 4;

/** The first 80 bits of a SHA-256, to be read aloud. */
function speakable(lines: readonly string[]): string {
  const hash = createHash('sha256');
  for (const line of lines) hash.update(line);
  const digest = hash.digest();
  const characters = Array.from({ length: groups * charactersAGroup }, (_, at) => fiveBits(digest, at * 5));
  return Array.from({ length: groups }, (_, at) =>
    characters.slice(at * charactersAGroup, (at + 1) * charactersAGroup).join(''),
  ).join('-');
}

function fiveBits(bytes: Buffer, from: number): string {
  const at = Math.floor(from / 8);
  const two = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  return alphabet.charAt((two >> (11 - (from % 8))) & 31);
}
