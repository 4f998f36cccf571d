/** Tells when something has been so for long enough to be believed. Time is an argument, milliseconds. */
export class Hysteresis {
  readonly #holdMs: number;
  #candidate: { readonly value: boolean; since: number } | undefined;
  #settled: boolean | undefined;

  constructor(holdMs: number) {
    this.#holdMs = holdMs;
  }

  /** Takes a sample; answers the value that held without interruption, undefined until the first has. */
  sample(value: boolean, now: number): boolean | undefined {
    // A clock that was set back starts the period anew: nobody knows how long it has been.
    if (this.#candidate?.value !== value || now < this.#candidate.since)
      this.#candidate = { value, since: now };
    if (now - this.#candidate.since >= this.#holdMs) this.#settled = value;
    return this.#settled;
  }
}
