/**
 * Suspects that the kernel dropped events. When the queue of an inotify instance overflows, the kernel
 * says so, but Node's watcher does not pass it on. Node reads that queue until it is empty within one turn of the event
 * loop (uv__inotify_read of libuv), so a queue that was full shows as that many events in one turn; as many in several turns
 * were never in it together. What comes near its length in one turn counts as a possible loss. Times are milliseconds on
 * any scale that does not run backwards.
 */

export type BurstOptions = {
  /** Length of the kernel's queue, events. */
  readonly queueLength: number;
  /** A suspect burst is over after a pause this long; default 200. */
  readonly calmMs?: number;
  /** A burst that does not end is reported this long after it became suspect; default 10,000. */
  readonly patienceMs?: number;
};

export class BurstMeter {
  readonly #limit: number;
  readonly #calmMs: number;
  readonly #patienceMs: number;
  #events = 0;
  #lastAt = Number.NEGATIVE_INFINITY;
  #suspectSince: number | undefined;

  constructor(options: BurstOptions) {
    // Half: events of directories that are not watched any more are not counted.
    this.#limit = options.queueLength / 2;
    this.#calmMs = options.calmMs ?? 200;
    this.#patienceMs = options.patienceMs ?? 10_000;
  }

  /** Counts one event. Returns true for the one that made the burst suspect. */
  count(now: number): boolean {
    this.#events += 1;
    this.#lastAt = now;
    if (this.#suspectSince !== undefined || this.#events <= this.#limit) return false;
    this.#suspectSince = now;
    return true;
  }

  /** The event loop has come round: what comes from now on waits in a queue that was empty. */
  turnEnded(): void {
    this.#events = 0;
  }

  /** When to ask isOver next; undefined while no burst is suspect. */
  checkAt(): number | undefined {
    if (this.#suspectSince === undefined) return undefined;
    return Math.min(this.#lastAt + this.#calmMs, this.#suspectSince + this.#patienceMs);
  }

  /** True once for each suspect burst, when it has calmed or lasted too long. */
  isOver(now: number): boolean {
    const at = this.checkAt();
    if (at === undefined || now < at) return false;
    this.#suspectSince = undefined;
    return true;
  }
}
