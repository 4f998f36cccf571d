import type { Entry, Present, Xattrs } from './entry.ts';

/**
 * An entry as one short text, which takes a third of the memory of the value. The same text exactly when identicalEntry
 * holds; what follows a file's mtime is the same exactly when sameEntry does.
 *
 *     f MTIME DIGEST SIZE MODE ["OWNER","GROUP","NAME","VALUE",...]
 *     d MODE ["OWNER","GROUP","NAME","VALUE",...]
 *     l ["OWNER","GROUP","TARGET"]
 *     -
 *
 * Modes are octal, pairs of names and values are extended attributes in the order of their names.
 */
export type Packed = string;

export function packEntry(entry: Entry): Packed {
  return flat(packedText(entry));
}

/**
 * V8 keeps a text that was put together as a tree of its parts, at four times the size, until somebody reads a character
 * of it.
 */
function flat(text: string): string {
  // What is read has to be used, or it is not read: no text begins so.
  return text.charCodeAt(0) === 0 ? '' : text;
}

function packedText(entry: Entry): Packed {
  switch (entry.kind) {
    case 'absent':
      return '-';
    case 'file':
      return `f ${entry.mtime} ${entry.digest} ${entry.size} ${entry.mode.toString(8)} ${owned(entry)}`;
    case 'directory':
      return `d ${entry.mode.toString(8)} ${owned(entry)}`;
    case 'symlink':
      return `l ${JSON.stringify([entry.owner, entry.group, entry.target])}`;
  }
}

function owned(entry: Exclude<Present, { kind: 'symlink' }>): string {
  const { owner, group, xattrs } = entry;
  const names = Object.keys(xattrs);
  if (names.length === 0) return JSON.stringify([owner, group]);
  return JSON.stringify([owner, group, ...names.sort().flatMap((name) => [name, xattrs[name]])]);
}

/** What two packed entries have in common exactly when sameEntry holds. */
export function packedKey(packed: Packed): string {
  return packed.startsWith('f ') ? packed.slice(packed.indexOf(' ', 2)) : packed;
}

const file = /^f (-?\d{1,19}\.\d{9}) ([0-9a-f]{64}) (\d{1,16}) ([0-7]{1,4}) (\[.*\])$/s;
const directory = /^d ([0-7]{1,4}) (\[.*\])$/s;
const link = /^l (\[.*\])$/s;

/** The entry; undefined for a text that packEntry cannot have made. Limits of length are not checked. */
export function unpackEntry(packed: Packed): Entry | undefined {
  switch (packed.charAt(0)) {
    case '-':
      return packed === '-' ? { kind: 'absent' } : undefined;
    case 'f':
      return unpackFile(packed);
    case 'd': {
      const [, mode, rest] = directory.exec(packed) ?? [];
      const about = ownedIn(rest);
      return mode === undefined || about === undefined
        ? undefined
        : { kind: 'directory', mode: Number.parseInt(mode, 8), ...about };
    }
    case 'l': {
      const [owner, group, target, ...more] = texts(link.exec(packed)?.[1]);
      return owner === undefined || group === undefined || !target || more.length > 0
        ? undefined
        : { kind: 'symlink', target, owner, group };
    }
    default:
      return undefined;
  }
}

/** As unpackEntry, of what packEntry has made. */
export function unpacked(packed: Packed): Entry {
  const entry = unpackEntry(packed);
  if (entry === undefined) throw new Error(`expected a packed entry, found ${packed}`);
  return entry;
}

function unpackFile(packed: Packed): Entry | undefined {
  const [, mtime, digest, sizeText, mode, rest] = file.exec(packed) ?? [];
  if (mtime === undefined || digest === undefined || mode === undefined) return undefined;
  const about = ownedIn(rest);
  const size = Number(sizeText);
  if (about === undefined || !Number.isSafeInteger(size)) return undefined;
  return { kind: 'file', digest, size, mode: Number.parseInt(mode, 8), mtime, ...about };
}

const noXattrs: Xattrs = Object.freeze({});
/** The same few owners come with every entry, so each is read once. */
const ownersRead = new Map<string, { readonly owner: string; readonly group: string }>();
const maxOwnersRead = 1000;

function ownedIn(
  text: string | undefined,
): { readonly owner: string; readonly group: string; readonly xattrs: Xattrs } | undefined {
  if (text === undefined) return undefined;
  const read = ownersRead.get(text);
  if (read !== undefined) return { owner: read.owner, group: read.group, xattrs: noXattrs };
  const [owner, group, ...pairs] = texts(text);
  if (!owner || !group || pairs.length % 2 === 1) return undefined;
  if (pairs.length === 0) {
    if (ownersRead.size >= maxOwnersRead) ownersRead.clear();
    ownersRead.set(text, { owner, group });
    return { owner, group, xattrs: noXattrs };
  }
  const xattrs: Record<string, string> = {};
  for (let at = 0; at < pairs.length; at += 2) {
    const name = pairs[at];
    const value = pairs[at + 1];
    if (!name || name === '__proto__' || value === undefined) return undefined;
    xattrs[name] = value;
  }
  return { owner, group, xattrs };
}

/** The texts of a JSON array of texts; none for anything else. */
function texts(json: string | undefined): readonly string[] {
  if (json === undefined) return [];
  try {
    const found: unknown = JSON.parse(json);
    return Array.isArray(found) && found.every((one) => typeof one === 'string') ? found : [];
  } catch (error) {
    if (error instanceof SyntaxError) return [];
    throw error;
  }
}
