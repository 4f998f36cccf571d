import { type Entry, sameEntry } from '../core/entry.ts';
import type { PathFailure } from '../core/failure.ts';
import type { ReplicaPath } from '../core/path.ts';
import { errnoFailure } from '../files/errno.ts';
import type { Observation } from '../files/observation.ts';
import { exchangeBack, moveAside, moveBack, type Renames, type Staged } from '../files/place.ts';
import type { KeepVersion } from './displaced.ts';
import { lookAfterWriters, lookAt, removeTemporary } from './temporary.ts';

/** One file of a group that may or may not be in place. */
export type Member = {
  readonly path: ReplicaPath;
  readonly names: Staged;
  readonly replaces: Entry;
  readonly put: Entry;
};

export type UndoTools = { readonly renames: Renames; readonly keepVersion: KeepVersion };

/**
 * Brings back what was at the path before the group. By compare-and-swap as well: `left` where somebody else wrote
 * there meanwhile; theirs stays, and what was there before is kept as a version. After a failure what is under the
 * temporary name stays there for the sweep. Right to call whether or not the member was placed.
 */
export function bringBack(member: Member, tools: UndoTools): 'back' | 'left' | PathFailure {
  try {
    if (member.put.kind === 'absent') return undoRemoval(member, tools);
    const target = look(member, 'target');
    const beside = look(member, 'temporary');
    if (!holds(target, member.put)) {
      dispose(member, beside, tools);
      return holds(target, member.replaces) ? 'back' : 'left';
    }
    return member.replaces.kind === 'absent'
      ? takeAway(member, target, beside, tools)
      : swapBack(member, beside, tools);
  } catch (error) {
    return errnoFailure(error, member.path);
  }
}

function undoRemoval(member: Member, tools: UndoTools): 'back' | 'left' | PathFailure {
  const aside = look(member, 'temporary');
  if (isAbsent(aside)) return holds(look(member, 'target'), member.replaces) ? 'back' : 'left';
  const back = moveBack(member.names, tools.renames);
  if (typeof back === 'object') return back;
  if (back === 'restored') return 'back';
  dispose(member, aside, tools);
  return 'left';
}

/** Nothing was there before. */
function takeAway(
  member: Member,
  target: Observation,
  beside: Observation,
  tools: UndoTools,
): 'back' | 'left' | PathFailure {
  if (!isAbsent(beside)) {
    // Both names of one inode: a plain rename that was interrupted. Otherwise what is in place is not ours.
    const halfway = beside.kind === 'entry' && target.kind === 'entry' && beside.stamp === target.stamp;
    if (!halfway) {
      dispose(member, beside, tools);
      return 'left';
    }
    removeTemporary(member.names.temporary);
  }
  const aside = moveAside(member.names, tools.renames);
  if (aside.kind === 'vanished') return 'back';
  if (aside.kind === 'failed') return aside.failure;
  const taken = lookAfterWriters(member.names.temporary, member.path);
  if (holds(taken, member.put)) {
    removeTemporary(member.names.temporary);
    return 'back';
  }
  // Somebody wrote to it in that instant: theirs goes back.
  const back = moveBack(member.names, tools.renames);
  if (typeof back === 'object') return back;
  if (back === 'occupied') dispose(member, taken, tools);
  return 'left';
}

function swapBack(member: Member, beside: Observation, tools: UndoTools): 'back' | 'left' | PathFailure {
  // What was displaced is a version already, or somebody took it away.
  if (isAbsent(beside)) return 'left';
  const stuck = exchangeBack(member.names, tools.renames);
  if (stuck !== undefined) return stuck;
  const taken = lookAfterWriters(member.names.temporary, member.path);
  if (isAbsent(taken)) return 'back';
  if (holds(taken, member.put)) {
    removeTemporary(member.names.temporary);
    return 'back';
  }
  // Somebody wrote to it in that instant: theirs goes back, and what was there before is kept.
  const again = exchangeBack(member.names, tools.renames);
  if (again !== undefined) return again;
  dispose(member, look(member, 'temporary'), tools);
  return 'left';
}

/** Ours, which the sender still has, goes; anything else is kept as a version. */
function dispose(member: Member, beside: Observation, { keepVersion }: UndoTools): void {
  if (beside.kind !== 'entry' || beside.entry.kind === 'absent') return;
  if (holds(beside, member.put)) return removeTemporary(member.names.temporary);
  keepVersion({
    from: member.names.temporary,
    path: member.path,
    entry: beside.entry,
    reason: 'interrupted',
  });
}

function look({ names, path }: Member, which: 'target' | 'temporary'): Observation {
  // A reader or writer that still has it open does not change what it is.
  return lookAt(names[which], path, false);
}

function holds(observation: Observation, entry: Entry): boolean {
  return observation.kind === 'entry' && sameEntry(observation.entry, entry);
}

function isAbsent(observation: Observation): boolean {
  return holds(observation, { kind: 'absent' });
}
