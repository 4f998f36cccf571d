import { closeSync, constants, lstatSync, openSync } from 'node:fs';
import { nameOf, parentOf, type ReplicaPath } from '../core/path.ts';
import { errnoCode } from './errno.ts';

/** A directory reached without following any link below the root. */
export type OpenDirectory = {
  readonly ok: true;
  readonly fd: number;
  /** The path of a child that leads through the descriptor. */
  child(name: string): string;
};

export type NotOpened = {
  readonly ok: false;
  readonly reason: 'parent-missing' | 'not-confined' | 'permission' | 'io';
  readonly detail: string;
};

const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/**
 * Opens directories one component after the other, each through the descriptor of the one before and
 * without following links, so that no link that is put in their place can lead elsewhere. The root itself is
 * the administrator's choice and may be reached through links.
 *
 * Descriptors stay open until `close`, for one batch, and are never closed before: whoever holds one may use
 * it. If somebody moves a directory away meanwhile, its descriptor still names that directory, which then
 * receives what was meant for it; nothing is ever redirected to another one.
 */
export class Directories implements Disposable {
  readonly #root: string;
  readonly #open = new Map<ReplicaPath, OpenDirectory>();
  /** Descriptors of directories that were removed or replaced: closed with the others. */
  #forgotten: number[] = [];

  constructor(root: string) {
    this.#root = root;
  }

  /** How many descriptors are held. */
  get size(): number {
    return this.#open.size + this.#forgotten.length;
  }

  /** The directory that holds the path. */
  parentOf(path: ReplicaPath): OpenDirectory | NotOpened {
    return this.open(parentOf(path));
  }

  /** The directory itself. */
  open(path: ReplicaPath): OpenDirectory | NotOpened {
    const known = this.#open.get(path);
    if (known !== undefined) return known;
    if (path === '/') return this.#openAt(path, this.#root, flags & ~constants.O_NOFOLLOW);
    const parent = this.open(parentOf(path));
    return parent.ok ? this.#openAt(path, parent.child(nameOf(path)), flags) : parent;
  }

  /** Drops what is known of a path and all below, after it was removed or replaced. */
  forget(path: ReplicaPath): void {
    for (const [known, directory] of this.#open) {
      if (known !== path && !known.startsWith(`${path}/`)) continue;
      this.#forgotten.push(directory.fd);
      this.#open.delete(known);
    }
  }

  /** Closes one directory that nobody uses any more, so that a long walk holds few descriptors. */
  release(path: ReplicaPath): void {
    const known = this.#open.get(path);
    if (known === undefined || path === '/') return;
    this.#open.delete(path);
    closeSync(known.fd);
  }

  close(): void {
    for (const { fd } of this.#open.values()) closeSync(fd);
    for (const fd of this.#forgotten) closeSync(fd);
    this.#open.clear();
    this.#forgotten = [];
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #openAt(path: ReplicaPath, full: string, how: number): OpenDirectory | NotOpened {
    try {
      const fd = openSync(full, how);
      const directory: OpenDirectory = { ok: true, fd, child: (name) => `/proc/self/fd/${fd}/${name}` };
      this.#open.set(path, directory);
      return directory;
    } catch (error) {
      return notOpened(path, full, errnoCode(error));
    }
  }
}

function notOpened(path: ReplicaPath, full: string, code: string): NotOpened {
  switch (code) {
    case 'ENOENT':
      return { ok: false, reason: 'parent-missing', detail: `expected the directory ${path}, found nothing` };
    case 'ELOOP':
    case 'ENOTDIR': {
      const link = lstatSync(full, { throwIfNoEntry: false })?.isSymbolicLink() === true;
      if (link)
        return {
          ok: false,
          reason: 'not-confined',
          detail: `expected the directory ${path}, found a symbolic link, which is never followed`,
        };
      return {
        ok: false,
        reason: 'parent-missing',
        detail: `expected the directory ${path}, found something else`,
      };
    }
    case 'EACCES':
    case 'EPERM':
      return { ok: false, reason: 'permission', detail: `may not open the directory ${path} (${code})` };
    default:
      return { ok: false, reason: 'io', detail: `cannot open the directory ${path} (${code})` };
  }
}
