import { fchmodSync, fchownSync } from 'node:fs';
import type { DirectoryEntry, FileEntry, Ownership } from '../core/entry.ts';
import type { PathFailure } from '../core/failure.ts';
import { errnoFailure } from './errno.ts';
import { groupId, ownerId } from './owners.ts';
import { statsOfOpen } from './stats.ts';
import { applyXattrs, checkXattrs, readXattrs } from './xattr.ts';

export type OwnerIds =
  | { readonly ok: true; readonly value: { readonly uid: number; readonly gid: number } }
  | { readonly ok: false; readonly failure: PathFailure };

/** The ids of an owner and group on this node; `unknown-owner` where it does not know one of the names. */
export function ownerIds(put: Ownership): OwnerIds {
  const uid = ownerId(put.owner);
  const gid = groupId(put.group);
  if (uid !== undefined && gid !== undefined) return { ok: true, value: { uid, gid } };
  const missing = uid === undefined ? `owner ${put.owner}` : `group ${put.group}`;
  return {
    ok: false,
    failure: { reason: 'unknown-owner', detail: `the ${missing} does not exist on this node` },
  };
}

/**
 * Gives what a descriptor stands for its owner, then extended attributes, then mode: a change of owner clears set-id
 * bits and capabilities, and an ACL changes the group bits of the mode. Through the descriptor alone, since whoever
 * may write to the directory can put another file under the name. What can be checked is checked before anything
 * is changed; a failure of the system in the middle leaves some changed.
 */
export function applyAttributes(fd: number, put: FileEntry | DirectoryEntry): PathFailure | undefined {
  const ids = ownerIds(put);
  if (!ids.ok) return ids.failure;
  const never = checkXattrs(put.xattrs);
  if (never !== undefined) return never;
  const owned = failureOf(() => giveTo(fd, ids.value));
  if (owned !== undefined) return owned;
  return applyXattrs(fd, put.xattrs) ?? failureOf(() => fchmodSync(fd, put.mode));
}

/** Most files are root's from the start, and to say so again takes a transaction of the file system. */
function giveTo(fd: number, { uid, gid }: { readonly uid: number; readonly gid: number }): void {
  const now = statsOfOpen(fd);
  if (now.uid !== uid || now.gid !== gid) fchownSync(fd, uid, gid);
}

/**
 * As applyAttributes, for what is in use. After a failure it is as it was, as far as the system allows: half a
 * change would look like somebody's edit.
 */
export function changeAttributes(fd: number, put: FileEntry | DirectoryEntry): PathFailure | undefined {
  let undo: () => void = () => undefined;
  const unread = failureOf(() => {
    const { uid, gid, mode } = statsOfOpen(fd);
    const xattrs = readXattrs(fd);
    undo = () => {
      fchownSync(fd, uid, gid);
      applyXattrs(fd, xattrs);
      fchmodSync(fd, mode);
    };
  });
  if (unread !== undefined) return unread;
  const never = attributesFailure(put);
  if (never !== undefined) return never;
  const failure = applyAttributes(fd, put);
  if (failure === undefined) return undefined;
  const stuck = failureOf(undo);
  return stuck === undefined
    ? failure
    : { ...failure, detail: `${failure.detail}; undoing it: ${stuck.detail}` };
}

/** Why this node can never give these attributes to anything. */
function attributesFailure(put: FileEntry | DirectoryEntry): PathFailure | undefined {
  const ids = ownerIds(put);
  return ids.ok ? checkXattrs(put.xattrs) : ids.failure;
}

function failureOf(effect: () => void): PathFailure | undefined {
  try {
    effect();
    return undefined;
  } catch (error) {
    return errnoFailure(error);
  }
}
