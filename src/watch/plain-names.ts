import { basename } from 'node:path';
import { isTemporaryName } from '../core/path.ts';

/** How long is relied on what was seen. Milliseconds. */
const rememberedMs = 500;

/**
 * Names on disk that were just seen to be no directories, so that chokidar need not look at them: it looks at everything
 * that an event names, and where that is gone already, as temporary files are, it reads the whole directory. Only for a
 * moment: should a later event be lost, chokidar still finds a directory there.
 */
export class PlainNames {
  readonly #names = new Set<string>();
  #timer: NodeJS.Timeout | undefined;

  has(name: string): boolean {
    return this.#names.has(name);
  }

  /**
   * What stands there; a directory that is still watched counts as one. What is absent may be a directory again before
   * the next event is read, but for our own temporary names.
   */
  note(name: string, found: 'directory' | 'other' | 'absent' | 'unknown'): void {
    if (found !== 'other' && !(found === 'absent' && isTemporaryName(basename(name)))) {
      this.#names.delete(name);
      return;
    }
    this.#names.add(name);
    this.#timer ??= setTimeout(() => this.clear(), rememberedMs).unref();
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#names.clear();
  }
}
