import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

let ground: string | undefined;

/**
 * The folder of all nodes that are measured. Nothing of it is removed before the process ends: for a minute, or five, ext4 passes
 * over each inode that was deleted, one by one, and whoever makes files in that place next pays for what the one before left.
 */
export function groundOfNodes(): string {
  if (ground !== undefined) return ground;
  const made = mkdtempSync(join(tmpdir(), 'bmcs-bench-'));
  process.once('exit', () => rmSync(made, { recursive: true, force: true }));
  spreadDirectories(made);
  ground = made;
  return made;
}

/** Asks ext4 to give the directories that are made in these block groups of their own. Other file systems have none. */
export function spreadDirectories(...folders: readonly string[]): void {
  spawnSync('chattr', ['+T', ...folders]);
}
