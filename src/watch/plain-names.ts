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

  /** `isPlain`: there is no directory, nor was there one that is watched. */
  note(name: string, isPlain: boolean): void {
    if (!isPlain) {
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
