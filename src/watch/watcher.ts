/**
 * Tells which paths to look at. An event only ever means that: what happened is not concluded from it.
 *
 * Only directories are watched, one watch each, which also tells of changes to the files in them, by name.
 * chokidar keeps the watches while directories come and go; its own idea of what changed (`all`) is
 * throttled and decided by times, so the events of the system are read as they are (`raw`).
 */
import type { Stats } from 'node:fs';
import type { Change } from '../core/dirty.ts';
import { isAtOrBelow, isBelow, isTemporaryName, nameOf, parentOf, type ReplicaPath } from '../core/path.ts';
import { BurstMeter } from './burst.ts';
import { DirectoryWatches } from './directories.ts';
import { Ground, pathsMeant, watchedPathOf } from './ground.ts';
import type { Hint } from './hint.ts';
import { kindAt } from './kind.ts';
import { readInotifyLimits, readOpenFilesLimit, readQueueLength } from './limits.ts';
import { PlainNames } from './plain-names.ts';
import { cannotWatch, outOfInstances, outOfWatches, type WatchProblem } from './problem.ts';
import { realRoot } from './root.ts';
import { SecondLooks } from './second-looks.ts';
import { Territory, type WatchedLists } from './territory.ts';

export type WatcherOptions = {
  /** Prefix of every watched path: an existing directory. */
  readonly root: string;
  readonly watchlists: WatchedLists;
  readonly canary?: boolean;
  /** Called for each hint until close. Must not throw. */
  onHint(hint: Hint): void;
  /** Called once for each kind of problem. The watcher stays alive; the rest is up to periodic scans. */
  onProblem(problem: WatchProblem): void;
  /** Called for each event of a temporary name of ours: files are being placed here. Must not throw. */
  onPlacing?(): void;
};

export type { WatchProblem };

export interface Watcher {
  /** Resolves when every directory that could be watched is watched, or at close. Never rejects. */
  readonly ready: Promise<void>;
  /** How many directories are watched. */
  directories(): number;
  /** The problem that keeps directories from being watched, if there is one. */
  degraded(): WatchProblem | undefined;
  /** No hint comes after the call. */
  close(): Promise<void>;
}

/**
 * Watches what the watchlists may contain. Scan everything once after `ready`: what happened before is not
 * told. Throws a Failure `root-missing` when the root is no directory.
 */
export function openWatcher(options: WatcherOptions): Watcher {
  return new DirectoryWatcher(options, realRoot(options.root));
}

/** Files made in a directory before chokidar watched it are found by these looks. Milliseconds. */
const secondLooksMs = [10, 50, 250];
/** Errors come in swarms; one look at everything covers them all. Milliseconds. */
const errorSettleMs = 250;

class DirectoryWatcher implements Watcher {
  readonly ready: Promise<void>;
  readonly #options: WatcherOptions;
  readonly #ground: Ground;
  readonly #territory: Territory;
  readonly #chokidar: DirectoryWatches;
  readonly #burst = new BurstMeter({ queueLength: readQueueLength() });
  /** Whether the events of this turn of the event loop are being counted. */
  #turnCounted = false;
  readonly #secondLooks = new SecondLooks(secondLooksMs, (tree) => this.#hintTree(tree));
  /** Directories that chokidar knows, and those of them that it could not watch. */
  readonly #directories = new Set<ReplicaPath>();
  readonly #unwatched = new Set<ReplicaPath>();
  /** Paths that were watched directories and are something else now. chokidar ignores them meanwhile. */
  readonly #replaced = new Set<ReplicaPath>();
  readonly #plainNames = new PlainNames();
  readonly #toldCodes = new Set<string>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #errorsPending = false;
  #isReady = false;
  #problem: WatchProblem | undefined;
  #isClosed = false;
  #stopWaiting: () => void = () => undefined;

