import { closeSync, constants, openSync, readSync } from 'node:fs';
import { absent, type Entry, type FileEntry, sameContent } from '../core/entry.ts';
import type { Move } from '../core/move.ts';
import type { Packed } from '../core/packed.ts';
import { nameOf, parentOf, type ReplicaPath } from '../core/path.ts';
import { Directories } from '../files/confined.ts';
import { errnoFailure } from '../files/errno.ts';
import { Manifest, type ManifestOptions } from '../files/manifest.ts';
import type { EntryCache, Observation } from '../files/observation.ts';
import { kindOfChild, observe, stampOfChild, unreadBytes } from '../files/observe.ts';
import { resembles } from '../files/resembles.ts';
import { type ScanOptions, type Slice, scan, scanFolders } from '../files/scan.ts';
import { statsOfOpen } from '../files/stats.ts';
import type { Scanned } from '../files/walk.ts';
import { passed, tracing } from '../log/trace.ts';
import { maxBodyBytes } from '../wire/frame.ts';
import { type Content, ContentChanged } from './content.ts';
import { RecentLooks } from './recent-looks.ts';

export type TreeOptions = {
  readonly root: string;
  readonly watchlists: {
    readonly roots: readonly ReplicaPath[];
    includes(path: ReplicaPath): boolean;
    mayContain(directory: ReplicaPath): boolean;
    impliedDirectory(path: ReplicaPath): boolean;
  };
  readonly cache: EntryCache;
  readonly maxFileSizeBytes: number;
  /** Called with each temporary name of ours that a scan meets. */
  readonly onLeftover?: (path: ReplicaPath) => void;
};

/** Long enough for the look that comes within a second and the push after it, milliseconds. */
const toleranceMs = 3000;

const nothingThere: Observation = { kind: 'entry', entry: absent, stamp: '' };

/** Directories that are held open at once. */
const mostDirectories = 64;

/** The replicated tree of this node, to be looked at. Never changes it. */
export class Tree {
  readonly #options: TreeOptions;
  /** Files that some process never closes, and until when that is put up with. */
  readonly #tolerated = new Map<ReplicaPath, number>();
  readonly #recent = new RecentLooks();
  /** Open until the next turn of the event loop: files that are looked at and sent together lie together. */
  #directories: Directories | undefined;

  constructor(options: TreeOptions) {
    this.#options = options;
  }

  get watchlists(): TreeOptions['watchlists'] {
    return this.#options.watchlists;
  }

  /** Looks at paths one by one while it keeps their directories open. */
  look(paths: Iterable<ReplicaPath>, onSeen: (path: ReplicaPath, observation: Observation) => void): void {
    const directories = this.#openDirectories();
    for (const path of paths) onSeen(path, this.#noted(path, this.#observe(directories, path)));
  }

  /** Whether the file at `path` is the one that was last seen at `before`, and is as it was then. */
  isFileOf(before: ReplicaPath, path: ReplicaPath): boolean {
    const known = this.#options.cache.get(before)?.stamp;
    const parent = this.#openDirectories().parentOf(path);
    return known !== undefined && parent.ok && stampOfChild(parent, nameOf(path)) === known;
  }

  /** Whether something of the kind of the entry is at the path now. */
  shows(path: ReplicaPath, packed: Packed): boolean {
    const parent = this.#openDirectories().parentOf(path);
    return parent.ok && kindOfChild(parent, nameOf(path)) === packed.charAt(0);
  }

  /** A directory was renamed: what is known of its files need not be read again. */
  moved(move: Move): void {
    this.#options.cache.moved(move);
  }

  /** Whether the path shows this entry at first sight, see `resembles`. */
  resembles(path: ReplicaPath, entry: Entry): boolean {
    return resembles(this.#openDirectories(), path, entry);
  }

  #openDirectories(): Directories {
    if (this.#directories !== undefined) return this.#directories;
    const opened = new Directories(this.#options.root, { maxOpen: mostDirectories, checkPlace: 'never' });
    this.#directories = opened;
    setImmediate(() => {
      this.#directories = undefined;
      opened.close();
    });
    return opened;
  }

  /**
   * As `look`, and what was seen is good for what follows in the same turn of the event loop. Parents come first: nothing
   * is looked for in one that is absent.
   */
  lookToSend(
    paths: Iterable<ReplicaPath>,
    onSeen: (path: ReplicaPath, observation: Observation) => void,
  ): void {
    const directories = this.#openDirectories();
    const absentHere = new Set<ReplicaPath>();
    for (const path of paths) {
      const isBelowAbsent = absentHere.size > 0 && absentHere.has(parentOf(path));
      const seen = isBelowAbsent ? nothingThere : this.#observeToSend(directories, path);
      if (seen.kind === 'entry' && seen.entry.kind === 'absent') {
        absentHere.add(path);
        // For the plan that follows.
        this.#recent.add(path, { seen, content: undefined });
      }
      onSeen(path, this.#noted(path, seen));
    }
  }

  #noted(path: ReplicaPath, seen: Observation): Observation {
    if (tracing && seen.kind === 'entry') passed('observed', path);
    return seen;
  }

  /** What is at the path, as it was seen in this turn of the event loop or as it is now. */
  observe(path: ReplicaPath): Observation {
    const recent = this.#recent.get(path);
    if (recent !== undefined) return recent.seen;
    const directories = this.#openDirectories();
    return this.#observeToSend(directories, path);
  }

  /** How much is to be read of a file that rests to know what it holds; 0 of any other, and where that is known. */
  unreadBytes(path: ReplicaPath): number {
    const parent = this.#openDirectories().parentOf(path);
    return parent.ok ? unreadBytes(parent.child(nameOf(path)), this.#options.cache.get(path)?.stamp) : 0;
  }

  #observeToSend(directories: Directories, path: ReplicaPath): Observation {
    let content: Buffer | undefined;
    const seen = this.#observe(directories, path, (bytes) => {
      content = this.#recent.copyOf(bytes);
    });
    if (seen.kind === 'entry' && seen.entry.kind !== 'absent') this.#recent.add(path, { seen, content });
    return seen;
  }

  #observe(
    directories: Directories,
    path: ReplicaPath,
    onContent?: (bytes: Uint8Array) => void,
  ): Observation {
    const { cache, maxFileSizeBytes } = this.#options;
    const checkWriters = !this.#isTolerated(path);
    return observe({ directories, path, cache, maxFileSizeBytes, checkWriters, onContent });
  }

