import { Failure } from '../../core/failure.ts';
import type { ReplicaPath } from '../../core/path.ts';
import { Edits } from '../../passive/edits.ts';
import { IntentStore } from '../../state/intents.ts';
import { Ledger } from '../../state/ledger.ts';
import type { Hint } from '../../watch/hint.ts';
import type { WatchProblem } from '../../watch/watcher.ts';
import { openTree } from '../compose-active.ts';
import { forgetConflictOfMany, isInConflict, rememberConflict } from '../known-conflicts.ts';
import type { Node } from '../node.ts';
import { Nap } from './nap.ts';

/** How often everything is looked at when not everything can be watched, milliseconds. */
const degradedWalkMs = 10_000;
/** How soon after the last look what was seen is written where receivers can read it, milliseconds. */
const keepSeenMs = 200;

/**
 * What the daemon of a passive node does: it notices what somebody changes here, writes it down, and tells
 * the receiver of the active's session, which tells the active. Places nothing itself.
 */
export class PassiveSide {
  /** The node that this one follows, as far as it knows. */
  readonly active: string | undefined;
  readonly #node: Node;
  readonly #edits: Edits | undefined;
  readonly #onEdits: (paths: ReplicaPath[]) => void;
  readonly #nap = new Nap();
  #told: ReplicaPath[] = [];
  #problem: WatchProblem | undefined;
  #interval: NodeJS.Timeout | undefined;
  #keeping: NodeJS.Timeout | undefined;

  /** `onEdits` hears of paths that were edited, or are as agreed again. */
  constructor(node: Node, onEdits: (paths: ReplicaPath[]) => void) {
    this.#node = node;
    this.#onEdits = onEdits;
    node.cache.askOthers();
    this.active = node.facts.get('active')?.value;
    this.#edits = this.active === undefined ? undefined : this.#openEdits(this.active);
  }

  get degraded(): WatchProblem | undefined {
    return this.#problem;
  }

  start(): void {
    this.#edits?.walk('/' as ReplicaPath);
    if (this.#problem === undefined) this.#walkEvery(this.#node.config.reconcileMinutes * 60_000);
  }

  async stop(): Promise<void> {
    clearInterval(this.#interval);
    clearTimeout(this.#keeping);
    await this.#edits?.stop();
  }

  hint(hint: Hint): void {
    this.#edits?.hint(hint);
  }

  /** A receiver places files here. */
  placing(): void {
    this.#nap.take();
  }

  problem(problem: WatchProblem): void {
    this.#problem = problem;
    this.#node.log({ kind: 'watch-failed', detail: problem.detail, hint: problem.hint });
    this.#walkEvery(degradedWalkMs);
  }

  #walkEvery(periodMs: number): void {
    clearInterval(this.#interval);
    this.#interval = setInterval(() => this.#edits?.walk('/' as ReplicaPath), periodMs);
    this.#interval.unref();
  }

  #openEdits(active: string): Edits {
    const { config, conflicts, database, watchlists } = this.#node;
    const tree = openTree(this.#node);
    const ledger = new Ledger(database, { peer: active, mode: 'memory', now: Date.now });
    const intents = new IntentStore(database, active);
    return new Edits({
      agreed: {
        get size() {
          return ledger.size;
        },
        refresh: () => void ledger.refresh(),
        get: (path) => ledger.get(path),
        intended: (path) => intents.get(path),
        below: (path) => ledger.below(path),
      },
      includes: (path) => watchlists.includes(path),
      look: (paths, onSeen) => tree.look(paths, onSeen),
      resembles: (path, entry) => tree.resembles(path, entry),
      walk: (options) => tree.walk(options),
      known: (path) => (isInConflict(this.#node, active, path) ? conflicts.at(active, path) : undefined),
      onRecord: (path, conflict) => {
        const agreed = ledger.get(path);
        const found = { path, ...conflict, ...(agreed === undefined ? {} : { agreed }) };
        rememberConflict(this.#node, active, found, config.node);
        this.#tell(path);
      },
      onRest: () => this.#keepSeenSoon(),
      onClear: (path) => {
        forgetConflictOfMany(this.#node, active, path);
        this.#tell(path);
      },
      now: Date.now,
      deleteHoldMs: config.settle.deleteHoldMs,
      maxWaitMs: config.settle.maxWaitMs,
    });
  }

  /** Receivers read what this process writes, and need not read those files again. */
  #keepSeenSoon(): void {
    this.#keeping ??= setTimeout(() => {
      this.#keeping = undefined;
      this.#keepSeen();
    }, keepSeenMs);
    this.#keeping.unref();
  }

  #keepSeen(): void {
    try {
      this.#node.cache.commit();
    } catch (error) {
      // Then those files are read once more, as on a full disk; what counts will say so itself.
      if (!(error instanceof Failure)) throw error;
    }
  }

  /** Those of one turn of the event loop together. */
  #tell(path: ReplicaPath): void {
    this.#told.push(path);
    if (this.#told.length > 1) return;
    setImmediate(() => {
      const paths = this.#told;
      this.#told = [];
      this.#onEdits(paths);
    });
  }
}
