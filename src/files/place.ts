import { createHash, type Hash } from 'node:crypto';
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import type { DirectoryEntry, Entry, FileEntry, SymlinkEntry } from '../core/entry.ts';
import type { PathFailure } from '../core/failure.ts';
import { temporaryNameFor } from '../core/path.ts';
import { errnoFailure } from './errno.ts';
import { renameExchange, renameNoReplace, setTimes } from './native.ts';
import { groupId, ownerId } from './owners.ts';
import { applyXattrs } from './xattr.ts';

/** A directory that was opened without following links; its children are reached through its descriptor. */
export type Place = { readonly fd: number; child(name: string): string };

/** Something complete under a temporary name, waiting to take the place of its target. */
export type Staged = { readonly temporary: string; readonly temporaryName: string; readonly target: string };

export type Placement =
  /** In place. `displaced`: where the former entry now is, under a temporary name; undefined if there was none. */
  | { readonly kind: 'placed'; readonly displaced: string | undefined }
  /** There is something at the target although nothing was expected. */
  | { readonly kind: 'occupied' }
  /** What was to be replaced is gone. */
  | { readonly kind: 'vanished' }
  | { readonly kind: 'failed'; readonly failure: PathFailure };

export type Outcome<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly failure: PathFailure };

function attempt<Value>(effect: () => Value): Outcome<Value> {
  try {
    return { ok: true, value: effect() };
  } catch (error) {
    return { ok: false, failure: errnoFailure(error) };
  }
}

export function stagedNames(place: Place, name: string, nonce: string): Staged {
  const temporaryName = temporaryNameFor(name, nonce);
  return { temporaryName, temporary: place.child(temporaryName), target: place.child(name) };
}

/** A file on its way: readable by root alone until owner, mode and attributes are set, unseen until it is placed. */
export class StagedFile {
  readonly names: Staged;
  readonly #fd: number;
  readonly #hash: Hash = createHash('sha256');
  #size = 0;
  #open = true;

  private constructor(names: Staged, fd: number) {
    this.names = names;
    this.#fd = fd;
  }

  /** `nonce`: 12 hexadecimal digits that no other file in this directory uses. */
  static create(place: Place, name: string, nonce: string): Outcome<StagedFile> {
    const names = stagedNames(place, name, nonce);
    const flags = constants.O_CREAT | constants.O_EXCL | constants.O_RDWR | constants.O_NOFOLLOW;
    return attempt(() => new StagedFile(names, openSync(names.temporary, flags, 0o600)));
  }

