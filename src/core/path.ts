/** The one door for paths that come from the peer, the command line or the disk. */

declare const replicaPath: unique symbol;

/** An absolute, normalised path below the configured root: `/etc/hosts`. Never ends with `/`, except `/`. */
export type ReplicaPath = string & { readonly [replicaPath]: true };

export type PathFault =
  | 'empty'
  | 'not-absolute'
  | 'has-nul'
  | 'not-normalised'
  | 'name-too-long'
  | 'path-too-long'
  | 'not-unicode';

/** Limits of Linux, in bytes: NAME_MAX, and PATH_MAX less its NUL. */
const maxNameBytes = 255;
const maxPathBytes = 4095;

export type PathResult =
  | { readonly ok: true; readonly path: ReplicaPath }
  | { readonly ok: false; readonly fault: PathFault };

/**
 * Checks one path. A decoded name that was not valid UTF-8 shows as U+FFFD and is refused
 * (`not-unicode`): such names are reported, not replicated, since a lossy name could hit another file.
 */
export function parseReplicaPath(raw: string): PathResult {
  const fault = pathFault(raw);
  return fault === undefined ? { ok: true, path: raw as ReplicaPath } : { ok: false, fault };
}

function pathFault(raw: string): PathFault | undefined {
  if (raw === '') return 'empty';
  if (!raw.startsWith('/')) return 'not-absolute';
  if (raw.includes('\0')) return 'has-nul';
  if (raw.includes('\uFFFD') || /\p{Surrogate}/u.test(raw)) return 'not-unicode';
  if (raw === '/') return undefined;
  if (utf8Length(raw) > maxPathBytes) return 'path-too-long';
  for (const name of raw.slice(1).split('/')) {
    if (name === '' || name === '.' || name === '..') return 'not-normalised';
    if (name.length > maxNameBytes || (name.length * 3 > maxNameBytes && utf8Length(name) > maxNameBytes))
      return 'name-too-long';
  }
  return undefined;
}

function utf8Length(text: string): number {
  let bytes = 0;
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    // Each half of a surrogate pair counts two of the pair's four bytes.
    bytes += unit < 0x80 ? 1 : unit < 0x800 || (unit >= 0xd800 && unit < 0xe000) ? 2 : 3;
  }
  return bytes;
}

/** The directory that holds the path; `/` for `/` itself. */
export function parentOf(path: ReplicaPath): ReplicaPath {
  const cut = path.lastIndexOf('/');
  return (cut <= 0 ? '/' : path.slice(0, cut)) as ReplicaPath;
}

/** The last name of the path; empty for `/`. */
export function nameOf(path: ReplicaPath): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** The path of a child. The name must be one that the disk gave, without `/`. */
export function childOf(path: ReplicaPath, name: string): ReplicaPath {
  return (path === '/' ? `/${name}` : `${path}/${name}`) as ReplicaPath;
}

/** Whether `path` lies strictly below `ancestor`. */
export function isBelow(path: ReplicaPath, ancestor: ReplicaPath): boolean {
  return ancestor === '/'
    ? path !== '/'
    : path.startsWith(ancestor) && path.charCodeAt(ancestor.length) === 47;
}

/** Whether `path` is `top`, or lies below it. */
export function isAtOrBelow(path: ReplicaPath, top: ReplicaPath): boolean {
  return path === top || isBelow(path, top);
}

/** All ancestors from the top down, without `/` and without the path itself. */
export function ancestorsOf(path: ReplicaPath): ReplicaPath[] {
  const found: ReplicaPath[] = [];
  for (let cut = path.indexOf('/', 1); cut > 0; cut = path.indexOf('/', cut + 1)) {
    found.push(path.slice(0, cut) as ReplicaPath);
  }
  return found;
}

const unsafe =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this looks for
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\\]/g;

/** Text that is safe on a terminal: control characters, DEL and whatever changes the direction of text become escapes. */
export function printable(text: string): string {
  return text.replace(unsafe, (character) => {
    if (character === '\\') return '\\\\';
    const code = character.charCodeAt(0);
    return code < 0x100
      ? `\\x${code.toString(16).padStart(2, '0')}`
      : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}

/** How our own temporary names look: hidden from include directories, and known to the sweep. */
const temporaryName = /^\.(?:.*\.)?bmcs-[0-9a-f]{12}o?~$/s;

/** Whether a last name is one of our temporary names. Such names are never replicated. */
export function isTemporaryName(name: string): boolean {
  // Asked for each event and each name that is listed: the last character tells it of nearly all.
  return name.endsWith('~') && temporaryName.test(name);
}

/**
 * The temporary name beside `name`: begins with `.`, ends with `~`, so that nginx, cron.d, sudoers.d
 * and run-parts never load it. `nonce`: 12 hexadecimal digits.
 */
export function temporaryNameFor(name: string, nonce: string): string {
  const long = `.${name}.bmcs-${nonce}~`;
  return utf8Length(long) <= maxNameBytes ? long : `.bmcs-${nonce}~`;
}
