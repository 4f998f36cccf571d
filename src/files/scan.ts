import { fstatSync, readdirSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Packed } from '../core/packed.ts';
import { childOf, isTemporaryName, parseReplicaPath, type ReplicaPath } from '../core/path.ts';
import { Directories, type OpenDirectory } from './confined.ts';
import { errnoCode, errnoFailure } from './errno.ts';
import type { Observation } from './observation.ts';
import { type LookOptions, observe, observeAt } from './observe.ts';
import { unchangedFile } from './unchanged.ts';

export type ScanOptions = Omit<LookOptions, 'checkWriters'> & {
  readonly root: string;
  readonly watchlists: {
    /** Where the walk starts; none below another. */
    readonly roots: readonly ReplicaPath[];
    includes(path: ReplicaPath): boolean;
    mayContain(directory: ReplicaPath): boolean;
  };
  /** Only what is at or below this path. Default: everything. */
  readonly from?: ReplicaPath;
  /** Default false: a file that is open for writing is read all the same, and found unstable if it moves. */
  readonly checkWriters?: boolean;
  /** Default false: of a file that has to be read only the name is told, until its observation is asked for. */
  readonly lazy?: boolean;
  /** Ends the walk with its reason at the next turn. */
  readonly signal?: AbortSignal;
  /** Called for each temporary name of ours, which is never yielded. */
  readonly onLeftover?: (path: ReplicaPath) => void;
};

export type Scanned = {
  readonly path: ReplicaPath;
  readonly observation: Observation;
  /** The entry of the observation where it need not be unpacked to be known. */
  readonly packed?: Packed;
  /** To ask for the observation, before the walk goes on, is to read the file. */
  readonly unread?: true;
};

/** Work between two turns of the event loop, milliseconds. */
const sliceMs = 10;

/**
 * Walks the replicated tree: parents before children, children in the order of their bytes, links never
 * followed. Yields the paths that are included, and besides them only directories and names of which it could
 * not be seen what is at or below them: nothing below such a path is known to be absent. A start that does not
 * exist is yielded as absent. Throws the reason of `signal`.
 */
export async function* scan(options: ScanOptions): AsyncGenerator<Scanned> {
  const { root, watchlists, from, signal } = options;
  signal?.throwIfAborted();
  const look = { ...options, checkWriters: options.checkWriters ?? false };
  const starts = from === undefined ? watchlists.roots : startsBelow(watchlists.roots, from);
  let sliceEnd = performance.now() + sliceMs;
  for (const start of starts) {
    using directories = new Directories(root);
    for (const scanned of new Walk(directories, look).from(start)) {
      if (scanned !== undefined) yield scanned;
      if (performance.now() < sliceEnd) continue;
      await nextTurn();
      signal?.throwIfAborted();
      sliceEnd = performance.now() + sliceMs;
    }
  }
}

/** Where a walk starts that is limited to `from`: `from` itself below a root, or the roots below `from`. */
function startsBelow(roots: readonly ReplicaPath[], from: ReplicaPath): ReplicaPath[] {
  const isAtOrBelow = (path: string, top: string): boolean =>
    path === top || top === '/' || path.startsWith(`${top}/`);
  if (roots.some((root) => isAtOrBelow(from, root))) return [from];
  return roots.filter((root) => isAtOrBelow(root, from));
}

/** Undefined: nothing to yield, but time has passed. */
type Step = Scanned | undefined;

/** One walk. Descriptors of finished directories are given up, so it holds as many as the tree is deep. */
class Walk {
  readonly #directories: Directories;
  readonly #options: ScanOptions & LookOptions;

  constructor(directories: Directories, options: ScanOptions & LookOptions) {
    this.#directories = directories;
    this.#options = options;
  }

  *from(start: ReplicaPath): Generator<Step> {
    yield* this.#at(start, observe({ ...this.#options, directories: this.#directories, path: start }));
  }

