import { execFileSync } from 'node:child_process';

/** A file system mounted for a test, gone when its scope ends, whoever still uses it. */
export class Mount implements Disposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** A file system in memory. `options`: as mount(8) takes them, such as `size=2m`. */
  static inMemory(folder: string, options: string): Mount {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `mode=755,${options}`, 'bm-confsync-test', folder]);
    return new Mount(folder);
  }

  /** A folder over itself, so that it can be made read-only. */
  static bind(folder: string): Mount {
    execFileSync('mount', ['--bind', folder, folder]);
    return new Mount(folder);
  }

  remount(how: 'ro' | 'rw'): void {
    execFileSync('mount', ['-o', `remount,bind,${how}`, this.#folder]);
  }

  [Symbol.dispose](): void {
    execFileSync('umount', ['--lazy', this.#folder]);
  }
}
