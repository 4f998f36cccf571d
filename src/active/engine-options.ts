import type { Log } from '../core/event.ts';
import type { Canaries } from './canary.ts';
import type { Tree } from './tree.ts';

export type EngineOptions = {
  readonly tree: Tree;
  readonly log: Log;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** How long a path must have been absent before its deletion is believed, milliseconds. */
  readonly deleteHoldMs: number;
  /** How long a file may be written in place before it counts as overdue, milliseconds. */
  readonly maxWaitMs: number;
  /** Between two full reconciles, milliseconds. */
  readonly reconcileMs: number;
  /** Between two walks when not everything can be watched, milliseconds. */
  readonly degradedWalkMs: number;
  /** Called after each full reconcile, when it is a good moment to write down what was seen. */
  readonly onIdle: () => void;
  readonly canaries: Canaries;
};
