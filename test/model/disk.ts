import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  type Stats,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

/** What lies at the paths of a tree, each as one text: `f MODE CONTENT`, `d MODE` or `l TARGET`. */
export type Disk = Map<string, string>;

/** How our temporary names look, told apart here by other means than the program's own. */
const temporary = /\.bmcs-[0-9a-f]{12}o?~$/;

/** Reads a tree with nothing but lstat, readlink and read. Temporary names go to `temporaries`. */
export function walk(root: string, temporaries: Disk = new Map()): Disk {
  const disk: Disk = new Map();
  const visit = (path: string): void => {
    for (const name of readdirSync(join(root, path)).sort()) {
      const at = `${path}/${name}`;
      const full = join(root, at);
      const found = keyOf(full);
      if (temporary.test(name)) temporaries.set(at, found);
      else {
        disk.set(at, found);
        if (found.startsWith('d')) visit(at);
      }
    }
  };
  visit('/etc');
  return disk;
}

function keyOf(full: string): string {
  const stats = lstatSync(full);
  const owner = `${stats.uid}:${stats.gid}`;
  if (stats.isSymbolicLink()) return `l ${owner} ${readlinkSync(full)}`;
  const mode = (stats.mode & 0o7777).toString(8);
  if (stats.isDirectory()) return `d ${owner} ${mode}`;
  return `f ${owner} ${mode} ${readFileSync(full, 'utf8')}`;
}

/** What of an entry must not get lost: a file's bytes, a link's target; undefined for what has none. */
export function contentOf(key: string): string | undefined {
  if (key.startsWith('f')) return key.split(' ').slice(3).join(' ');
  return key.startsWith('l') ? `-> ${key.split(' ').slice(2).join(' ')}` : undefined;
}

export type Edit =
  | { readonly kind: 'write'; readonly path: string; readonly how: 'in-place' | 'replace' }
  | { readonly kind: 'chmod'; readonly path: string; readonly mode: number }
  | { readonly kind: 'remove'; readonly path: string }
  | { readonly kind: 'mkdir'; readonly path: string }
  | { readonly kind: 'symlink'; readonly path: string }
  | { readonly kind: 'rename'; readonly path: string; readonly to: string }
  /** The file becomes a directory with a file in it, or the directory a file. */
  | { readonly kind: 'turn'; readonly path: string }
  /** Undoes whatever was done: the path holds what is always the same. */
  | { readonly kind: 'reset'; readonly path: string };

/** Somebody edits a tree. What cannot be done there is left alone. */
export function edit(root: string, what: Edit, content: string): void {
  const full = join(root, what.path);
  if (!isDirectory(dirname(full))) return;
  const there = statsOf(full) !== undefined;
  switch (what.kind) {
    case 'write':
      if (what.how === 'in-place' && isFile(full)) writeFileSync(full, content);
      else if (!isDirectory(full)) writeAside(full, content);
      return;
    case 'chmod':
      if (isFile(full) || isDirectory(full)) chmodSync(full, what.mode | (isDirectory(full) ? 0o100 : 0));
      return;
    case 'remove':
      return rmSync(full, { recursive: true, force: true });
    case 'mkdir':
      if (!there) mkdirSync(full);
      return;
    case 'symlink':
      rmSync(full, { recursive: true, force: true });
      return symlinkSync(content, full);
    case 'rename': {
      const to = join(root, what.to);
      if (
        !there ||
        !isDirectory(dirname(to)) ||
        `${to}/`.startsWith(`${full}/`) ||
        `${full}/`.startsWith(`${to}/`)
      )
        return;
      rmSync(to, { recursive: true, force: true });
      return renameSync(full, to);
    }
    case 'turn': {
      const file = isDirectory(full);
      rmSync(full, { recursive: true, force: true });
      if (file) return writeFileSync(full, content);
      mkdirSync(full);
      return writeFileSync(join(full, 'x'), content);
    }
    case 'reset':
      if (!isDirectory(full)) writeAside(full, 'always the same\n');
  }
}

/** As editors save: the name never goes away. */
function writeAside(full: string, content: string): void {
  const aside = `${full}.new`;
  writeFileSync(aside, content, { mode: 0o644 });
  renameSync(aside, full);
}

function isDirectory(full: string): boolean {
  return statsOf(full)?.isDirectory() === true;
}

function isFile(full: string): boolean {
  return statsOf(full)?.isFile() === true;
}

/** Undefined where nothing is, or a file stands where a directory would have to be. */
function statsOf(full: string): Stats | undefined {
  try {
    return lstatSync(full);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}
