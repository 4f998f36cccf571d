import { closeSync, constants, fstatSync, lstatSync, openSync, readlinkSync, statSync } from 'node:fs';
import { nameOf, parentOf, type ReplicaPath } from '../core/path.ts';
import { openBelow } from './below.ts';
import { errnoCode } from './errno.ts';

/** A directory reached without following any link below the root. */
export type OpenDirectory = {
  readonly ok: true;
  readonly fd: number;
  /** The path of a child that leads through the descriptor. Throws for a name that would lead elsewhere. */
  child(name: string): string;
};

export type NotOpened = {
  readonly ok: false;
  /**
   * - `parent-missing`: there is nothing, or something that is neither a directory nor a link.
   * - `not-confined`: there is a symbolic link.
   * - `permission`, `io`: it may or may not be there.
   */
  readonly reason: 'parent-missing' | 'not-confined' | 'permission' | 'io';
  readonly detail: string;
};

export type OpenParent = OpenDirectory | NotOpened;

export type DirectoriesOptions = {
  /**
   * The most descriptors to hold, at least 1. Beyond it those used longest ago are closed, so that what `open`
   * and `parentOf` return is good only until the next call. Default: no limit.
   */
  readonly maxOpen?: number;
  /**
   * When the kernel is asked where a directory is. Default `each-time`. Where nothing is written and all is closed at the end
   * of a turn of the event loop, a directory that is moved meanwhile need not be noticed: it is as if it had been looked at
   * a moment before. `when-told`: by `recheck`, for a walk that is cut into turns.
   */
  readonly checkPlace?: 'each-time' | 'when-told' | 'never';
};

/**
 * `where`: what the kernel called the directory when it was opened; with `when-told`, what it must have called it. `askedAt`: when
 * it was last asked, by the clock of `performance`.
 */
type Held = { readonly directory: OpenDirectory; readonly where: string; askedAt: number };

/** The place of a directory that was asked for so lately need not be asked for by `parentLately`. Milliseconds. */
const latelyMs = 1;

/** libuv adds O_CLOEXEC to every open. */
const rootFlags = constants.O_RDONLY | constants.O_DIRECTORY;
const belowFlags = rootFlags | constants.O_NOFOLLOW;

/**
 * Opens directories one component after the other, each through the descriptor of the one before and
 * without following links, so that no link that is put in their place can lead elsewhere. The root itself is
 * the administrator's choice and may be reached through links.
 *
 * Without `maxOpen` every descriptor stays open until `close`, for one batch: a caller keeps paths that lead
 * through its number, which must not come to mean another directory meanwhile.
 *
 * A descriptor names a directory and not a place. Each `open` asks the kernel where its directory is now and
 * opens anew if that changed. Somebody may still move it away after that and before it is used: then the
 * directory they moved receives what was meant for it, wherever they put it. That is the worst that can happen:
 * nothing reaches a directory that was not below the root when it was opened.
 */
export class Directories implements Disposable {
  readonly #root: string;
  readonly #maxOpen: number;
  readonly #checkPlace: NonNullable<DirectoriesOptions['checkPlace']>;
  /** Those used longest ago come first. */
  readonly #open = new Map<ReplicaPath, Held>();
  /** Descriptors of directories that were removed or moved: closed with the others, see above. */
  #forgotten: number[] = [];

  constructor(root: string, options: DirectoriesOptions = {}) {
    this.#root = root;
    this.#maxOpen = options.maxOpen ?? Number.POSITIVE_INFINITY;
    this.#checkPlace = options.checkPlace ?? 'each-time';
  }

  /** How many descriptors are held. */
  get size(): number {
    return this.#open.size + this.#forgotten.length;
  }

  /** The directory that holds the path. */
  parentOf(path: ReplicaPath): OpenParent {
    return this.open(parentOf(path));
  }

  /**
   * As parentOf, where the directory is as it was found within the last millisecond: for a first look at many paths of one
   * directory, each of which is made sure of by parentOf before anything is put in place.
   */
  parentLately(path: ReplicaPath): OpenParent {
    const held = this.#open.get(parentOf(path));
    if (held !== undefined && performance.now() - held.askedAt < latelyMs) return held.directory;
    return this.parentOf(path);
  }

