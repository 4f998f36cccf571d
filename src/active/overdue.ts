export type OverdueOptions = {
  /** How long an answer may take when nothing else is heard either, milliseconds. */
  readonly deadlineMs: number;
  /** Since when the oldest answer is awaited, by `performance.now`; undefined where none is. */
  readonly waitingSince: () => number | undefined;
  /** When something was last heard, by the same clock. */
  readonly heardAt: () => number;
  readonly onOverdue: () => void;
};

/** Notices an answer that is overdue on a silent link. One timer, and only while something is awaited. */
export class Overdue {
  readonly #options: OverdueOptions;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: OverdueOptions) {
    this.#options = options;
  }

  /** Something is awaited from now on. */
  watch(): void {
    this.#timer ??= setTimeout(() => this.#look(), this.#options.deadlineMs / 2).unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    this.#timer = undefined;
    const { deadlineMs, waitingSince, heardAt, onOverdue } = this.#options;
    const since = waitingSince();
    if (since === undefined) return;
    const limit = performance.now() - deadlineMs;
    if (since <= limit && heardAt() <= limit) onOverdue();
    else this.watch();
  }
}
