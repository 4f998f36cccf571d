import { linkSync, lstatSync, renameSync, unlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { errnoCode } from './errno.ts';
import type { CallResult } from './native.ts';

/**
 * What stands in for renameat2 with flags on file systems that do not know them. All names lie in one directory;
 * `temporary` is a temporary name of ours.
 */

/** What link(2) answers for a directory, and on file systems without hard links. */
const cannotLink: readonly string[] = ['EPERM', 'EMLINK', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'];

function attempt(effect: () => void): CallResult {
  try {
    effect();
    return { ok: true };
  } catch (error) {
    return { ok: false, code: errnoCode(error) };
  }
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/**
 * Gives what has a temporary name its place, unless there is something (`EEXIST`). A second link takes the place
 * as atomically as the flag would. Directories, and file systems without links, are looked at first: what appears
 * in that instant is overwritten if it is a file, and an empty directory by a directory.
 */
export function plainNoReplace(temporary: string, target: string): CallResult {
  const linked = attempt(() => linkSync(temporary, target));
  if (linked.ok) return attempt(() => unlinkSync(temporary));
  if (!cannotLink.includes(linked.code)) return linked;
  if (exists(target)) return { ok: false, code: 'EEXIST' };
  return attempt(() => renameSync(temporary, target));
}

/** Takes whatever is at the target to the temporary name, which is free. */
export function plainAside(target: string, temporary: string): CallResult {
  if (exists(temporary)) return { ok: false, code: 'EEXIST' };
  return attempt(() => renameSync(target, temporary));
}

/**
 * Swaps what has a temporary name with the target, through a third name. The target is never missing where a link
 * can keep what it holds, but what somebody else puts there between two steps is lost; where none can, it is
 * missing for an instant, and nothing is lost. After a failure both are where they were.
 */
export function plainExchange(temporary: string, target: string): CallResult {
  const aside = asideOf(temporary);
  if (!exists(temporary)) return { ok: false, code: 'ENOENT' };
  const kept = attempt(() => linkSync(target, aside));
  if (!kept.ok) return cannotLink.includes(kept.code) ? exchangeByAside(temporary, target, aside) : kept;
  const placed = attempt(() => renameSync(temporary, target));
  if (!placed.ok) {
    const undone = attempt(() => unlinkSync(aside));
    if (!undone.ok) return undone;
    // A directory cannot take the place of a file while the file is there.
    return placed.code === 'ENOTDIR' ? exchangeByAside(temporary, target, aside) : placed;
  }
  return attempt(() => renameSync(aside, temporary));
}

function exchangeByAside(temporary: string, target: string, aside: string): CallResult {
  const moved = plainAside(target, aside);
  if (!moved.ok) return moved;
  const placed = plainNoReplace(temporary, target);
  if (placed.ok) return attempt(() => renameSync(aside, temporary));

  // If somebody was faster, what was there stays aside until the sweep finds it.
  const back = plainNoReplace(aside, target);
  return back.ok ? placed : back;
}

/** `.NAME.bmcs-…~` becomes `.NAME.bmcs-…o~`, or without NAME where that would be too long for a name. */
function asideOf(temporary: string): string {
  const directory = dirname(temporary);
  const long = `${temporary.slice(directory.length + 1, -1)}o~`;
  const name = Buffer.byteLength(long) <= 255 ? long : `.${long.slice(long.lastIndexOf('bmcs-'))}`;
  return `${directory}/${name}`;
}
