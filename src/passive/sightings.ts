import type { Entry } from '../core/entry.ts';
import { HeldFile } from '../files/held.ts';
import type { Observation } from '../files/observation.ts';
import { tellsOfChanges } from '../files/observe.ts';
import type { PushMessage } from '../wire/message.ts';

/** From this size on it is cheaper to prove that a file did not change than to read it again. Bytes. */
const largeBytes = 256 * 1024;

/**
 * The stamps under which files were seen that pushes replace or remove, so that what is known of them need not be found out
 * by reading them again at each step: of large ones before they are displaced, of all once they are.
 */
export class Sightings {
  readonly #admitted = new WeakMap<PushMessage, string>();
  readonly #displaced = new WeakMap<PushMessage, string>();

  /** What a push replaces. `now`: from before the look, milliseconds since 1970. */
  admit(push: PushMessage, { entry, stamp }: Extract<Observation, { kind: 'entry' }>, now: number): void {
    if (isLarge(entry) && tellsOfChanges(stamp, now)) this.#admitted.set(push, stamp);
  }

  /** To be taken before what the push replaces is given another name; undefined where it has to be read after that. */
  hold(push: PushMessage, target: string): HeldFile | undefined {
    const stamp = this.#admitted.get(push);
    return stamp === undefined ? undefined : HeldFile.hold(target, stamp);
  }

  /** What was displaced was seen under its temporary name, while nobody had it open for writing. */
  displace(push: PushMessage, { entry, stamp }: Extract<Observation, { kind: 'entry' }>): void {
    if (entry.kind === 'file') this.#displaced.set(push, stamp);
  }

  stampOfDisplaced(push: PushMessage): string | undefined {
    return this.#displaced.get(push);
  }
}

function isLarge(entry: Entry): boolean {
  return entry.kind === 'file' && entry.size >= largeBytes;
}
