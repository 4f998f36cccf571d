import type { ReplicaPath } from '../core/path.ts';
import type { PushOutcome } from './session.ts';

/** Who waits for the outcome of the next push of a path. */
export class Awaited {
  readonly #waiting = new Map<ReplicaPath, ((outcome: PushOutcome) => void)[]>();

  add(path: ReplicaPath, onOutcome: ((outcome: PushOutcome) => void) | undefined): void {
    if (onOutcome === undefined) return;
    this.#waiting.set(path, [...(this.#waiting.get(path) ?? []), onOutcome]);
  }

  tell(path: ReplicaPath, outcome: PushOutcome): void {
    const told = this.#waiting.get(path);
    this.#waiting.delete(path);
    for (const tell of told ?? []) tell(outcome);
  }

  /** No push will come any more: the session is gone, or replication is halted. */
  lose(): void {
    for (const path of [...this.#waiting.keys()]) this.tell(path, { kind: 'lost' });
  }
}
