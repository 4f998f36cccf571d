import { basename } from 'node:path';
import { isTemporaryName } from '../core/path.ts';
import type { Kind } from './kind.ts';

/** How long is relied on what was seen. Milliseconds. */
const rememberedMs = 500;
/** How long a name counts as one that was a directory, at least: much longer than chokidar takes to watch it. Milliseconds. */
const directoryMs = 10_000;

/**
 * Names on disk that were just seen to be no directories, so that chokidar need not look at them: it looks at everything
 * that an event names, and where that is gone already, as temporary files are, it reads the whole directory. Only for a
 * moment: should a later event be lost, chokidar still finds a directory there.
 */
export class PlainNames {
  readonly #names = new Set<string>();
  /** Names that were directories, which chokidar may be about to watch: it has to hear that they are gone. */
  #directories = new Set<string>();
  #olderDirectories = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #directoriesTimer: NodeJS.Timeout | undefined;

  has(name: string): boolean {
    return this.#names.has(name);
  }

  /**
   * What stands there; a directory that is still watched counts as one. Where a directory was a short while ago chokidar
   * looks itself, but for our own temporary names. Should there be one again, an event of its own tells of it.
   */
  note(name: string, found: Kind): void {
    if (found === 'directory') this.#directories.add(name);
    const wasDirectory = this.#directories.has(name) || this.#olderDirectories.has(name);
    const gone = found === 'absent' && (isTemporaryName(basename(name)) || !wasDirectory);
    if (found !== 'other' && !gone) {
      this.#names.delete(name);
      this.#directoriesTimer ??= setTimeout(() => this.#ageDirectories(), directoryMs).unref();
      return;
    }
    this.#names.add(name);
    this.#timer ??= setTimeout(() => this.#forget(), rememberedMs).unref();
  }

  /** Forgets all names. */
  clear(): void {
    this.#forget();
    clearTimeout(this.#directoriesTimer);
    this.#directoriesTimer = undefined;
    this.#directories.clear();
    this.#olderDirectories.clear();
  }

  #forget(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#names.clear();
  }

  #ageDirectories(): void {
    this.#olderDirectories = this.#directories;
    this.#directories = new Set();
    const left = this.#olderDirectories.size > 0;
    this.#directoriesTimer = left ? setTimeout(() => this.#ageDirectories(), directoryMs).unref() : undefined;
  }
}
