import { type Dirent, lstatSync, readdirSync, type Stats } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type ChokidarOptions, FSWatcher } from 'chokidar';
import { isTemporaryName } from '../core/path.ts';
import { Leaves } from './leaves.ts';

type ListOptions = NonNullable<Parameters<FSWatcher['createScanStream']>[1]>;
type Listing = NonNullable<ReturnType<FSWatcher['createScanStream']>>;
type Listed = Parameters<Extract<ListOptions['directoryFilter'], (...args: never) => unknown>>[0] & {
  readonly stats: Stats;
};

/** Between two turns of the event loop while a tree is taken in, milliseconds. */
const sliceMs = 20;

const nothing = Promise.resolve();

/**
 * chokidar for directories alone. It lists a directory whenever an event comes from it, and asks for the state of
 * every file in it, one promise each, to hear that files are ignored. The types that come with the names tell that
 * without asking: of 100,000 files in 5,000 directories it asks for the state of 5,000.
 *
 * A tree that is there at the start, or comes later, is taken in at once, in one pass, rather than by a dozen promises a
 * directory. What becomes of it from then on is left to chokidar.
 */
export class DirectoryWatches extends FSWatcher {
  readonly #leaves = new Leaves();
  readonly #isPlain: (path: string) => boolean;
  /** Over when all new trees are taken in. chokidar lists them as well: after that it finds nothing new in them. */
  #newTrees: Promise<unknown> = nothing;

  /** `isPlain`: whether a name on disk was just seen to be no directory, so that an event of it is nothing to look into. */
  constructor(options: Partial<ChokidarOptions>, isPlain: (path: string) => boolean) {
    super(options);
    this.#isPlain = isPlain;
    this.#spareEvents();
  }

  /**
   * chokidar resolves a name against its directory and each of that one's parents before it asks whether anybody wants it,
   * which takes more than the rest of an event. While files are placed there are six events a file, all of temporary names: they
   * are left alone before, as are names that this node has just seen to be plain.
   */
  #spareEvents(): void {
    const { handler } = this;
    const reconcile = handler.reconcileBackendTrigger.bind(handler);
    handler.reconcileBackendTrigger = (scope, mapRelative, trigger, ...more) => {
      const name = mapRelative && trigger.kind === 'native' ? trigger.relativePath : null;
      const isSpared = name !== null && (isTemporaryName(name) || this.#isPlain(`${scope}/${name}`));
      return isSpared ? nothing : reconcile(scope, mapRelative, trigger, ...more);
    };
  }

  /** Asked for each event first. Otherwise a queue, a few promises and its path in five forms end in `ignored`. */
  override isUnwatched(path: string): boolean {
    return this.#isPlain(path) || super.isUnwatched(path);
  }

  override createScanStream(root: string, options: Partial<ListOptions> = {}): Listing | undefined {
    if (this.closed) return undefined;
    const { directoryFilter, depth = 0 } = options;
    const listed = depth === 0 && typeof directoryFilter === 'function' ? directoriesIn(root) : undefined;
    // Whatever goes wrong is told, or passed over, in chokidar's own way.
    if (listed === undefined || typeof directoryFilter !== 'function')
      return super.createScanStream(root, options);
    const stream = new Readable({ objectMode: true, read: () => undefined });
    const wanted = listed.filter((one) => directoryFilter(one));
    const tell = (): void => {
      for (const one of wanted) stream.push(one);
      stream.push(null);
    };
    const takeIn = () => this.#takeIn(wanted, (path, stats) => this.emit('addDir', path, stats));
    // chokidar finds all of them known then, and adds none.
    void this.#newTrees.then(takeIn).then(tell);
    return stream as Listing;
  }

  /**
   * Watches a directory that has just come to one that is watched, and all below it. `onDirectory` is called for each, right before.
   * Resolves, in the same turn of the event loop where they are few, to whether all of them are watched by now and none had been
   * known before: whoever looks at them from then on misses nothing, since each was listed after it was watched. Never rejects.
   */
  async takeInNew(path: string, onDirectory: (path: string) => void): Promise<boolean> {
    const stats = stateOf(path);
    if (stats?.isDirectory() !== true || this.isIgnored(path, stats)) return false;
    const top = { path, fullPath: path, basename: basename(path), stats };
    const pass = this.#takeIn([top], onDirectory);
    this.#newTrees = this.#newTrees.then(() => pass);
    return pass;
  }

