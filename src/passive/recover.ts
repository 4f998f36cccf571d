import { type Entry, sameContent, sameEntry } from '../core/entry.ts';
import type { Log } from '../core/event.ts';
import { nameOf, parentOf, type ReplicaPath } from '../core/path.ts';
import { Directories } from '../files/confined.ts';
import { errnoFailure } from '../files/errno.ts';
import { kernelRenames, type Renames } from '../files/place.ts';
import type { JournalGroup, JournalMember } from '../state/journal.ts';
import type { Displaced, KeepVersion } from './displaced.ts';
import { syncDirectories } from './durable.ts';
import { lookAt, removeTemporary } from './temporary.ts';
import { bringBack, type Member } from './undo.ts';

export type RecoverOptions = {
  readonly root: string;
  /** Keeps a file or link as a version of `path`, durably, and consumes it. */
  readonly keepVersion: (kept: Displaced & { epoch: number; peer: string }) => void;
  /** Whether a version refers to a content that was not taken into the store yet. */
  readonly misses: (digest: string) => boolean;
  /** Remembers that the node that sent a group holds these entries as this one does. */
  readonly remember: (peer: string, agreed: readonly { path: ReplicaPath; entry: Entry }[]) => void;
  readonly log: Log;
  readonly renames?: Renames;
};

/** Its target and its temporary name as paths that lead through an open directory. */
type Reached = Member & { readonly fd: number };

/**
 * Deals with a group that a crash interrupted, so that all of its files are the new ones or all the old ones: it
 * is completed where every member is in place, otherwise each member is brought back, except where somebody else
 * wrote meanwhile. Its row of the journal can be removed then. To be called by whoever holds the right to place.
 */
export function recoverGroup(group: JournalGroup, options: RecoverOptions): void {
  using directories = new Directories(options.root);
  const reached = group.members.flatMap((member) => reach(member, directories, options.log));
  const inPlace = reached.filter(({ names, path, put }) => holds(names.target, path, put));
  const whole = inPlace.length === group.members.length;
  if (group.placed || whole) {
    for (const member of reached) retire(member, group, options);
    const agreed = inPlace.map(({ path, put }) => ({ path, entry: put }));
    options.remember(group.peer, agreed);
  } else {
    const { peer, epoch } = group;
    const renames = options.renames ?? kernelRenames;
    const keepVersion: KeepVersion = (kept) => options.keepVersion({ ...kept, peer, epoch });
    for (const member of reached.toReversed()) {
      const outcome = bringBack(member, { renames, keepVersion });
      if (typeof outcome === 'object') options.log({ kind: 'path-failed', path: member.path, ...outcome });
    }
  }
  syncDirectories([...new Set(reached.map(({ fd }) => fd))]);
}

/** None where the directory is gone: then nothing of the member is left to be brought back. */
function reach(member: JournalMember, directories: Directories, log: Log): Reached[] {
  const parent = directories.parentOf(member.path);
  if (!parent.ok || parentOf(member.temporary) !== parentOf(member.path)) {
    const failure = parent.ok ? { reason: 'bad-path' as const, detail: 'not beside its target' } : parent;
    log({ kind: 'path-failed', path: member.path, reason: failure.reason, detail: failure.detail });
    return [];
  }
  const temporaryName = nameOf(member.temporary);
  const names = {
    place: parent,
    target: parent.child(nameOf(member.path)),
    temporary: parent.child(temporaryName),
    temporaryName,
  };
  return [{ ...member, names, fd: parent.fd }];
}

/** Keeps what is left of what a member displaced. */
function retire({ path, names, put }: Reached, group: JournalGroup, options: RecoverOptions): void {
  const beside = lookAt(names.temporary, path, false);
  if (beside.kind !== 'entry' || beside.entry.kind === 'absent') return;
  const target = lookAt(names.target, path, false);
  try {
    const there = target.kind === 'entry' ? target.entry : undefined;
    const isThere =
      there !== undefined && (sameEntry(there, beside.entry) || sameContent(there, beside.entry));
    if (isThere && !(beside.entry.kind === 'file' && options.misses(beside.entry.digest))) {
      removeTemporary(names.temporary);
      return;
    }
    const reason = put.kind === 'absent' ? 'removed' : 'overwritten';
    const { peer, epoch } = group;
    options.keepVersion({ from: names.temporary, path, entry: beside.entry, reason, peer, epoch });
  } catch (error) {
    options.log({ kind: 'path-failed', path, ...errnoFailure(error, path) });
  }
}

function holds(full: string, path: ReplicaPath, entry: Entry): boolean {
  const seen = lookAt(full, path, false);
  return seen.kind === 'entry' && sameEntry(seen.entry, entry);
}