  *#at(path: ReplicaPath, observation: Observation): Generator<Step> {
    const { watchlists } = this.#options;
    const descends = watchlists.mayContain(path);
    if (observation.kind === 'entry' && observation.entry.kind === 'directory' && descends) {
      yield* this.#directory(path, observation);
    } else if (watchlists.includes(path) || (descends && hidesWhatIsBelow(observation))) {
      yield { path, observation };
    }
  }

  /** A directory is listed before it is yielded, so that it is either seen or failed, and never both. */
  *#directory(path: ReplicaPath, observation: Observation): Generator<Step> {
    const directory = this.#directories.open(path);
    const listing = directory.ok ? list(directory, path) : notListed(directory);
    if (!directory.ok || 'kind' in listing) {
      if ('kind' in listing) yield { path, observation: listing };
      return;
    }
    yield this.#options.watchlists.includes(path) ? { path, observation } : undefined;
    for (const name of listing.names) yield* this.#child(path, directory, name);
    for (const bytes of listing.undecodable) yield this.#undecodable(path, bytes);
    this.#directories.release(path);
  }

  *#child(parent: ReplicaPath, directory: OpenDirectory, name: string): Generator<Step> {
    const path = childOf(parent, name);
    if (isTemporaryName(name)) return this.#options.onLeftover?.(path);
    const { watchlists } = this.#options;
    const included = watchlists.includes(path);
    if (!included && !watchlists.mayContain(path)) return;
    if (path.length > longestUnchecked) {
      const parsed = parseReplicaPath(path);
      if (!parsed.ok) {
        const detail = `expected a path within the limits of the system, found ${parsed.fault}`;
        yield { path, observation: { kind: 'failed', failure: { reason: 'bad-path', detail } } };
        return;
      }
    }
    const { cache, maxFileSizeBytes, fresh } = this.#options;
    const unchanged =
      included && cache !== undefined && fresh !== true
        ? unchangedFile(directory.fd, name, { path, cache, maxFileSizeBytes })
        : undefined;
    if (unchanged === 'unread' && this.#options.lazy === true) {
      const read = (): Observation => observeAt(directory.child(name), path, this.#options);
      return void (yield new UnreadFile(path, read));
    }
    if (unchanged !== undefined && unchanged !== 'unread') return void (yield unchanged);
    const observation = observeAt(directory.child(name), path, this.#options);
    const isDirectory = observation.kind === 'entry' && observation.entry.kind === 'directory';
    // Most are files, and a generator of its own for each is what a walk would spend its time on.
    if (included && !isDirectory) yield { path, observation };
    else yield* this.#at(path, observation);
  }

  #undecodable(parent: ReplicaPath, bytes: Buffer): Step {
    const lossy = childOf(parent, bytes.toString('utf8'));
    if (!this.#options.watchlists.includes(lossy)) return undefined;
    const detail = `expected a name in valid UTF-8, found the bytes ${bytes.toString('hex')}; rename it to have it replicated`;
    const failure = { reason: 'bad-path', detail } as const;
    return { path: childOf(parent, escaped(bytes)), observation: { kind: 'failed', failure } };
  }
}

/** A file that has to be read to be known. */
class UnreadFile {
  readonly path: ReplicaPath;
  readonly unread = true;
  readonly #read: () => Observation;

  constructor(path: ReplicaPath, read: () => Observation) {
    this.path = path;
    this.#read = read;
  }

  get observation(): Observation {
    return this.#read();
  }
}

/** Shorter paths of names that the disk gave cannot break a limit, at up to three bytes a unit. */
const longestUnchecked = 1365;

/** Whether there may be a directory that could not be looked at. */
function hidesWhatIsBelow(observation: Observation): boolean {
  return observation.kind === 'failed' || observation.kind === 'unstable';
}

/** It was a directory a moment ago: only a failure to open it tells nothing of what is there now. */
function notListed(directory: Exclude<ReturnType<Directories['open']>, { ok: true }>): Observation {
  const { reason, detail } = directory;
  if (reason === 'parent-missing' || reason === 'not-confined') return { kind: 'unstable' };
  return { kind: 'failed', failure: { reason, detail } };
}

type Listing = { readonly names: readonly string[]; readonly undecodable: readonly Buffer[] };

function list(directory: OpenDirectory, path: ReplicaPath): Listing | Observation {
  try {
    const names = new Set(namesIn(directory));
    // While names come and go, one listing may miss a name that is replaced. Nobody replaces it again just then.
    if (changedLately(directory)) for (const name of namesIn(directory)) names.add(name);
    const sorted = byBytes([...names]);
    const lossy = sorted.some((name) => name.includes('\uFFFD'));
    return lossy ? withoutLossy(directory, sorted) : { names: sorted, undecodable: [] };
  } catch (error) {
    // It was removed since it was opened.
    if (errnoCode(error) === 'ENOENT') return { kind: 'unstable' };
    return { kind: 'failed', failure: errnoFailure(error, path) };
  }
}

function namesIn(directory: OpenDirectory): string[] {
  return readdirSync(directory.child('.'));
}

/** A change during the listing has moved the directory's time to now, give or take a tick. */
function changedLately(directory: OpenDirectory): boolean {
  return Date.now() - fstatSync(directory.fd).mtimeMs < recentlyMs;
}

/** More than a listing takes, milliseconds. */
const recentlyMs = 1000;

/** In the order of their UTF-8 bytes, which is that of UTF-16 units except beyond the surrogates. */
function byBytes(names: string[]): string[] {
  if (!names.some((name) => /[\uD800-\uFFFF]/.test(name))) return names.sort();
  return names
    .map((name) => Buffer.from(name))
    .sort(Buffer.compare)
    .map((bytes) => bytes.toString('utf8'));
}

/** Names that decoding has changed, or may have, are told by their bytes: the text could be another file's name. */
function withoutLossy(directory: OpenDirectory, names: readonly string[]): Listing {
  const raw = readdirSync(directory.child('.'), { encoding: 'buffer' });
  return {
    names: names.filter((name) => !name.includes('\uFFFD')),
    undecodable: raw.filter((bytes) => bytes.toString('utf8').includes('\uFFFD')).sort(Buffer.compare),
  };
}

/** Printable ASCII as it is, every other byte as `\xNN`. */
function escaped(bytes: Buffer): string {
  return bytes
    .toString('latin1')
    .replace(/[^\x20-\x7e]|\\/g, (byte) => `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
