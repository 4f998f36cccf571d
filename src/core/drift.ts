import { type Entry, sameContent, sameXattrs } from './entry.ts';

/** How a path differs between active and passive. */
export type DriftKind =
  | 'missing'
  | 'extra'
  | 'content'
  | 'mode'
  | 'owner'
  | 'type'
  | 'target'
  | 'xattr'
  | 'mtime';

export type DriftOptions = { readonly mtime: boolean };

/**
 * The most telling difference, or undefined where both agree. `missing`: not on the passive; `extra`:
 * only on the passive. mtime counts only where `options.mtime` says so.
 */
export function driftKind(active: Entry, passive: Entry, options: DriftOptions): DriftKind | undefined {
  if (active.kind === 'absent') return passive.kind === 'absent' ? undefined : 'extra';
  if (passive.kind === 'absent') return 'missing';
  if (active.kind !== passive.kind) return 'type';
  if (active.kind === 'file' && !sameContent(active, passive)) return 'content';
  if (active.kind === 'symlink') {
    if (passive.kind === 'symlink' && active.target !== passive.target) return 'target';
    return sameOwner(active, passive) ? undefined : 'owner';
  }
  if (passive.kind === 'symlink') return 'type';
  if (active.mode !== passive.mode) return 'mode';
  if (!sameOwner(active, passive)) return 'owner';
  if (!sameXattrs(active.xattrs, passive.xattrs)) return 'xattr';
  if (options.mtime && active.kind === 'file' && passive.kind === 'file' && active.mtime !== passive.mtime)
    return 'mtime';
  return undefined;
}

function sameOwner(a: { owner: string; group: string }, b: { owner: string; group: string }): boolean {
  return a.owner === b.owner && a.group === b.group;
}