  /** Watches these directories and all below them that are not watched yet. Resolves as takeInNew does. Never rejects. */
  async #takeIn(
    directories: readonly Listed[],
    onDirectory: (path: string, stats: Stats) => void,
  ): Promise<boolean> {
    const waiting = [...directories];
    let allAreNew = true;
    let sliceEnd = performance.now() + sliceMs;
    for (let next = waiting.pop(); next !== undefined && !this.closed; next = waiting.pop()) {
      const siblings = this.tree.getDirectory(dirname(next.fullPath));
      if (siblings.has(next.basename)) {
        allAreNew = false;
        continue;
      }
      siblings.add(next.basename);
      onDirectory(next.fullPath, next.stats);
      this.#takeInOne(next.fullPath, next.stats);
      const below = this.#directoriesIn(next.fullPath);
      allAreNew &&= below !== undefined;
      for (const one of below ?? []) waiting.push(one);
      if (performance.now() < sliceEnd) continue;
      await nextTurn();
      sliceEnd = performance.now() + sliceMs;
    }
    return allAreNew && !this.closed;
  }

  /** What chokidar does for a directory that it found, with the state by which it will tell that it was replaced. */
  #takeInOne(path: string, stats: Stats): void {
    const generation = this.capturePathGeneration();
    this.tree.getDirectory(path);
    this.tree.recordObserved(path, stats, 'add', undefined, false, true);
    const closer = this.handler.subscribePath(
      path,
      (candidate, _stats, trigger) => {
        if (trigger.kind !== 'native' || !this.isPathGenerationActive(candidate, generation)) return;
        const helper = this.createHelper(path);
        helper.pathGeneration = generation;
        return this.handler.reconcileNativeTrigger(path, helper, trigger, candidate, 1);
      },
      stats,
      true,
      path,
    );
    if (closer !== undefined) this.addPathCloser(path, closer);
  }

  /** The directories in one that is watched by now, less those that are to be ignored; undefined where chokidar finds them. */
  #directoriesIn(path: string): Listed[] | undefined {
    // After the watch: a directory that is made from here on is told by it.
    const stats = stateOf(path);
    if (stats === undefined) {
      // It is gone since it was listed, and the event of that may have come before anybody knew of it.
      this.emit('unlinkDir', path);
      return undefined;
    }
    if (!stats.isDirectory() || this.#leaves.isLeaf(path, stats)) return [];
    const listed = directoriesIn(path);
    if (listed !== undefined) return listed.filter((one) => !this.isIgnored(one.fullPath, one.stats));
    const helper = this.createHelper(path);
    void this.lifecycle.track(
      Promise.resolve(this.handler.readDirectory(path, true, helper, undefined, path, 1)),
    );
    return undefined;
  }
}

/** The directories in a directory with their states; undefined where it cannot be listed. */
function directoriesIn(root: string): Listed[] | undefined {
  let entries: Dirent[];
  try {
    entries = readdirSync(root, { withFileTypes: true });
  } catch {
    return undefined;
  }
  const found: Listed[] = [];
  for (const entry of entries) {
    if (isOther(entry)) continue;
    const fullPath = join(resolve(root), entry.name);
    const stats = stateOf(fullPath);
    if (stats?.isDirectory()) found.push({ path: entry.name, fullPath, basename: entry.name, stats });
  }
  return found;
}

/** Some file systems tell no types: then none of these is true. */
function isOther(entry: Dirent): boolean {
  return (
    entry.isFile() ||
    entry.isSymbolicLink() ||
    entry.isFIFO() ||
    entry.isSocket() ||
    entry.isCharacterDevice() ||
    entry.isBlockDevice()
  );
}

/** Undefined where it is gone or cannot be reached: the walk that follows an event reports that. */
function stateOf(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
