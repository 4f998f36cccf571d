import { readdirSync, rmdirSync, unlinkSync } from 'node:fs';
import { canaryFolder } from '../core/canary.ts';
import { absent, type Entry, type FileEntry, type SymlinkEntry, sameContent } from '../core/entry.ts';
import type { Log } from '../core/event.ts';
import { childOf, isBelow, nameOf, parentOf, type ReplicaPath } from '../core/path.ts';
import { Directories } from '../files/confined.ts';
import { errnoFailure } from '../files/errno.ts';
import { findLeftovers } from '../files/glob.ts';
import { observe } from '../files/observe.ts';

export type SweepOptions = {
  readonly root: string;
  readonly roots: readonly ReplicaPath[];
  /** Keeps a file or a link as a version of `path` and consumes it. */
  readonly keep: (kept: { from: string; path: ReplicaPath; entry: FileEntry | SymlinkEntry }) => void;
  /** Whether a version refers to a content that was not taken into the store yet. */
  readonly misses: (digest: string) => boolean;
  readonly log: Log;
};

/**
 * Removes what a crash left under temporary names, and in new trees that have one. A leftover may be the only copy of what was
 * displaced in that instant, so it is kept as a version unless the same is at its target too, and no version lacks it. What cannot
 * be removed is told.
 */
export function sweep(options: SweepOptions): void {
  using directories = new Directories(options.root);
  let tree: ReplicaPath | undefined;
  for (const path of findLeftovers(options.root, options.roots)) {
    // What is left of a canary is nobody's content. Whoever makes room for the next one removes it.
    if (parentOf(path) === canaryFolder) continue;
    // It went with the tree that it is in.
    if (tree !== undefined && isBelow(path, tree)) continue;
    tree = path;
    orTell(path, options, () => sweepOne(path, targetOf(path, parentOf(path)), directories, options));
  }
}

function orTell(path: ReplicaPath, { log }: SweepOptions, work: () => void): void {
  try {
    work();
  } catch (error) {
    const { reason, detail } = errnoFailure(error, path);
    log({ kind: 'path-failed', path, reason, detail });
  }
}

/** `target`: what it was made for. */
function sweepOne(
  path: ReplicaPath,
  target: ReplicaPath,
  directories: Directories,
  options: SweepOptions,
): void {
  const parent = directories.parentOf(path);
  if (!parent.ok) return;
  const leftover = parent.child(nameOf(path));
  const look = (at: ReplicaPath) =>
    observe({ directories, path: at, maxFileSizeBytes: Number.MAX_SAFE_INTEGER, checkWriters: false });
  const seen = look(path);
  if (seen.kind !== 'entry' || seen.entry.kind === 'absent') return;
  const { entry } = seen;
  if (entry.kind === 'directory') {
    for (const name of readdirSync(leftover)) {
      const child = childOf(path, name);
      orTell(child, options, () => sweepOne(child, targetOf(child, target), directories, options));
    }
    directories.forget(path);
    rmdirSync(leftover);
    return options.log({ kind: 'leftover-swept', path, kept: false });
  }
  const current = look(target);
  const there = current.kind === 'entry' ? current.entry : absent;
  const kept = !isThere(entry, there) || isMissed(entry, options);
  if (kept) options.keep({ from: leftover, path: target, entry });
  else unlinkSync(leftover);
  options.log({ kind: 'leftover-swept', path, kept });
}

function isMissed(entry: FileEntry | SymlinkEntry, { misses }: SweepOptions): boolean {
  return entry.kind === 'file' && misses(entry.digest);
}

function isThere(entry: FileEntry | SymlinkEntry, current: Entry): boolean {
  if (entry.kind === 'file') return sameContent(entry, current);
  return current.kind === 'symlink' && current.target === entry.target;
}

/** `.NAME.bmcs-…~` was made for NAME; any other, and where the name was too long to fit, for its own. */
function targetOf(path: ReplicaPath, directory: ReplicaPath): ReplicaPath {
  const name = nameOf(path);
  return childOf(directory, /^\.(.+)\.bmcs-[0-9a-f]{12}o?~$/s.exec(name)?.[1] ?? name);
}
