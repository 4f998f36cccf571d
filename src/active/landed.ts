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
  readonly #replicator: Pick<Replicator, 'hear' | 'idle'>;
  readonly #sent = new Map<ReplicaPath, Promise<PushOutcome>>();
  readonly #meanwhile = new Map<ReplicaPath, Promise<PushOutcome>>();

  constructor(replicator: Pick<Replicator, 'hear' | 'idle'>) {
    this.#replicator = replicator;
  }

  /** The reconcile sends the path by this. */
  sent(path: ReplicaPath, send: (onOutcome: OnOutcome) => void): void {
    this.#sent.set(path, new Promise(send));
  }

  /** The path is on its way already. */
  onItsWay(path: ReplicaPath): void {
    this.#meanwhile.set(path, new Promise((onOutcome) => this.#replicator.hear(path, onOutcome)));
  }

  /**
   * Resolves when all is answered. `converged`: how many paths were seen to be the same on both nodes; `answered`: pushes whose
   * answers came while the reconcile was under way.
   */
  async landed(converged: number, answered: ReadonlyMap<ReplicaPath, PushOutcome>): Promise<Landed> {
    const others = [...answered].filter(([path]) => !this.#sent.has(path) && !this.#meanwhile.has(path));
    const sent = await Promise.all(this.#sent.values());
    const meanwhile = [...(await this.#heard()), ...others.map(([, outcome]) => outcome)];
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
