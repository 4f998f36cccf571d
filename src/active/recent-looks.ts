import type { FileEntry } from '../core/entry.ts';
import type { ReplicaPath } from '../core/path.ts';
import type { Observation } from '../files/observation.ts';

type RecentLook = {
  readonly seen: Extract<Observation, { kind: 'entry' }>;
  /** What the file held, where it was kept: good until the end of the turn. */
  readonly content: Buffer | undefined;
};

/** Bytes of contents that are kept at once. */
const mostKept = 8 * 1024 * 1024;
/** Bytes that lie in memory which is used again each turn: to get fresh memory takes longer than to fill it. */
const reusedBytes = 1024 * 1024;

/**
 * What was seen in this turn of the event loop, so that a changed file is opened and read once and not once for the
 * look, for the plan and for the push. A change after the look is told by an event of its own, as ever.
 */
export class RecentLooks {
  readonly #looks = new Map<ReplicaPath, RecentLook>();
  #keptBytes = 0;
  #reused: Buffer | undefined;

  add(path: ReplicaPath, look: RecentLook): void {
    // The next look at any path comes after this: both wait for the same phase of the event loop.
    if (this.#looks.size === 0) setImmediate(() => this.#forget());
    this.#looks.set(path, look);
  }

  get(path: ReplicaPath): RecentLook | undefined {
    return this.#looks.get(path);
  }

  /** A copy to be kept until the end of the turn; undefined where enough is kept already. */
  copyOf(bytes: Uint8Array): Buffer | undefined {
    const from = this.#keptBytes;
    const to = from + bytes.byteLength;
    if (to > mostKept) return undefined;
    this.#keptBytes = to;
    if (to > reusedBytes) return Buffer.from(bytes);
    this.#reused ??= Buffer.allocUnsafeSlow(reusedBytes);
    this.#reused.set(bytes, from);
    return this.#reused.subarray(from, to);
  }

  /** The bytes of this very entry, if they were kept. */
  contentOf(path: ReplicaPath, put: FileEntry): Buffer | undefined {
    const look = this.#looks.get(path);
    const { entry } = look?.seen ?? {};
    return entry?.kind === 'file' && entry.digest === put.digest ? look?.content : undefined;
  }

  #forget(): void {
    this.#looks.clear();
    this.#keptBytes = 0;
  }
}