  /** The directory itself. */
  open(path: ReplicaPath): OpenParent {
    const held = this.#open.get(path);
    if (held !== undefined) {
      if (this.#checkPlace !== 'each-time' || whereIs(held.directory.fd) === held.where) {
        held.askedAt = performance.now();
        if (this.#maxOpen !== Number.POSITIVE_INFINITY) this.#touch(path, held);
        return held.directory;
      }
      this.forget(path);
    }
    if (path === '/') return this.#openRoot();
    const parent = this.open(parentOf(path));
    return parent.ok ? this.#openBelow(path, parent, nameOf(path)) : parent;
  }

  /**
   * Opens a directory that has another name beside its own for now. From then on its path, and what is below, leads there, until
   * it is moved: then to whatever has the path.
   */
  openAs(path: ReplicaPath, name: string): OpenParent {
    const held = this.#open.get(path);
    if (held !== undefined && whereIs(held.directory.fd) === held.where) return held.directory;
    this.forget(path);
    const parent = this.open(parentOf(path));
    return parent.ok ? this.#openBelow(path, parent, name) : parent;
  }

  /** Has what was removed or moved since it was opened be opened anew when it is asked for again. */
  recheck(): void {
    for (const [path, { directory, where }] of [...this.#open]) {
      const told = attempt(() => readlinkSync(`/proc/self/fd/${directory.fd}`));
      if (told.ok && told.value !== where && this.#open.has(path)) this.forget(path);
    }
  }

  /** Drops what is known of a path and all below, after it was removed or replaced. */
  forget(path: ReplicaPath): void {
    const below = path === '/' ? path : `${path}/`;
    for (const [known, { directory }] of this.#open) {
      if (known !== path && !known.startsWith(below)) continue;
      this.#open.delete(known);
      if (this.#maxOpen === Number.POSITIVE_INFINITY) this.#forgotten.push(directory.fd);
      else closeSync(directory.fd);
    }
  }

  /** Closes one directory that nobody uses any more, so that a long walk holds few descriptors. */
  release(path: ReplicaPath): void {
    const held = this.#open.get(path);
    if (held === undefined || path === '/') return;
    this.#open.delete(path);
    closeSync(held.directory.fd);
  }

  /** Closes all. The next `open` begins anew. */
  close(): void {
    for (const { directory } of this.#open.values()) closeSync(directory.fd);
    for (const fd of this.#forgotten) closeSync(fd);
    this.#open.clear();
    this.#forgotten = [];
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #openRoot(): OpenParent {
    const opened = attempt(() => openSync(this.#root, rootFlags));
    if (!opened.ok) return rootNotOpened(this.#root, opened.code);
    const fd = opened.value;
    // Without /proc every child would look absent, and that is what a deletion looks like.
    const seen = attempt(() => statSync(`/proc/self/fd/${fd}/.`).ino);
    if (!seen.ok) {
      closeSync(fd);
      return { ok: false, reason: 'io', detail: `expected a usable /proc/self/fd, found ${seen.code}` };
    }
    return this.#hold('/' as ReplicaPath, fd);
  }

  #openBelow(path: ReplicaPath, parent: OpenDirectory, name: string): OpenParent {
    const opened = attempt(() => openBelow(parent.fd, name, belowFlags));
    return opened.ok ? this.#hold(path, opened.value) : notOpened(path, parent.child(name), opened.code);
  }

  #hold(path: ReplicaPath, fd: number): OpenDirectory {
    const directory: OpenDirectory = {
      ok: true,
      fd,
      child: (name) => `/proc/self/fd/${fd}/${checked(name)}`,
    };
    this.#open.set(path, { directory, where: this.#whereNow(path, fd), askedAt: performance.now() });
    for (const [oldest, { directory: old }] of this.#open) {
      if (this.#open.size <= this.#maxOpen) break;
      this.#open.delete(oldest);
      closeSync(old.fd);
    }
    return directory;
  }

  #whereNow(path: ReplicaPath, fd: number): string {
    if (this.#checkPlace === 'never') return '';
    const parent = this.#checkPlace === 'when-told' ? this.#open.get(parentOf(path)) : undefined;
    if (path === '/' || parent === undefined) return whereIs(fd);
    return `${parent.where === '/' ? '' : parent.where}/${nameOf(path)}`;
  }

  #touch(path: ReplicaPath, held: Held): void {
    this.#open.delete(path);
    this.#open.set(path, held);
  }
}

/**
 * The kernel's path of an open directory, which ends in ` (deleted)` once it is removed. Where the kernel does
 * not tell, since the path is longer than it tells, it stays the same and no move is noticed.
 */
function whereIs(fd: number): string {
  const told = attempt(() => readlinkSync(`/proc/self/fd/${fd}`));
  return told.ok ? told.value : told.code;
}

/** Whether two descriptors are of one directory. */
export function isSameDirectory(one: number, other: number): boolean {
  if (one === other) return true;
  const [a, b] = [fstatSync(one, { bigint: true }), fstatSync(other, { bigint: true })];
  return a.dev === b.dev && a.ino === b.ino;
}

/** Names come from checked paths or from the disk, so a bad one is a bug that must not reach a system call. */
function checked(name: string): string {
  if (name === '..' || name.includes('/') || name.includes('\0'))
    throw new Error(`expected the name of a child, found ${JSON.stringify(name)}`);
  return name;
}

type Attempt<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly code: string };

function attempt<Value>(call: () => Value): Attempt<Value> {
  try {
    return { ok: true, value: call() };
  } catch (error) {
    return { ok: false, code: errnoCode(error) };
  }
}

/** The root is expected to be there: that it is not says nothing about the paths below. */
function rootNotOpened(root: string, code: string): NotOpened {
  const reason = code === 'EACCES' || code === 'EPERM' ? 'permission' : 'io';
  return { ok: false, reason, detail: `cannot open the root directory ${root} (${code})` };
}

function notOpened(path: ReplicaPath, full: string, code: string): NotOpened {
  switch (code) {
    case 'ENOENT':
      return { ok: false, reason: 'parent-missing', detail: `expected the directory ${path}, found nothing` };
    case 'ELOOP':
    case 'ENOTDIR':
      return notADirectory(path, full, code);
    case 'EACCES':
    case 'EPERM':
      return { ok: false, reason: 'permission', detail: `may not open the directory ${path} (${code})` };
    default:
      return { ok: false, reason: 'io', detail: `cannot open the directory ${path} (${code})` };
  }
}

function notADirectory(path: ReplicaPath, full: string, code: string): NotOpened {
  const seen = attempt(() => lstatSync(full));
  const gone = !seen.ok && seen.code === 'ENOENT';
  // Anything but a plain answer is no knowledge of what is there.
  if (!gone && (!seen.ok || seen.value.isDirectory()))
    return { ok: false, reason: 'io', detail: `the directory ${path} changed while it was opened (${code})` };
  if (seen.ok && seen.value.isSymbolicLink()) {
    const detail = `expected the directory ${path}, found a symbolic link, which is never followed`;
    return { ok: false, reason: 'not-confined', detail };
  }
  const found = gone ? 'nothing' : 'something else';
  return { ok: false, reason: 'parent-missing', detail: `expected the directory ${path}, found ${found}` };
}
