import { lstatSync, mkdirSync, readdirSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { canaryFolder, canaryMode, canaryPath } from '../core/canary.ts';
import type { PathFailure } from '../core/failure.ts';
import { ancestorsOf, isTemporaryName, nameOf, temporaryNameFor } from '../core/path.ts';
import { Directories } from './confined.ts';
import { errnoCode, errnoFailure } from './errno.ts';
import { timeText } from './stats.ts';

export type CanaryWritten =
  /** `mtime`: as its entry has it. */
  | { readonly kind: 'written'; readonly mtime: string }
  /** Its folder was not there before: what watches it may not do so yet. */
  | { readonly kind: 'made-room' }
  | { readonly kind: 'failed'; readonly failure: PathFailure };

/** Writes a canary as editors write files: under another name, then renamed. Not made durable: the next one comes soon. */
export function writeCanary(root: string, text: string): CanaryWritten {
  using directories = new Directories(root);
  try {
    const room = makeRoom(directories);
    if (typeof room === 'object') return { kind: 'failed', failure: room };
    if (room === 'made') return { kind: 'made-room' };
    const parent = directories.parentOf(canaryPath);
    if (!parent.ok) return { kind: 'failed', failure: parent };
    const temporary = parent.child(temporaryNameFor(nameOf(canaryPath), '0'.repeat(12)));
    // Of an earlier run that was interrupted; nobody else writes under this name.
    rmSync(temporary, { force: true });
    writeFileSync(temporary, text, { mode: canaryMode, flag: 'wx' });
    const { mtimeNs } = lstatSync(temporary, { bigint: true });
    renameSync(temporary, parent.child(nameOf(canaryPath)));
    return { kind: 'written', mtime: timeText(mtimeNs) };
  } catch (error) {
    return { kind: 'failed', failure: errnoFailure(error, canaryPath) };
  }
}

/** A temporary name that is older is of a process that crashed: a batch is placed or dropped before. Milliseconds. */
const leftoverMs = 600_000;

/** Makes the folder of the canary where it is missing, and removes what a crash left in it. A failure says what is wrong. */
export function makeRoom(directories: Directories): 'made' | 'there' | PathFailure {
  try {
    let made = false;
    for (const directory of [...ancestorsOf(canaryFolder), canaryFolder]) {
      const parent = directories.parentOf(directory);
      if (!parent.ok) return parent;
      const mode = directory === canaryFolder ? 0o700 : 0o755;
      made = makeDirectory(parent.child(nameOf(directory)), mode) || made;
    }
    const folder = directories.open(canaryFolder);
    if (!folder.ok) return folder;
    for (const name of readdirSync(folder.child('.')))
      if (isTemporaryName(name)) removeLeftover(folder.child(name));
    return made ? 'made' : 'there';
  } catch (error) {
    return errnoFailure(error, canaryFolder);
  }
}

/** By the time of its last change here, which no sender sets. */
function removeLeftover(path: string): void {
  if (Date.now() - lstatSync(path).ctimeMs > leftoverMs) unlinkSync(path);
}

function makeDirectory(path: string, mode: number): boolean {
  try {
    mkdirSync(path, { mode });
    return true;
  } catch (error) {
    if (errnoCode(error) !== 'EEXIST') throw error;
    return false;
  }
}