  write(bytes: Uint8Array): PathFailure | undefined {
    const written = attempt(() => {
      for (let at = 0; at < bytes.byteLength; ) at += writeSync(this.#fd, bytes, at);
      this.#hash.update(bytes);
      this.#size += bytes.byteLength;
    });
    return written.ok ? undefined : written.failure;
  }

  /** Takes the content of a file that is open for reading, from its beginning. */
  copyFrom(fd: number, buffer: Buffer): PathFailure | undefined {
    for (let at = 0; ; ) {
      const read = attempt(() => readSync(fd, buffer, 0, buffer.byteLength, at));
      if (!read.ok) return read.failure;
      if (read.value === 0) return undefined;
      const failure = this.write(buffer.subarray(0, read.value));
      if (failure !== undefined) return failure;
      at += read.value;
    }
  }

  /** Checks size and digest, then gives the file its owner, attributes, mode and time, in that order. */
  finish(put: FileEntry): PathFailure | undefined {
    const digest = this.#hash.digest('hex');
    if (this.#size !== put.size || digest !== put.digest) {
      const detail = `expected ${put.size} bytes with SHA-256 ${put.digest}, received ${this.#size} with ${digest}`;
      return { reason: 'digest-mismatch', detail };
    }
    const failure = applyAttributes(this.#fd, this.names.temporary, put);
    if (failure !== undefined) return failure;
    const timed = attempt(() => setTimes(this.names.temporary, put.mtime));
    if (!timed.ok) return timed.failure;
    this.#close();
    return undefined;
  }

  discard(): PathFailure | undefined {
    this.#close();
    const removed = attempt(() => unlinkSync(this.names.temporary));
    return removed.ok ? undefined : removed.failure;
  }

  #close(): void {
    if (this.#open) closeSync(this.#fd);
    this.#open = false;
  }
}

/**
 * Owner, then extended attributes, then mode: a change of owner clears set-id bits and capabilities,
 * and an ACL changes the group bits of the mode.
 */
function applyAttributes(fd: number, path: string, put: FileEntry | DirectoryEntry): PathFailure | undefined {
  const ids = resolveOwner(put);
  if (!ids.ok) return ids.failure;
  const owned = attempt(() => fchownSync(fd, ids.value.uid, ids.value.gid));
  if (!owned.ok) return owned.failure;
  const failure = applyXattrs(path, put.xattrs);
  if (failure !== undefined) return failure;
  const moded = attempt(() => fchmodSync(fd, put.mode));
  return moded.ok ? undefined : moded.failure;
}

function resolveOwner(put: { owner: string; group: string }): Outcome<{ uid: number; gid: number }> {
  const uid = ownerId(put.owner);
  const gid = groupId(put.group);
  if (uid !== undefined && gid !== undefined) return { ok: true, value: { uid, gid } };
  const missing = uid === undefined ? `owner ${put.owner}` : `group ${put.group}`;
  return {
    ok: false,
    failure: { reason: 'unknown-owner', detail: `the ${missing} does not exist on this node` },
  };
}

/** Makes a symbolic link under a temporary name. */
export function stageSymlink(place: Place, name: string, put: SymlinkEntry, nonce: string): Outcome<Staged> {
  const ids = resolveOwner(put);
  if (!ids.ok) return ids;
  const names = stagedNames(place, name, nonce);
  return attempt(() => {
    symlinkSync(put.target, names.temporary);
    lchownSync(names.temporary, ids.value.uid, ids.value.gid);
    return names;
  });
}

/** Makes an empty directory under a temporary name, with its attributes. */
export function stageDirectory(
  place: Place,
  name: string,
  put: DirectoryEntry,
  nonce: string,
): Outcome<Staged> {
  const names = stagedNames(place, name, nonce);
  const made = attempt(() => mkdirSync(names.temporary, 0o700));
  if (!made.ok) return made;
  const failure = changeDirectory(names.temporary, put);
  if (failure === undefined) return { ok: true, value: names };
  const removed = attempt(() => rmdirSync(names.temporary));
  return { ok: false, failure: removed.ok ? failure : removed.failure };
}

/** Gives an existing directory the attributes of `put`. The path must not end in a link. */
export function changeDirectory(path: string, put: DirectoryEntry): PathFailure | undefined {
  const opened = attempt(() =>
    openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW),
  );
  if (!opened.ok) return opened.failure;
  try {
    return applyAttributes(opened.value, path, put);
  } finally {
    closeSync(opened.value);
  }
}

/** Changes only the permission bits of a file, in one atomic step. */
export function changeMode(path: string, mode: number): PathFailure | undefined {
  const opened = attempt(() =>
    openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK),
  );
  if (!opened.ok) return opened.failure;
  const moded = attempt(() => fchmodSync(opened.value, mode));
  closeSync(opened.value);
  return moded.ok ? undefined : moded.failure;
}

/** Changes only the modification time of a file. */
export function changeTime(path: string, mtime: string): PathFailure | undefined {
  const timed = attempt(() => setTimes(path, mtime));
  return timed.ok ? undefined : timed.failure;
}

/** The two renames that look before they replace; given, so that a file system without them can be tested. */
export type Renames = {
  readonly exchange: typeof renameExchange;
  readonly noReplace: typeof renameNoReplace;
};
export const kernelRenames: Renames = { exchange: renameExchange, noReplace: renameNoReplace };

/** Errors that mean: this file system or kernel does not know the flag. */
const unsupported: readonly string[] = ['EINVAL', 'ENOSYS', 'EOPNOTSUPP', 'ENOTSUP'];

