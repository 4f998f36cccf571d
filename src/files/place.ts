import { createHash, type Hash, hash } from 'node:crypto';
import {
  closeSync,
  constants,
  fchmodSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import type { DirectoryEntry, Entry, FileEntry, SymlinkEntry } from '../core/entry.ts';
import type { PathFailure } from '../core/failure.ts';
import { temporaryNameFor } from '../core/path.ts';
import { applyAttributes, changeAttributes, ownerIds } from './attributes.ts';
import { openBelow } from './below.ts';
import { errnoFailure } from './errno.ts';
import { type CallResult, renameExchange, renameNoReplace, setTimes } from './native.ts';
import { plainAside, plainExchange, plainNoReplace } from './plain-rename.ts';
import { WriteBack } from './write-back.ts';

/** A directory that was opened without following links; its children are reached through its descriptor. */
export type Place = { readonly fd: number; child(name: string): string };

/** Something complete under a temporary name, waiting to take the place of its target. `place` holds both names. */
export type Staged = {
  readonly place: Place;
  readonly temporary: string;
  readonly temporaryName: string;
  readonly target: string;
};

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

/** 12 hexadecimal digits that no other name here has; undefined in a directory that has a temporary name, where nothing needs one. */
type Nonce = string | undefined;

export function stagedNames(place: Place, name: string, nonce: Nonce): Staged {
  const temporaryName = nonce === undefined ? name : temporaryNameFor(name, nonce);
  return { place, temporaryName, temporary: place.child(temporaryName), target: place.child(name) };
}

/** A file on its way: readable by root alone until owner, mode and attributes are set, unseen until it is placed. */
export class StagedFile {
  readonly names: Staged;
  readonly #fd: number;
  /** Of what comes in parts; `#digest` of what comes as a whole, which takes a quarter of the time. */
  #hash: Hash | undefined;
  #digest: string | undefined;
  readonly #writeBack: WriteBack;
  #size = 0;
  #open = true;
  /** What went wrong with a write: the file may hold part of it, so it can never be finished. */
  #broken: PathFailure | undefined;

  private constructor(names: Staged, fd: number) {
    this.names = names;
    this.#fd = fd;
    this.#writeBack = new WriteBack(fd);
  }

  static create(place: Place, name: string, nonce: Nonce): Outcome<StagedFile> {
    const names = stagedNames(place, name, nonce);
    const flags = constants.O_CREAT | constants.O_EXCL | constants.O_RDWR | constants.O_NOFOLLOW;
    return attempt(() => new StagedFile(names, openBelow(place.fd, names.temporaryName, flags, 0o600)));
  }

  /** All of the content. */
  writeWhole(bytes: Uint8Array): PathFailure | undefined {
    if (this.#size > 0) throw new Error(`${this.names.temporaryName} has a part already`);
    return this.#write(bytes, () => {
      this.#digest = hash('sha256', bytes, 'hex');
    });
  }

  /** The next part. */
  write(bytes: Uint8Array): PathFailure | undefined {
    if (this.#digest !== undefined) throw new Error(`${this.names.temporaryName} is whole`);
    return this.#write(bytes, () => {
      this.#hash ??= createHash('sha256');
      this.#hash.update(bytes);
    });
  }

  #write(bytes: Uint8Array, digest: () => void): PathFailure | undefined {
    // The number may belong to another file by now.
    if (!this.#open) throw new Error(`${this.names.temporaryName} is closed`);
    if (this.#broken !== undefined) return this.#broken;
    const written = attempt(() => {
      for (let at = 0; at < bytes.byteLength; ) at += writeSync(this.#fd, bytes, at);
      digest();
      this.#size += bytes.byteLength;
      this.#writeBack.reached(this.#size);
    });
    if (!written.ok) this.#broken = written.failure;
    return this.#broken;
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
    if (!this.#open) throw new Error(`${this.names.temporaryName} is closed`);
    if (this.#broken !== undefined) return this.#broken;
    const digest = this.#digest ?? (this.#hash ?? createHash('sha256')).digest('hex');
    if (this.#size !== put.size || digest !== put.digest) {
      const detail = `expected ${put.size} bytes with SHA-256 ${put.digest}, received ${this.#size} with ${digest}`;
      return { reason: 'digest-mismatch', detail };
    }
    const failure = applyAttributes(this.#fd, put);
    if (failure !== undefined) return failure;
    const timed = attempt(() => setTimes(this.#fd, put.mtime));
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

/** Makes a symbolic link under a temporary name. */
export function stageSymlink(place: Place, name: string, put: SymlinkEntry, nonce: Nonce): Outcome<Staged> {
  const ids = ownerIds(put);
  if (!ids.ok) return ids;
  const names = stagedNames(place, name, nonce);
  const made = attempt(() => symlinkSync(put.target, names.temporary));
  if (!made.ok) return made;
  const owned = attempt(() => lchownSync(names.temporary, ids.value.uid, ids.value.gid));
  if (owned.ok) return { ok: true, value: names };
  // It may stay behind, which the sweep deals with; why the push failed is what counts.
  attempt(() => unlinkSync(names.temporary));
  return owned;
}

/** Makes an empty directory under a temporary name, with its attributes. */
export function stageDirectory(
  place: Place,
  name: string,
  put: DirectoryEntry,
  nonce: Nonce,
): Outcome<Staged> {
  const names = stagedNames(place, name, nonce);
  const made = attempt(() => mkdirSync(names.temporary, 0o700));
  if (!made.ok) return made;
  const failure = changeDirectory(names.temporary, put);
  if (failure === undefined) return { ok: true, value: names };
  // It may stay behind, which the sweep deals with; why the push failed is what counts.
  attempt(() => rmdirSync(names.temporary));
  return { ok: false, failure };
}

/**
 * Gives an existing directory the attributes of `put`. The path must not end in a link. After a failure the
 * directory is as it was, as far as the system allows: half a change would look like somebody's edit.
 */
export function changeDirectory(path: string, put: DirectoryEntry): PathFailure | undefined {
  const opened = attempt(() =>
    openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW),
  );
  if (!opened.ok) return opened.failure;
  try {
    return changeAttributes(opened.value, put);
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

function orElse(result: CallResult, plain: () => CallResult): CallResult {
  return !result.ok && unsupported.includes(result.code) ? plain() : result;
}

function exchange({ temporary, target }: Staged, renames: Renames): CallResult {
  return orElse(renames.exchange(temporary, target), () => plainExchange(temporary, target));
}

function intoPlace({ temporary, target }: Staged, renames: Renames): CallResult {
  return orElse(renames.noReplace(temporary, target), () => plainNoReplace(temporary, target));
}

/**
 * Puts what is staged in place of `replaces` and keeps what was displaced under the temporary name, for
 * the caller to look at: if it is not what was expected, `exchangeBack` restores it. Where the file
 * system cannot exchange, plain renames are used and a change in the last instant can be missed.
 */
export function placeStaged(staged: Staged, replaces: Entry, renames: Renames = kernelRenames): Placement {
  if (replaces.kind === 'absent') {
    const moved = intoPlace(staged, renames);
    if (moved.ok) return { kind: 'placed', displaced: undefined };
    if (moved.code === 'EEXIST') return { kind: 'occupied' };
    return { kind: 'failed', failure: renameFailure(moved.code, staged) };
  }
  const swapped = exchange(staged, renames);
  if (swapped.ok) return { kind: 'placed', displaced: staged.temporary };
  // Either name may be the one that is missing, and only the target's tells of a deletion.
  if (swapped.code === 'ENOENT' && isThere(staged.temporary)) return { kind: 'vanished' };
  return { kind: 'failed', failure: renameFailure(swapped.code, staged) };
}

function isThere(path: string): boolean {
  const seen = attempt(() => lstatSync(path));
  return seen.ok;
}

/** Moves the target aside to the temporary name, for the caller to look at before it is removed. */
export function moveAside(names: Staged, renames: Renames = kernelRenames): Placement {
  const { target, temporary } = names;
  const moved = orElse(renames.noReplace(target, temporary), () => plainAside(target, temporary));
  if (moved.ok) return { kind: 'placed', displaced: temporary };
  if (moved.code === 'ENOENT') return { kind: 'vanished' };
  return { kind: 'failed', failure: renameFailure(moved.code, names) };
}

/** How often two names are looked at anew while somebody makes and removes one of them. */
const attempts = 3;

/**
 * Undoes placeStaged: the displaced entry is at the target again, what was staged under the temporary name, unless
 * somebody has removed that meanwhile.
 */
export function exchangeBack(staged: Staged, renames: Renames = kernelRenames): PathFailure | undefined {
  let code = '';
  for (let attempted = 0; attempted < attempts; attempted += 1) {
    const swapped = exchange(staged, renames);
    if (swapped.ok) return undefined;
    if (swapped.code !== 'ENOENT') return renameFailure(swapped.code, staged);
    // What was placed is gone. Something new may take its place at any time, and must not be overwritten.
    const moved = intoPlace(staged, renames);
    if (moved.ok) return undefined;
    code = moved.code;
    if (code !== 'EEXIST') break;
  }
  return renameFailure(code, staged);
}

/** Undoes moveAside. `occupied`: somebody made a new entry meanwhile; the old one stays under the temporary name. */
export function moveBack(
  names: Staged,
  renames: Renames = kernelRenames,
): 'restored' | 'occupied' | PathFailure {
  const moved = intoPlace(names, renames);
  if (moved.ok) return 'restored';
  if (moved.code === 'EEXIST') return 'occupied';
  return renameFailure(moved.code, names);
}

function renameFailure(code: string, staged: Staged): PathFailure {
  return errnoFailure(Object.assign(new Error(`rename of ${staged.temporaryName}: ${code}`), { code }));
}
