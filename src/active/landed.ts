import type { ReplicaPath } from '../core/path.ts';
import type { OnOutcome } from './awaited.ts';
import type { Replicator } from './replicator.ts';
import type { PushOutcome } from './session.ts';

/** Paths by what became of them; `converged` were the same on both nodes, `held` could not be sent or placed. */
export type Landed = {
  readonly converged: number;
  readonly pushed: number;
  readonly conflicts: number;
  readonly held: number;
};

/**
 * What becomes of the paths that a full reconcile found to differ: of those that it sends, and of those that a change
 * took up by itself meanwhile.
 */
export class Landing {
  readonly #replicator: Pick<Replicator, 'hear' | 'idle' | 'isBusy'>;
  readonly #answered: ReadonlyMap<ReplicaPath, PushOutcome>;
  readonly #sent = new Map<ReplicaPath, Promise<PushOutcome>>();
  readonly #meanwhile = new Map<ReplicaPath, Promise<PushOutcome>>();

  /** `answered`: pushes whose answers come while the reconcile is under way. */
  constructor(
    replicator: Pick<Replicator, 'hear' | 'idle' | 'isBusy'>,
    answered: ReadonlyMap<ReplicaPath, PushOutcome>,
  ) {
    this.#replicator = replicator;
    this.#answered = answered;
  }

  /** The reconcile sends the path by this. */
  sent(path: ReplicaPath, send: (onOutcome: OnOutcome) => void): void {
    this.#sent.set(path, new Promise(send));
  }

  /** Leaves the path to a change that took it up already. False where none did. */
  leave(path: ReplicaPath): boolean {
    if (!this.#replicator.isBusy(path)) return false;
    this.#meanwhile.set(path, new Promise((onOutcome) => this.#replicator.hear(path, onOutcome)));
    return true;
  }

  /** Both nodes hold the same, whatever the answer to a push says that is on its way. */
  converged(path: ReplicaPath): void {
    this.#meanwhile.set(path, Promise.resolve({ kind: 'already-there' }));
  }

  /** Resolves when all is answered. `converged`: how many other paths were seen to be the same on both nodes. */
  async landed(converged: number): Promise<Landed> {
    const isCounted = (path: ReplicaPath): boolean => this.#sent.has(path) || this.#meanwhile.has(path);
    const others = [...this.#answered].filter(([path]) => !isCounted(path)).map(([, outcome]) => outcome);
    const sent = await Promise.all(this.#sent.values());
    const meanwhile = [...(await this.#heard()), ...others];
    const all = [...sent, ...meanwhile];
    return {
      converged: converged + of(meanwhile, 'already-there'),
      pushed: of(all, 'applied') + of(sent, 'already-there'),
      conflicts: of(all, 'conflict'),
      held: of(all, 'refused', 'lost', 'changed'),
    };
  }

  /** What is still being written gets no answer yet, and is counted as nothing. */
  async #heard(): Promise<readonly PushOutcome[]> {
    if (this.#meanwhile.size === 0) return [];
    const over = this.#replicator.idle().then(() => undefined);
    const outcomes = [...this.#meanwhile.values()].map((outcome) => Promise.race([outcome, over]));
    return (await Promise.all(outcomes)).filter((outcome) => outcome !== undefined);
  }
}

function of(outcomes: readonly PushOutcome[], ...kinds: PushOutcome['kind'][]): number {
  return outcomes.filter(({ kind }) => kinds.includes(kind)).length;
}
