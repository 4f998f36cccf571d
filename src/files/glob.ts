import { join } from 'node:path';
import glob from 'fast-glob';
import { isTemporaryName, nameOf, parseReplicaPath, type ReplicaPath } from '../core/path.ts';

/**
 * Temporary names of ours at or below some replica paths, wherever a crash may have left them. Links are not
 * followed and unreadable directories are passed over: there we cannot have written either.
 */
export function findLeftovers(root: string, below: readonly ReplicaPath[]): ReplicaPath[] {
  const found = new Set<ReplicaPath>();
  for (const start of below) {
    const folder = start.slice(0, start.lastIndexOf('/'));
    // A listed file's leftovers lie beside it; a directory's lie in it and below.
    for (const [cwd, pattern] of [
      [folder, '.*~'],
      [start, '**/.*~'],
    ] as const) {
      const names = glob.sync(pattern, {
        cwd: join(root, cwd),
        dot: true,
        followSymbolicLinks: false,
        suppressErrors: true,
        onlyFiles: false,
      });
      for (const name of names) {
        const parsed = parseReplicaPath(`${cwd}/${name}`);
        if (parsed.ok && isTemporaryName(nameOf(parsed.path))) found.add(parsed.path);
      }
    }
  }
  return [...found].sort();
}