  constructor(options: WatcherOptions, root: string) {
    this.#options = options;
    this.#ground = new Ground(root);
    this.#territory = new Territory(options.watchlists, { canary: options.canary === true });
    this.#chokidar = new DirectoryWatches(
      {
        ignored: (path, stats) => this.#isIgnored(path, stats),
        // The events of the first scan tell which directories are watched.
        ignoreInitial: false,
        followSymlinks: false,
        atomic: false,
        persistent: true,
        backend: 'native',
      },
      (path) => this.#isPlain(path),
    );
    this.ready = new Promise((resolve) => {
      this.#stopWaiting = resolve;
      this.#chokidar.once('ready', () => {
        this.#isReady = true;
        resolve();
      });
    });
    this.#chokidar.on('raw', (event, name, details) => this.#onRaw(event, name, details));
    this.#chokidar.on('addDir', (path) => this.#onDirectory(path));
    this.#chokidar.on('unlinkDir', (path) => this.#onDirectoryGone(path));
    this.#chokidar.on('error', (error) => this.#onError(error));
    // Always the root, which exists: a missing path is never handed to chokidar.
    this.#chokidar.add(root);
  }

  directories(): number {
    return this.#directories.size - this.#unwatched.size;
  }

  degraded(): WatchProblem | undefined {
    return this.#problem;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#secondLooks.close();
    this.#plainNames.clear();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#stopWaiting();
    await this.#chokidar.close();
  }

  #isIgnored(path: string, stats: Stats | undefined): boolean {
    if (stats === undefined && this.#isPlain(path)) return true;
    if (stats !== undefined && !stats.isDirectory()) return true;
    const directory = this.#ground.fromDisk(path);
    return directory === undefined || !this.#territory.watches(directory);
  }

  /** What has a temporary name of ours is renamed in a moment, also a directory: nobody need watch it before. */
  #isPlain(onDisk: string): boolean {
    return this.#plainNames.has(onDisk) || isTemporaryName(onDisk.slice(onDisk.lastIndexOf('/') + 1));
  }

  #onRaw(event: string, name: string | null, details: unknown): void {
    this.#countEvent();
    if (name !== null && isTemporaryName(name)) return this.#options.onPlacing?.();
    const watched = watchedPathOf(details);
    if (watched === undefined) return;
    const meant = pathsMeant(watched, name);
    if (meant.length === 0) {
      const directory = this.#ground.fromDisk(watched);
      if (directory !== undefined) this.#hintTree(directory);
    }
    for (const onDisk of meant) this.#onName(onDisk, event === 'change' ? 'write' : 'rename');
  }

  #onName(onDisk: string, change: Change): void {
    const path = this.#ground.fromDisk(onDisk);
    if (path === undefined) return;
    this.#hintPath(path, change);
    if (change === 'rename') this.#onRename(path, onDisk);
  }

  /** A name was created, removed or moved: it may have been or become a directory. */
  #onRename(path: ReplicaPath, onDisk: string): void {
    const known = this.#directories.has(path);
    const found = kindAt(onDisk);
    if (!known && found === 'directory' && !this.#territory.watches(path)) return;
    this.#plainNames.note(onDisk, known ? 'directory' : found);
    if (found === 'directory') void this.#onDirectoryCame(path, known);
    else if (known) this.#hintTree(path);
    if (known && found === 'other') this.#stopFollowing(path);
  }

  /**
   * One look suffices at a new directory where it, and all below, is watched before that look. Where somebody knew of it already, as
   * when a directory took the place of another one, chokidar finds out which of them are to be watched.
   */
  async #onDirectoryCame(path: ReplicaPath, known: boolean): Promise<void> {
    const isNew = !known && this.#replaced.size === 0 && this.#directories.has(parentOf(path));
    const takeIn = () => this.#chokidar.takeInNew(this.#ground.onDisk(path), (one) => this.#note(one));
    const areWatched = this.#isReady && isNew && (await takeIn());
    this.#hintTree(path);
    if (areWatched) return;
    this.#secondLooks.add(path);
    this.#watchAgain(path);
  }

  /**
   * A watched directory gave way to something else, perhaps to a symbolic link, which chokidar would
   * follow: its handle of the old directory re-arms through the path, and so do its scans.
   */
  #stopFollowing(path: ReplicaPath): void {
    this.#replaced.add(path);
    this.#chokidar.unwatch(this.#ground.onDisk(path));
    for (const directory of this.#directories) {
      if (isAtOrBelow(directory, path)) this.#forget(directory);
    }
  }

  /** The reverse, when there is a directory again. */
  #watchAgain(tree: ReplicaPath): void {
    for (const path of this.#replaced) {
      if (path !== tree && !isBelow(path, tree)) continue;
      if (kindAt(this.#ground.onDisk(path)) !== 'directory') continue;
      this.#replaced.delete(path);
      this.#chokidar.add(this.#ground.onDisk(path));
    }
  }

  /** chokidar calls this right before it arms the watch. */
  #onDirectory(onDisk: string): void {
    const directory = this.#note(onDisk);
    if (directory === undefined || !this.#isReady) return;
    this.#secondLooks.add(directory);
    this.#watchAgain(directory);
  }

  #note(onDisk: string): ReplicaPath | undefined {
    const directory = this.#ground.fromDisk(onDisk);
    if (directory !== undefined) this.#directories.add(directory);
    return directory;
  }

  #onDirectoryGone(onDisk: string): void {
    const directory = this.#ground.fromDisk(onDisk);
    if (directory === undefined) return;
    this.#forget(directory);
    this.#secondLooks.add(directory);
  }

  #forget(directory: ReplicaPath): void {
    this.#directories.delete(directory);
    this.#unwatched.delete(directory);
  }

  #onError(error: unknown): void {
    const { code, path: onDisk } = errnoOf(error);
    const path = onDisk === undefined ? undefined : this.#ground.fromDisk(onDisk);
    if (path !== undefined && this.#directories.has(path)) this.#unwatched.add(path);
    if (!this.#toldCodes.has(code)) {
      this.#toldCodes.add(code);
      // The value that is needed is known when all directories are.
      void this.ready.then(() => this.#tellProblem(code, onDisk ?? 'a directory'));
    }
    if (this.#errorsPending) return;
    this.#errorsPending = true;
    this.#later(errorSettleMs, () => {
      this.#errorsPending = false;
      this.#hint({ kind: 'everything', why: 'watch-error' });
    });
  }

  #tellProblem(code: string, onDisk: string): void {
    if (this.#isClosed) return;
    const problem = this.#problemFor(code, onDisk);
    this.#problem ??= problem;
    this.#options.onProblem(problem);
  }

  #problemFor(code: string, onDisk: string): WatchProblem {
    if (code === 'ENOSPC') {
      return outOfWatches(readInotifyLimits(), this.#directories.size, this.directories());
    }
    if (code === 'EMFILE') return outOfInstances(readInotifyLimits(), readOpenFilesLimit());
    return cannotWatch(onDisk, code);
  }

  #countEvent(): void {
    if (!this.#turnCounted) {
      this.#turnCounted = true;
      setImmediate(() => {
        this.#turnCounted = false;
        this.#burst.turnEnded();
      });
    }
    if (this.#burst.count(performance.now())) this.#awaitCalm();
  }

  #awaitCalm(): void {
    const checkAt = this.#burst.checkAt();
    if (checkAt === undefined) return;
    this.#later(Math.max(1, checkAt - performance.now()), () => {
      if (this.#burst.isOver(performance.now())) this.#hint({ kind: 'everything', why: 'burst' });
      else this.#awaitCalm();
    });
  }

  #hintPath(path: ReplicaPath, change: Change): void {
    if (isTemporaryName(nameOf(path)) || !this.#territory.includes(path)) return;
    this.#hint({ kind: 'path', path, change });
  }

  #hintTree(directory: ReplicaPath): void {
    for (const path of this.#territory.treesOf(directory)) this.#hint({ kind: 'tree', path });
  }

  #hint(hint: Hint): void {
    if (!this.#isClosed) this.#options.onHint(hint);
  }

  #later(delayMs: number, act: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, delayMs).unref();
    this.#timers.add(timer);
  }
}

function errnoOf(error: unknown): { code: string; path: string | undefined } {
  if (!(error instanceof Error)) return { code: String(error), path: undefined };
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.message;
  return { code, path: 'path' in error && typeof error.path === 'string' ? error.path : undefined };
}
