import type { ReplicaPath } from '../core/path.ts';
import type { PushOutcome } from './session.ts';

export type OnOutcome = (outcome: PushOutcome) => void;

const nobody: readonly OnOutcome[] = [];

/** Who waits for the outcome of the next push of a path that is planned, or of whichever push of it is answered first. */
export class Awaited {
  readonly #waiting = new Map<ReplicaPath, OnOutcome[]>();
  readonly #hearing = new Map<ReplicaPath, OnOutcome>();

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

  /** To be told of the next answer, be it to a push that is on its way already. Of one who does so for a path, the last counts. */
  hear(path: ReplicaPath, onOutcome: OnOutcome): void {
    this.#hearing.set(path, onOutcome);
  }

  heard(path: ReplicaPath, outcome: PushOutcome): void {
    const tell = this.#hearing.get(path);
    if (tell === undefined) return;
    this.#hearing.delete(path);
    tell(outcome);
  }

  tell(path: ReplicaPath, outcome: PushOutcome): void {
    for (const tell of this.take(path)) tell(outcome);
    this.heard(path, outcome);
  }

  /** No push will come any more: the session is gone, or replication is halted. */
  lose(): void {
    for (const path of [...this.#waiting.keys(), ...this.#hearing.keys()]) this.tell(path, { kind: 'lost' });
  }
}
