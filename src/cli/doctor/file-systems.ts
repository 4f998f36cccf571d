import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Mount, parseMounts } from '../../files/mounts.ts';
import { takesXattrs } from '../../files/native.ts';
import type { Renames } from '../../files/place.ts';
import { type Check, error, ok, warning } from './check.ts';

/** What one file system of the tree, or of the state, can do. */
export type FileSystem = {
  readonly path: string;
  /** As the kernel calls it; undefined: unknown. */
  readonly type: string | undefined;
  readonly xattrs: boolean;
  /** Whether two names can be exchanged in one step; undefined: not known. */
  readonly exchange: boolean | undefined;
};

/**
 * Looks at the file systems of these folders. In the tree nothing is written: what it can do is asked for, or known of
 * its type; only in the state folder, where nobody looks, two files are exchanged.
 */
export function fileSystemsOf(
  folders: readonly string[],
  options: { readonly mountinfo: string; readonly state: string | undefined; readonly renames: Renames },
): FileSystem[] {
  const mounts = parseMounts(options.mountinfo);
  const probed = options.state === undefined ? undefined : probe(options.state, options.renames);
  return folders.map((path) => {
    const type = typeAt(mounts, path);
    const exchange =
      probed !== undefined && probed.dev === statSync(path, { throwIfNoEntry: false })?.dev
        ? probed.exchange
        : exchangesByType(type);
    return { path, type, xattrs: takesXattrs(path), exchange };
  });
}

/** Of what is mounted at or above a path, what counts: the nearest, and of several in one place the last. */
export function typeAt(mounts: readonly Mount[], path: string): string | undefined {
  let found: Mount | undefined;
  for (const mount of mounts) {
    const isAbove = mount.at === '/' || path === mount.at || path.startsWith(`${mount.at}/`);
    if (isAbove && (found === undefined || mount.at.length >= found.at.length)) found = mount;
  }
  return found?.type;
}

const exchanging = ['ext2', 'ext3', 'ext4', 'xfs', 'btrfs', 'tmpfs', 'ramfs', 'f2fs', 'bcachefs', 'overlay'];
const notExchanging = ['nfs', 'nfs4', 'cifs', 'smb3', '9p', 'hfsplus', 'exfat', 'jfs', 'reiserfs'];

function exchangesByType(type: string | undefined): boolean | undefined {
  if (type === undefined) return undefined;
  if (exchanging.includes(type)) return true;
  return notExchanging.includes(type) ? false : undefined;
}

/** Exchanges two files of our own. Undefined where not even they can be written, which other checks tell of. */
function probe(state: string, renames: Renames): { dev: number; exchange: boolean } | undefined {
  let folder: string | undefined;
  try {
    folder = mkdtempSync(join(state, '.doctor-'));
    const [a, b] = [join(folder, 'a'), join(folder, 'b')];
    writeFileSync(a, '');
    writeFileSync(b, '');
    return { dev: statSync(folder).dev, exchange: renames.exchange(a, b).ok };
  } catch (problem) {
    if ((problem as NodeJS.ErrnoException).code === undefined) throw problem;
    return undefined;
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  }
}

export function judgeXattrs(systems: readonly FileSystem[]): Check {
  const name = 'xattrs';
  const lacking = systems.filter(({ xattrs }) => !xattrs);
  if (lacking.length === 0) return ok(name, `supported: ${described(systems)}`);
  const found = `no extended attributes, so that ACLs and labels of files cannot arrive: ${described(lacking)}`;
  return error(name, found, 'move it to ext4 or xfs, or remount it with user_xattr');
}

export function judgeExchange(systems: readonly FileSystem[]): Check {
  const name = 'exchange';
  const lacking = systems.filter(({ exchange }) => exchange !== true);
  if (lacking.length === 0) return ok(name, `supported: ${described(systems)}`);
  const cannot = lacking.some(({ exchange }) => exchange === false) ? 'cannot' : 'is not known to';
  const found = `an edit in the very instant of a push could be missed, since a file system ${cannot} exchange two names in one step: ${described(lacking)}`;
  return warning(name, found, 'use ext4, xfs or btrfs there; until then edit on the active node only');
}

function described(systems: readonly FileSystem[]): string {
  const byType = Map.groupBy(systems, ({ type }) => type ?? 'unknown');
  return [...byType].map(([type, all]) => `${type} (${all.map(({ path }) => path).join(', ')})`).join(', ');
}