  /** For a moment a file counts as stable although a process keeps it open for writing, if it rests while it is read. */
  tolerateWriter(path: ReplicaPath): void {
    this.#tolerated.set(path, performance.now() + toleranceMs);
  }

  #isTolerated(path: ReplicaPath): boolean {
    if (this.#tolerated.size === 0) return false;
    const until = this.#tolerated.get(path);
    if (until !== undefined && until > performance.now()) return true;
    this.#tolerated.delete(path);
    return false;
  }

  /**
   * Walks everything at or below `from`. `fresh` reads every file again, whatever the cache knows; `lazy` reads one that it
   * does not know only where its observation is asked for.
   */
  walk(
    options: { from?: ReplicaPath; fresh?: boolean; lazy?: boolean } = {},
  ): AsyncGenerator<Slice<Scanned>> {
    return scan(this.#scanOptions(options));
  }

  #scanOptions(options: { from?: ReplicaPath; fresh?: boolean; lazy?: boolean }): ScanOptions {
    const { root, watchlists, cache, maxFileSizeBytes, onLeftover } = this.#options;
    return {
      root,
      watchlists,
      maxFileSizeBytes,
      cache,
      fresh: options.fresh ?? false,
      lazy: options.lazy ?? false,
      ...(options.from === undefined ? {} : { from: options.from }),
      ...(onLeftover === undefined ? {} : { onLeftover }),
    };
  }

  async manifest(options: ManifestOptions & { readonly fresh: boolean }): Promise<Manifest> {
    const manifest = new Manifest(options);
    const found = scanFolders(this.#scanOptions({ fresh: options.fresh }));
    for await (const slice of found) for (const scanned of slice) manifest.take(scanned);
    const { cache } = this.#options;
    cache.retain(manifest.size, (path) => manifest.has(path) || manifest.isUnknown(path));
    // What waits to be written takes memory, and would have to be read again after a crash.
    cache.commit();
    return manifest;
  }

  /**
   * How the content for `put` is sent when the peer has `expect`. Undefined when the file is no longer
   * what `put` says: look again.
   */
  content(path: ReplicaPath, expect: Entry, put: Entry): Content | undefined {
    if (put.kind !== 'file') return { kind: 'none' };
    if (sameContent(expect, put)) return { kind: 'local' };
    if (put.size > maxBodyBytes) return { kind: 'stream', chunks: () => this.#chunks(path, put) };
    const read = this.#recent.contentOf(path, put);
    if (read !== undefined) return { kind: 'inline', bytes: read };
    const bytes = this.#wholeOf(path, put);
    return bytes === undefined ? undefined : { kind: 'inline', bytes };
  }

  #wholeOf(path: ReplicaPath, put: FileEntry): Buffer | undefined {
    const parts: Buffer[] = [];
    try {
      for (const chunk of this.#chunks(path, put)) parts.push(Buffer.from(chunk));
      return Buffer.concat(parts);
    } catch (error) {
      if (!(error instanceof ContentChanged)) throw error;
      return undefined;
    }
  }

  /**
   * Reads the file in bodies of frame size, all into the same memory. Throws ContentChanged before the last one if it is not
   * `put`.
   */
  *#chunks(path: ReplicaPath, put: FileEntry): Generator<Buffer> {
    const fd = this.#open(path);
    try {
      const chunk = Buffer.allocUnsafe(Math.min(put.size, maxBodyBytes));
      let left = put.size;
      while (left > 0) {
        const size = this.#read(fd, chunk.subarray(0, Math.min(left, chunk.byteLength)), path);
        if (size === 0) throw new ContentChanged(path);
        const bytes = chunk.subarray(0, size);
        left -= size;
        // Before the last piece leaves: the digest, which the peer checks, is then that of what was read here.
        if (left === 0 && !isAsPut(fd, put)) throw new ContentChanged(path);
        yield bytes;
      }
    } finally {
      closeSync(fd);
    }
  }

  /** Anything may stand at the path by now, also what cannot be read: that is a change like others. */
  #read(fd: number, chunk: Buffer, path: ReplicaPath): number {
    try {
      return readSync(fd, chunk);
    } catch (error) {
      throw new ContentChanged(`${path}: ${errnoFailure(error).detail}`);
    }
  }

  #open(path: ReplicaPath): number {
    const directories = this.#openDirectories();
    const parent = directories.parentOf(path);
    if (!parent.ok) throw new ContentChanged(path);
    try {
      return openSync(
        parent.child(nameOf(path)),
        constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
      );
    } catch (error) {
      throw new ContentChanged(`${path}: ${errnoFailure(error).detail}`);
    }
  }
}

/** Whether the open file is still what was looked at, as far as its size and its time tell. */
function isAsPut(fd: number, put: FileEntry): boolean {
  const { size, mtime } = statsOfOpen(fd);
  return size === put.size && mtime === put.mtime;
}
