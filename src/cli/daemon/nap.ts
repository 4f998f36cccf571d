import { blockThread } from '../../files/block-thread.ts';

/** About what a receiver takes to place a file, milliseconds. */
const napMs = 5;

/**
 * Holds the whole process up for a moment, once in a turn of the event loop, for when the receiver next to it places a file:
 * each step of that is an event, and a process that wakes for every one takes a processor and its caches from the one that is
 * waited for. What happened meanwhile is read at once afterwards.
 */
export class Nap {
  readonly #sleep: (ms: number) => void;
  #isTaken = false;

  constructor(sleep: (ms: number) => void = blockThread) {
    this.#sleep = sleep;
  }

  /** Returns in 5 ms, or at once where one was taken in this turn of the event loop. */
  take(): void {
    if (this.#isTaken) return;
    this.#isTaken = true;
    this.#sleep(napMs);
    setImmediate(() => {
      this.#isTaken = false;
    });
  }
}
