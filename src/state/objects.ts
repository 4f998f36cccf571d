import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  statSync,
  unlinkSync,
  utimesSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { isOpenForWriting } from '../files/lease.ts';
import { renameNoReplace } from '../files/native.ts';
import { stampOf } from '../files/stats.ts';
import { digestOf, writeAll } from './content.ts';

/** An object without a version is what a crash between two steps left; after this long nobody is in between. */
const orphanMs = 3600 * 1000;
/** Of everything in the store. */
const privateMode = 0o600;

/** A content on its way into the store: a whole file, named `at`, that `place` renames. */
export type Staged = {
  readonly digest: string;
  readonly size: number;
  /** Full path of the file to be renamed into the store. */
  readonly at: string;
  readonly fd: number;
  /** Permission bits. */
  readonly mode: number;
  /** It was not read here, but known by its stamp. */
  readonly unread?: true;
  /** Full path of a source that was copied, to be unlinked once the version is recorded. */
  readonly consume: string | undefined;
};

/** What a file was seen to hold under a stamp, while nobody had it open for writing. */
export type Seen = { readonly digest: string; readonly size: number; readonly stamp: string };

export type ObjectsRemoved = { objects: number; bytes: number };

/**
 * Contents by their SHA-256, in `<state>/objects/ab/cdef...`; files 0600, folders 0700. An object is
 * durable before anything refers to it.
 */
export class ObjectStore {
  readonly folder: string;
  #device: bigint | undefined;
  /** Folders of objects whose names are durable. Nobody removes one. */
  readonly #durableShelves = new Set<string>();

  constructor(stateFolder: string) {
    this.folder = join(stateFolder, 'objects');
    mkdirSync(this.folder, { recursive: true, mode: 0o700 });
  }

  /**
   * Prepares a regular file to be taken over: as it is when it lies on the same file system and has no
   * other name, else as a copy. A process that still has the file open writes on into what was taken over,
   * so nothing of it is lost; `open` notices. It is not read where it still is what was `seen`. Throws the errors of the
   * file system, ELOOP for a symlink.
   */
  stageFile(from: string, seen?: Seen): Staged {
    const source = openSync(from, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const found = fstatSync(source, { bigint: true });
      if (!found.isFile()) throw new Error(`expected a regular file to keep, found another type at ${from}`);
      this.#device ??= statSync(this.folder, { bigint: true }).dev;
      if (found.nlink !== 1n || found.dev !== this.#device) return this.#stageCopy(source, from);
      const mode = Number(found.mode & 0o7777n);
      const file = { at: from, fd: source, mode, consume: undefined };
      if (seen?.stamp !== stampOf(found) || isOpenForWriting(source) !== false)
        return { ...digestOf(source), ...file };
      return { digest: seen.digest, size: seen.size, ...file, unread: true };
    } catch (error) {
      closeSync(source);
      throw error;
    }
  }

  /** Prepares bytes. */
  stageContent(content: Uint8Array): Staged {
    const { at, fd } = this.#temporary();
    writeAll(fd, content);
    const digest = createHash('sha256').update(content).digest('hex');
    return { digest, size: content.length, at, fd, mode: privateMode, consume: undefined };
  }

  /**
   * Puts a staged content in its place, and with `sync` makes it durable, unless the same bytes are there. After the row
   * that refers to it was committed, or within the write lock of the database, so that `removeOrphans` of another process
   * cannot come between.
   */
  place(staged: Staged, options: { readonly sync: boolean }): void {
    const to = this.pathOf(staged.digest);
    if (options.sync) fsyncSync(staged.fd);
    if (!this.#moveIn(staged, to)) {
      // What goes away for good was read.
      if (staged.unread === true && digestOf(staged.fd).digest !== staged.digest)
        throw new Error(`${staged.at} changed while it was kept`);
      return unlinkSync(staged.at);
    }
    // Not before, since a file that cannot be taken over keeps its mode. The former mode is in the version's entry.
    if (staged.mode !== privateMode) fchmodSync(staged.fd, privateMode);
    if (options.sync) this.sync([staged.digest]);
  }

  /**
   * Undoes a staging whose version could not be recorded: a copy goes, and a file that was already taken over
   * gets its former name back (as a second name of the object, which counts as an orphan then).
   */
  abandon(staged: Staged): void {
    if (staged.at.startsWith(`${this.folder}/`)) {
      removeIfThere(staged.at);
      return;
    }
    try {
      linkSync(this.pathOf(staged.digest), staged.at);
    } catch (error) {
      // EEXIST, ENOENT: it was never taken over. EXDEV: it was copied in, and the copy is all there is.
      if (!['EEXIST', 'ENOENT', 'EXDEV'].some((code) => isCode(error, code))) throw error;
    }
  }

  /** Whether anything has the name of the content; `open` tells whether it is the content. */
  has(digest: string): boolean {
    return lstatSync(this.pathOf(digest), { throwIfNoEntry: false }) !== undefined;
  }

  /** Makes objects, and their names, durable. */
  sync(digests: readonly string[] | ReadonlySet<string>): void {
    for (const path of this.toSync(digests)) syncPath(path);
  }

  /** Full paths of all that has to be synced for these objects and their names to be durable. */
  toSync(digests: readonly string[] | ReadonlySet<string>): Set<string> {
    const paths = new Set<string>();
    for (const digest of digests) {
      const path = this.pathOf(digest);
      const shelf = dirname(path);
      if (!this.#durableShelves.has(shelf)) this.#syncShelves();
      paths.add(path).add(shelf);
    }
    return paths;
  }

  /**
   * Opens an object for reading, at its beginning; the caller closes it. `damaged`: its bytes are not those of the
   * digest, as when a process wrote on into a file that was taken over. They may still be what is wanted.
   */
  open(
    digest: string,
  ): { readonly kind: 'intact' | 'damaged'; readonly fd: number } | { readonly kind: 'missing' } {
    let fd: number;
    try {
      fd = openSync(this.pathOf(digest), constants.O_RDONLY | constants.O_NOFOLLOW);
    } catch (error) {
      if (isCode(error, 'ENOENT')) return { kind: 'missing' };
      throw error;
    }
    return { kind: digestOf(fd).digest === digest ? 'intact' : 'damaged', fd };
  }

  /**
   * Removes objects for which `isOrphan` says so; it is also told whether anybody touched the object in the last
   * hour. Within the write lock. Copies that a crash left go after an hour.
   */
  removeOrphans(isOrphan: (digest: string, fresh: boolean) => boolean, now: number): ObjectsRemoved {
    const removed = { objects: 0, bytes: 0 };
    for (const shelf of readdirSync(this.folder)) {
      const path = join(this.folder, shelf);
      if (shelf.length !== 2) {
        removeObject(path, removed, (fresh) => !fresh, now);
        continue;
      }
      for (const name of readdirSync(path)) {
        removeObject(join(path, name), removed, (fresh) => isOrphan(`${shelf}${name}`, fresh), now);
      }
    }
    return removed;
  }

  /** Full path of an object. */
  pathOf(digest: string): string {
    return `${this.folder}/${digest.slice(0, 2)}/${digest.slice(2)}`;
  }

  /** Whether the very bytes are there. Touched, so that they count as fresh even if nothing refers to them yet. */
  #holds(path: string, digest: string): boolean {
    if (!this.has(digest)) return false;
    const found = this.open(digest);
    if (found.kind === 'missing') return false;
    closeSync(found.fd);
    // Bytes that a late writer left under a wrong digest give way to those that belong there.
    if (found.kind === 'damaged') return false;
    const now = new Date();
    utimesSync(path, now, now);
    return true;
  }

  /** False where the very bytes are there already. */
  #moveIn(staged: Staged, to: string): boolean {
    const moved = renameNoReplace(staged.at, to);
    if (moved.ok) return true;
    if (moved.code === 'ENOENT') mkdirSync(dirname(to), { recursive: true, mode: 0o700 });
    // Or the file system does not know this rename, and a look has to do.
    else if (this.#holds(to, staged.digest)) return false;
    this.#rename(staged, to);
    return true;
  }

  /** The names of all shelves that there are survive a power cut. */
  #syncShelves(): void {
    const names = readdirSync(this.folder);
    syncPath(this.folder);
    for (const name of names) this.#durableShelves.add(join(this.folder, name));
  }