/**
 * Puts what is staged in place of `replaces` and keeps what was displaced under the temporary name, for
 * the caller to look at: if it is not what was expected, `exchangeBack` restores it. Where the file
 * system cannot exchange, a plain rename is used and a change in the last instant can be missed.
 */
export function placeStaged(staged: Staged, replaces: Entry, renames: Renames = kernelRenames): Placement {
  if (replaces.kind === 'absent') {
    const moved = renames.noReplace(staged.temporary, staged.target);
    if (moved.ok) return { kind: 'placed', displaced: undefined };
    if (moved.code === 'EEXIST') return { kind: 'occupied' };
    if (unsupported.includes(moved.code)) return placeWithoutFlags(staged, replaces);
    return { kind: 'failed', failure: renameFailure(moved.code, staged) };
  }
  const swapped = renames.exchange(staged.temporary, staged.target);
  if (swapped.ok) return { kind: 'placed', displaced: staged.temporary };
  if (swapped.code === 'ENOENT') return { kind: 'vanished' };
  if (unsupported.includes(swapped.code)) return placeWithoutFlags(staged, replaces);
  return { kind: 'failed', failure: renameFailure(swapped.code, staged) };
}

function placeWithoutFlags(staged: Staged, replaces: Entry): Placement {
  const aside = `${staged.temporary.slice(0, -1)}o~`;
  const placed = attempt((): Placement => {
    if (replaces.kind === 'absent') {
      if (lstatSync(staged.target, { throwIfNoEntry: false }) !== undefined) return { kind: 'occupied' };
      renameSync(staged.temporary, staged.target);
      return { kind: 'placed', displaced: undefined };
    }
    if (replaces.kind === 'file') linkSync(staged.target, aside);
    else renameSync(staged.target, aside);
    renameSync(staged.temporary, staged.target);
    renameSync(aside, staged.temporary);
    return { kind: 'placed', displaced: staged.temporary };
  });
  return placed.ok ? placed.value : { kind: 'failed', failure: placed.failure };
}

/** Moves the target aside to the temporary name, for the caller to look at before it is removed. */
export function moveAside(names: Staged, renames: Renames = kernelRenames): Placement {
  const moved = renames.noReplace(names.target, names.temporary);
  if (moved.ok) return { kind: 'placed', displaced: names.temporary };
  if (moved.code === 'ENOENT') return { kind: 'vanished' };
  if (!unsupported.includes(moved.code)) return { kind: 'failed', failure: renameFailure(moved.code, names) };
  const plain = attempt(() => renameSync(names.target, names.temporary));
  return plain.ok
    ? { kind: 'placed', displaced: names.temporary }
    : { kind: 'failed', failure: plain.failure };
}

/** Undoes placeStaged: the displaced entry is at the target again, what was staged under the temporary name. */
export function exchangeBack(staged: Staged, renames: Renames = kernelRenames): PathFailure | undefined {
  const swapped = renames.exchange(staged.temporary, staged.target);
  if (swapped.ok) return undefined;
  if (swapped.code !== 'ENOENT' && !unsupported.includes(swapped.code))
    return renameFailure(swapped.code, staged);
  const moved = attempt(() => renameSync(staged.temporary, staged.target));
  return moved.ok ? undefined : moved.failure;
}

/** Undoes moveAside. `occupied`: somebody made a new entry meanwhile; the old one stays under the temporary name. */
export function moveBack(
  names: Staged,
  renames: Renames = kernelRenames,
): 'restored' | 'occupied' | PathFailure {
  const moved = renames.noReplace(names.temporary, names.target);
  if (moved.ok) return 'restored';
  if (moved.code === 'EEXIST') return 'occupied';
  return renameFailure(moved.code, names);
}

function renameFailure(code: string, staged: Staged): PathFailure {
  return errnoFailure(Object.assign(new Error(`rename of ${staged.temporaryName}: ${code}`), { code }));
}
