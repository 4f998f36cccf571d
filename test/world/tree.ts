import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** What to put at a path: a text is the content of a file, null removes what is there. Times in seconds or as a Date. */
export type Written =
  | string
  | null
  | {
      readonly content?: string | Uint8Array;
      readonly mode?: number;
      readonly uid?: number;
      /** Default: the same number as `uid`. */
      readonly gid?: number;
      readonly mtime?: number | Date;
    }
  | { readonly symlink: string; readonly mtime?: number | Date }
  | { readonly directory: true; readonly mode?: number };

/**
 * Writes a tree as a literal: `{ 'etc/a.conf': 'text', 'etc/link': { symlink: 'a.conf' } }`, parents included. Files
 * are written in place, links are replaced.
 */
export function write(root: string, tree: Readonly<Record<string, Written>>): void {
  for (const [name, what] of Object.entries(tree)) put(join(root, name), what);
}

function put(path: string, what: Written): void {
  if (what === null) return rmSync(path, { recursive: true, force: true });
  mkdirSync(dirname(path), { recursive: true });
  if (typeof what === 'string') return writeFileSync(path, what);
  if ('symlink' in what) {
    rmSync(path, { recursive: true, force: true });
    symlinkSync(what.symlink, path);
  } else if ('directory' in what) mkdirSync(path, { recursive: true });
  else writeFileSync(path, what.content ?? '');
  if ('uid' in what && what.uid !== undefined) chownSync(path, what.uid, what.gid ?? what.uid);
  // After the owner, because chown takes the setuid bits away.
  if ('mode' in what && what.mode !== undefined) chmodSync(path, what.mode);
  if ('mtime' in what && what.mtime !== undefined) lutimesSync(path, what.mtime, what.mtime);
}

export function temporaryFolder(name: string): string {
  return mkdtempSync(join(tmpdir(), `bm-confsync-${name}-`));
}

/**
 * How two trees differ, as rsync (contents by checksum, modes, owners, ACLs, extended attributes, links) and
 * diff see it. Empty when they are the same. The times of directories and links are not replicated. What goes while it is looked
 * at, as a temporary name does, is a difference as well.
 */
export function differences(active: string, passive: string, excludes: readonly string[] = []): string {
  const filters = excludes.map((pattern) => `--exclude=${pattern}`);
  const rsync = spawnSync(
    'rsync',
    ['-nacAXi', '--delete', '-O', '-J', ...filters, `${active}/`, `${passive}/`],
    { encoding: 'utf8' },
  );
  if (rsync.status !== 0 && !lookedAtInPart.includes(rsync.status))
    throw new Error(`rsync ended with ${rsync.status}: ${rsync.stderr}`);
  const diff = spawnSync(
    'diff',
    [
      '-r',
      '--no-dereference',
      '--brief',
      ...excludes.map((pattern) => `--exclude=${pattern}`),
      active,
      passive,
    ],
    { encoding: 'utf8' },
  );
  return `${rsync.stdout}${rsync.status === 0 ? '' : rsync.stderr}${diff.stdout}${diff.status === 2 ? diff.stderr : ''}`;
}

/** Exit codes of rsync: something could not be looked at, or has gone meanwhile. */
const lookedAtInPart: readonly (number | null)[] = [23, 24];

/** Names anywhere below a folder that look like temporary files of ours. */
export function leftovers(root: string): string {
  return execFileSync('find', [root, '-name', '*.bmcs-*'], { encoding: 'utf8' });
}

/** A reproducible source of numbers from 0 to 1 (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
