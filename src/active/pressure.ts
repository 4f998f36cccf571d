import type { Session } from './session.ts';

export type PressureOptions = {
  readonly peers: () => readonly { readonly session: Pick<Session, 'congested' | 'writable'> | undefined }[];
  /** One of the peers takes more again. */
  readonly onRelief: () => void;
};

/**
 * Whether the peers take more. What is looked at while none of them does cannot be sent in the same turn of the event loop,
 * and would be read again, twice, once it can.
 */
export class Pressure {
  readonly #options: PressureOptions;
  #isAwaited = false;

  constructor(options: PressureOptions) {
    this.#options = options;
  }

  /** Whether none of the connected peers takes more; then `onRelief` is called once one does, or is connected no more. */
  isHigh(): boolean {
    const sessions = this.#options.peers().flatMap(({ session }) => session ?? []);
    if (sessions.length === 0 || !sessions.every(({ congested }) => congested)) return false;
    if (!this.#isAwaited) void this.#awaitRelief(sessions);
    return true;
  }

  async #awaitRelief(sessions: readonly Pick<Session, 'writable'>[]): Promise<void> {
    this.#isAwaited = true;
    await Promise.race(sessions.map((session) => session.writable()));
    this.#isAwaited = false;
    this.#options.onRelief();
  }
}
