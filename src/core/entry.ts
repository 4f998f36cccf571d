/** What is at a path, as far as it is replicated. All nodes compare, send and remember this value. */

/** Names of extended attributes and their values (base64; POSIX ACLs as text with names, see files/acl). */
export type Xattrs = Readonly<Record<string, string>>;

/** Owner and group are names; a decimal number where the machine knows no name for the id. */
export type Ownership = { readonly owner: string; readonly group: string };

export type Absent = { readonly kind: 'absent' };

export type FileEntry = Ownership & {
  readonly kind: 'file';
  /** SHA-256 of the content, 64 hexadecimal digits. */
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
  /** Permission bits with setuid, setgid and sticky: 0 to 0o7777. */
  readonly mode: number;
  /** `SECONDS.NANOSECONDS`, nine decimals. Carried over, but not part of what must agree. */
  readonly mtime: string;
  readonly xattrs: Xattrs;
};

export type DirectoryEntry = Ownership & {
  readonly kind: 'directory';
  readonly mode: number;
  readonly xattrs: Xattrs;
};

export type SymlinkEntry = Ownership & { readonly kind: 'symlink'; readonly target: string };

export type Present = FileEntry | DirectoryEntry | SymlinkEntry;
export type Entry = Absent | Present;

export const absent: Absent = { kind: 'absent' };

/**
 * Whether both entries agree in everything that must agree: type, content, mode, owner, group, link
 * target and extended attributes. A file's mtime does not count.
 */
export function sameEntry(a: Entry, b: Entry): boolean {
  switch (a.kind) {
    case 'absent':
      return b.kind === 'absent';
    case 'file':
      return b.kind === 'file' && a.digest === b.digest && a.size === b.size && sameAttributes(a, b);
    case 'directory':
      return b.kind === 'directory' && sameAttributes(a, b);
    case 'symlink':
      return b.kind === 'symlink' && a.target === b.target && a.owner === b.owner && a.group === b.group;
  }
}

/** As sameEntry, and a file's mtime agrees too. */
export function identicalEntry(a: Entry, b: Entry): boolean {
  if (!sameEntry(a, b)) return false;
  return a.kind !== 'file' || b.kind !== 'file' || a.mtime === b.mtime;
}

/** Whether both are files with the same bytes, whatever their attributes. */
export function sameContent(a: Entry, b: Entry): boolean {
  return a.kind === 'file' && b.kind === 'file' && a.digest === b.digest && a.size === b.size;
}

/** One line that is the same string exactly when sameEntry holds. Manifests are digests over these. */
export function entryKey(entry: Entry): string {
  switch (entry.kind) {
    case 'absent':
      return '-';
    case 'file':
      return `f ${entry.digest} ${entry.size} ${attributesKey(entry)}`;
    case 'directory':
      return `d ${attributesKey(entry)}`;
    case 'symlink':
      return `l ${JSON.stringify([entry.owner, entry.group, entry.target])}`;
  }
}

type Attributed = FileEntry | DirectoryEntry;

function sameAttributes(a: Attributed, b: Attributed): boolean {
  return a.mode === b.mode && a.owner === b.owner && a.group === b.group && sameXattrs(a.xattrs, b.xattrs);
}

export function sameXattrs(a: Xattrs, b: Xattrs): boolean {
  const names = Object.keys(a);
  if (names.length !== Object.keys(b).length) return false;
  return names.every((name) => a[name] === b[name]);
}

function attributesKey(entry: Attributed): string {
  const names = Object.keys(entry.xattrs).sort();
  const xattrs = names.map((name) => JSON.stringify([name, entry.xattrs[name]])).join('');
  return `${entry.mode.toString(8)} ${JSON.stringify([entry.owner, entry.group])} ${xattrs}`;
}
