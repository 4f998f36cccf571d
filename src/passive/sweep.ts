import { rmdirSync, unlinkSync } from 'node:fs';
import type { FileEntry } from '../core/entry.ts';
import { sameContent } from '../core/entry.ts';
import type { Log } from '../core/event.ts';
import { childOf, nameOf, parentOf, type ReplicaPath } from '../core/path.ts';
import { Directories } from '../files/confined.ts';
import { findLeftovers } from '../files/glob.ts';
import { observe } from '../files/observe.ts';

export type SweepOptions = {
  readonly root: string;
  readonly roots: readonly ReplicaPath[];
  /** Keeps a file as a version of `path` and consumes it. */
  readonly keep: (kept: { from: string; path: ReplicaPath; entry: FileEntry }) => void;
  readonly log: Log;
};

/**
 * Removes what a crash left under temporary names. A leftover may be the only copy of what was displaced
 * in that instant, so a file is kept as a version unless its content is at its target too.
 */
export function sweep(options: SweepOptions): void {
  using directories = new Directories(options.root);
  for (const path of findLeftovers(options.root, options.roots)) {
    const parent = directories.parentOf(path);
    if (!parent.ok) continue;
    const leftover = parent.child(nameOf(path));
    const look = (at: ReplicaPath) =>
      observe({ directories, path: at, maxFileSizeBytes: Number.MAX_SAFE_INTEGER, checkWriters: false });
    const seen = look(path);
    if (seen.kind !== 'entry' || seen.entry.kind === 'absent') continue;
    const target = childOf(parentOf(path), targetName(nameOf(path)));
    const current = look(target);
    const kept =
      seen.entry.kind === 'file' && !(current.kind === 'entry' && sameContent(current.entry, seen.entry));
    if (seen.entry.kind === 'directory') rmdirSync(leftover);
    else if (seen.entry.kind === 'file' && kept)
      options.keep({ from: leftover, path: target, entry: seen.entry });
    else unlinkSync(leftover);
    options.log({ kind: 'leftover-swept', path, kept });
  }
}

/** `.NAME.bmcs-…~` was made for NAME; where the name was too long to fit, the leftover keeps its own. */
function targetName(temporary: string): string {
  return /^\.(.+)\.bmcs-[0-9a-f]{12}o?~$/s.exec(temporary)?.[1] ?? temporary;
}
