import glob from 'fast-glob';
import {
  childOf,
  isTemporaryName,
  nameOf,
  parentOf,
  parseReplicaPath,
  type ReplicaPath,
} from '../core/path.ts';
import { Directories } from './confined.ts';

/**
 * Temporary names of ours beside, at or below some replica paths, wherever a crash may have left them; sorted.
 * Links are not followed, neither on the way to a path nor below it, and what cannot be read is passed over:
 * we have not written there either. A pattern never matches a line break, so that a leftover with one in its
 * path is not found; a scan meets it.
 */
export function findLeftovers(root: string, paths: readonly ReplicaPath[]): ReplicaPath[] {
  using directories = new Directories(root, { maxOpen: 64 });
  const found = new Set<ReplicaPath>();
  // A listed file's leftovers lie beside it; a directory's beside it, in it and below.
  for (const parent of new Set(paths.map(parentOf))) collect(directories, parent, '.*~', found);
  for (const path of new Set(paths)) collect(directories, path, '**/.*~', found);
  return [...found].sort();
}

/** Adds what a pattern finds in a directory, if it is one and no link leads to it. */
function collect(directories: Directories, at: ReplicaPath, pattern: string, found: Set<ReplicaPath>): void {
  const directory = directories.open(at);
  if (!directory.ok) return;
  const names = glob.sync(pattern, {
    cwd: directory.child('.'),
    dot: true,
    followSymbolicLinks: false,
    onlyFiles: false,
    suppressErrors: true,
  });
  for (const name of names) {
    const parsed = parseReplicaPath(childOf(at, name));
    if (parsed.ok && isTemporaryName(nameOf(parsed.path))) found.add(parsed.path);
  }
}
