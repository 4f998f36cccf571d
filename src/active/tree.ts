import { createHash } from 'node:crypto';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { type Entry, type FileEntry, sameContent } from '../core/entry.ts';
import { nameOf, type ReplicaPath } from '../core/path.ts';
import { Directories } from '../files/confined.ts';
import { errnoFailure } from '../files/errno.ts';
import { Manifest, type ManifestOptions } from '../files/manifest.ts';
import type { EntryCache, Observation } from '../files/observation.ts';
import { observe } from '../files/observe.ts';
import { type Scanned, scan } from '../files/scan.ts';
import { maxBodyBytes } from '../wire/frame.ts';
import { type Content, ContentChanged } from './session.ts';

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

/** The replicated tree of this node, to be looked at. Never changes it. */
export class Tree {
  readonly #options: TreeOptions;
  /** Files that some process never closes, and until when that is put up with. */
  readonly #tolerated = new Map<ReplicaPath, number>();

  constructor(options: TreeOptions) {
    this.#options = options;
  }

  get watchlists(): TreeOptions['watchlists'] {
    return this.#options.watchlists;
  }

  /** Looks at paths one by one while it keeps their directories open. */
  look(paths: Iterable<ReplicaPath>, onSeen: (path: ReplicaPath, observation: Observation) => void): void {
    using directories = new Directories(this.#options.root);
    for (const path of paths) onSeen(path, this.#observe(directories, path));
  }

  observe(path: ReplicaPath): Observation {
    using directories = new Directories(this.#options.root);
    return this.#observe(directories, path);
  }

  #observe(directories: Directories, path: ReplicaPath): Observation {
    const { cache, maxFileSizeBytes } = this.#options;
    const checkWriters = !this.#isTolerated(path);
    return observe({ directories, path, cache, maxFileSizeBytes, checkWriters });
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

  /** Walks everything at or below `from`. `fresh` reads every file again, whatever the cache knows. */
  walk(options: { from?: ReplicaPath; fresh?: boolean } = {}): AsyncGenerator<Scanned> {
    const { root, watchlists, cache, maxFileSizeBytes, onLeftover } = this.#options;
    return scan({
      root,
      watchlists,
      maxFileSizeBytes,
      ...(options.fresh === true ? {} : { cache }),
      ...(options.from === undefined ? {} : { from: options.from }),
      ...(onLeftover === undefined ? {} : { onLeftover }),
    });
  }

  async manifest(options: ManifestOptions & { readonly fresh: boolean }): Promise<Manifest> {
    const manifest = new Manifest(options);
    for await (const scanned of this.walk({ fresh: options.fresh })) manifest.take(scanned);
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
    const bytes = [...this.#chunksOrNothing(path, put)];
    return bytes.length === 0 && put.size > 0 ? undefined : { kind: 'inline', bytes: Buffer.concat(bytes) };
  }

  *#chunksOrNothing(path: ReplicaPath, put: FileEntry): Generator<Buffer> {
    try {
      yield* [...this.#chunks(path, put)];
    } catch (error) {
      if (!(error instanceof ContentChanged)) throw error;
    }
  }

  /** Reads the file in bodies of frame size. Throws ContentChanged before the last one if it is not `put`. */
  *#chunks(path: ReplicaPath, put: FileEntry): Generator<Buffer> {
    const fd = this.#open(path);
    try {
      const hash = createHash('sha256');
      let left = put.size;
      while (left > 0) {
        const chunk = Buffer.allocUnsafe(Math.min(left, maxBodyBytes));
        const size = this.#read(fd, chunk, path);
        if (size === 0) throw new ContentChanged(path);
        const bytes = chunk.subarray(0, size);
        hash.update(bytes);
        left -= size;
        if (left === 0 && hash.digest('hex') !== put.digest) throw new ContentChanged(path);
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
    using directories = new Directories(this.#options.root);
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
