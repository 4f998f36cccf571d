/** Well below the time after which a peer takes a silent link for broken. Milliseconds. */
const everyMs = 5000;

/** Tells the peer that the session is alive while something takes long. */
export class Heartbeat {
  readonly #beat: () => void;
  #running = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(beat: () => void) {
    this.#beat = beat;
  }

  /** Beats until the work is over, and answers what it answers. */
  async during<T>(work: Promise<T>): Promise<T> {
    this.#running += 1;
    this.#timer ??= setInterval(this.#beat, everyMs);
    try {
      return await work;
    } finally {
      this.#running -= 1;
      if (this.#running === 0) {
        clearInterval(this.#timer);
        this.#timer = undefined;
      }
    }
  }
}