  #rename(staged: Staged, to: string): void {
    try {
      renameSync(staged.at, to);
    } catch (error) {
      // Two mounts of one file system have the same device number, and still no rename leads across.
      if (!isCode(error, 'EXDEV')) throw error;
      const copy = this.#stageCopy(staged.fd, undefined);
      fsyncSync(copy.fd);
      closeSync(copy.fd);
      renameSync(copy.at, to);
      unlinkSync(staged.at);
    }
  }

  #stageCopy(source: number, from: string | undefined): Staged {
    const { at, fd } = this.#temporary();
    try {
      const { digest, size } = digestOf(source, (chunk) => writeAll(fd, chunk));
      if (from !== undefined) closeSync(source);
      return { digest, size, at, fd, mode: privateMode, consume: from };
    } catch (error) {
      closeSync(fd);
      removeIfThere(at);
      throw error;
    }
  }

  #temporary(): { at: string; fd: number } {
    const at = join(this.folder, `copy-${randomBytes(6).toString('hex')}`);
    const fd = openSync(
      at,
      constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
      privateMode,
    );
    return { at, fd };
  }
}

function removeObject(
  path: string,
  removed: ObjectsRemoved,
  isOrphan: (fresh: boolean) => boolean,
  now: number,
): void {
  const found = statSync(path);
  // ctime, since a file that was renamed into the store keeps the mtime it had.
  if (!found.isFile() || !isOrphan(now - found.ctimeMs < orphanMs)) return;
  unlinkSync(path);
  removed.objects += 1;
  removed.bytes += found.size;
}

/** fsync of what a full path leads to. */
export function syncPath(path: string): void {
  const fd = openSync(path, constants.O_RDONLY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!isCode(error, 'ENOENT')) throw error;
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
