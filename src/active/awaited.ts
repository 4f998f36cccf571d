import type { ReplicaPath } from '../core/path.ts';
import type { PushOutcome } from './session.ts';

export type OnOutcome = (outcome: PushOutcome) => void;

const nobody: readonly OnOutcome[] = [];

/** Who waits for the outcome of the next push of a path that is planned. */
export class Awaited {
  readonly #waiting = new Map<ReplicaPath, OnOutcome[]>();

  add(path: ReplicaPath, onOutcome: OnOutcome | undefined): void {
    if (onOutcome === undefined) return;
    this.#waiting.set(path, [...(this.#waiting.get(path) ?? []), onOutcome]);
  }

  /** Those who waited until now: the outcome is theirs, and of nobody who comes later. */
  take(path: ReplicaPath): readonly OnOutcome[] {
    const taken = this.#waiting.get(path);
    if (taken === undefined) return nobody;
    this.#waiting.delete(path);
    return taken;
  }

  tell(path: ReplicaPath, outcome: PushOutcome): void {
    for (const tell of this.take(path)) tell(outcome);
  }

  /** No push will come any more: the session is gone, or replication is halted. */
  lose(): void {
    for (const path of [...this.#waiting.keys()]) this.tell(path, { kind: 'lost' });
  }
}
