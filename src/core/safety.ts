/** The guard against carrying a disaster over: a plan that would delete too much stops and waits. */

export type MassDeletionLimit = { readonly paths: number; readonly percent: number };

/**
 * Whether a plan with `deletions` out of `known` agreed paths is to be halted: it must exceed both the
 * number of paths and the percentage.
 */
export function isMassDeletion(deletions: number, known: number, limit: MassDeletionLimit): boolean {
  return deletions > limit.paths && deletions * 100 > known * limit.percent;
}

/** Whether a watched root that held paths is now empty or gone: an unmounted disk, most likely. */
export function isEmptiedRoot(knownBelow: number, presentBelow: number): boolean {
  return knownBelow >= 2 && presentBelow === 0;
}

export type Halt = {
  readonly reason: 'mass-deletion' | 'emptied-root' | 'split-brain';
  readonly detail: string;
  readonly since: number;
};
