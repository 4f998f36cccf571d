import { rmdirSync, unlinkSync } from 'node:fs';
import { canaryFolder } from '../core/canary.ts';
import { absent, type Entry, type FileEntry, type SymlinkEntry, sameContent } from '../core/entry.ts';
import type { Log } from '../core/event.ts';
import { childOf, nameOf, parentOf, type ReplicaPath } from '../core/path.ts';
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
 * Removes what a crash left under temporary names. A leftover may be the only copy of what was displaced
 * in that instant, so it is kept as a version unless the same is at its target too, and no version lacks it. What cannot
 * be removed is told.
 */
export function sweep(options: SweepOptions): void {
  using directories = new Directories(options.root);
  for (const path of findLeftovers(options.root, options.roots)) {
    // What is left of a canary is nobody's content. Whoever makes room for the next one removes it.
    if (parentOf(path) === canaryFolder) continue;
    try {
      sweepOne(path, directories, options);
    } catch (error) {
      const { reason, detail } = errnoFailure(error, path);
      options.log({ kind: 'path-failed', path, reason, detail });
    }
  }
}

function sweepOne(path: ReplicaPath, directories: Directories, options: SweepOptions): void {
  const parent = directories.parentOf(path);
  if (!parent.ok) return;
  const leftover = parent.child(nameOf(path));
  const look = (at: ReplicaPath) =>
    observe({ directories, path: at, maxFileSizeBytes: Number.MAX_SAFE_INTEGER, checkWriters: false });
  const seen = look(path);
  if (seen.kind !== 'entry' || seen.entry.kind === 'absent') return;
  const target = childOf(parentOf(path), targetName(nameOf(path)));
  const current = look(target);
  const { entry } = seen;
  const there = current.kind === 'entry' ? current.entry : absent;
  const kept = entry.kind !== 'directory' && (!isThere(entry, there) || isMissed(entry, options));
  if (entry.kind === 'directory') rmdirSync(leftover);
  else if (kept) options.keep({ from: leftover, path: target, entry });
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

/** `.NAME.bmcs-…~` was made for NAME; where the name was too long to fit, the leftover keeps its own. */
function targetName(temporary: string): string {
  return /^\.(.+)\.bmcs-[0-9a-f]{12}o?~$/s.exec(temporary)?.[1] ?? temporary;
}
