import { basename } from 'node:path';
import { parseReplicaPath, type ReplicaPath } from '../core/path.ts';

/** A path of fewer UTF-16 units is within the limit of bytes, whatever it is made of. */
const surelyShort = 1000;

/** Translates between paths on disk and replica paths below the configured root. */
export class Ground {
  /** The root without a `/` at its end: empty for `/`. */
  readonly #prefix: string;
  /** The directory on disk of the last good path. Events come in rows from one, so that only the name is new. */
  #directory: string | undefined;

  /** `root`: absolute, with all symbolic links resolved. */
  constructor(root: string) {
    this.#prefix = root === '/' ? '' : root;
  }

  onDisk(path: ReplicaPath): string {
    return path === '/' ? this.#prefix || '/' : this.#prefix + path;
  }

  /**
   * Undefined for what is not below the root, and for names that are not valid UTF-8: those are never
   * replicated, and a scan reports them.
   */
  fromDisk(path: string): ReplicaPath | undefined {
    const name = path.slice(path.lastIndexOf('/'));
    const directory = path.slice(0, path.length - name.length);
    if (directory === this.#directory && name.length > 1 && path.length < surelyShort)
      return parseReplicaPath(name).ok ? (path.slice(this.#prefix.length) as ReplicaPath) : undefined;
    if (path !== this.#prefix && !path.startsWith(`${this.#prefix}/`)) return undefined;
    const parsed = parseReplicaPath(path.slice(this.#prefix.length) || '/');
    if (parsed.ok && directory.length >= this.#prefix.length) this.#directory = directory;
    return parsed.ok ? parsed.path : undefined;
  }
}

/**
 * What an event of a watch on `directory` is about. Usually a child's name. For the directory's own
 * deletion, move or attributes the system gives the directory's own name, which a child may have as well:
 * then it is about both. Empty where the event has no name: it may be about anything in there.
 */
export function pathsMeant(directory: string, name: string | null): string[] {
  if (name === null || name === '') return [];
  if (name.startsWith('/')) return [name];
  const child = directory === '/' ? `/${name}` : `${directory}/${name}`;
  return name === basename(directory) ? [child, directory] : [child];
}

/** The directory whose watch an event comes from, by what chokidar tells with it. */
export function watchedPathOf(details: unknown): string | undefined {
  if (typeof details !== 'object' || details === null || !('watchedPath' in details)) return undefined;
  return typeof details.watchedPath === 'string' ? details.watchedPath : undefined;
}
