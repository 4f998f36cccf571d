import { type Entry, sameEntry } from '../core/entry.ts';
import type { ReplicaPath } from '../core/path.ts';

/**
 * What was on its way when a link was lost. The peer may hold it although no ack came and neither ledger
 * says so: the receiver can die between placing a file and remembering it.
 */
export class Unacked {
  readonly #puts = new Map<ReplicaPath, Entry[]>();

  lost(path: ReplicaPath, put: Entry): void {
    this.#puts.set(path, [...(this.#puts.get(path) ?? []), put]);
  }

  /** The entry that was sent, if it is what the peer holds; it is settled with that. */
  take(path: ReplicaPath, passive: Entry): Entry | undefined {
    const sent = this.#puts.get(path)?.find((put) => sameEntry(put, passive));
    if (sent !== undefined) this.#puts.delete(path);
    return sent;
  }

  settle(path: ReplicaPath): void {
    this.#puts.delete(path);
  }

  /** Both trees were compared in full since: what was lost has been seen, but where they differ. */
  compared(differing: ReadonlySet<ReplicaPath>): void {
    for (const path of this.#puts.keys()) if (!differing.has(path)) this.#puts.delete(path);
  }
}
