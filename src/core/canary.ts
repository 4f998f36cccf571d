import type { Entry } from './entry.ts';
import type { PathFailure } from './failure.ts';
import type { ReplicaPath } from './path.ts';

/**
 * The canary: a tiny file that the active writes now and then, and that goes the way of every change, from the watcher to
 * the ack of the passive. It is of no watchlist and no ledger; nothing of it is compared, kept or logged. No program
 * reads its folder, so that nobody is told of a change that is none.
 */
export const canaryFolder = '/var/lib/bm-confsync-canary' as ReplicaPath;

export const canaryPath = `${canaryFolder}/beat` as ReplicaPath;

/** A canary is not larger, so that it can be no way around the watchlists. Bytes. */
export const maxCanaryBytes = 256;

export function isCanary(path: string): boolean {
  return path === canaryPath;
}

/** For root alone, and nothing to be run: who may push may still not leave a program here. */
export const canaryMode = 0o600;

/** Why a push of the canary may not be placed; undefined for a small file in place of a small file or of nothing. */
export function canaryFault(put: Entry, disk: Entry): PathFailure | undefined {
  const wanted = `a file of at most ${maxCanaryBytes} bytes`;
  if (put.kind !== 'file' || put.size > maxCanaryBytes || put.mode !== canaryMode)
    return { reason: 'unsupported-type', detail: `expected the canary to be ${wanted} for root alone` };
  if (disk.kind === 'absent' || (disk.kind === 'file' && disk.size <= maxCanaryBytes)) return undefined;
  const found = disk.kind === 'file' ? `one of ${disk.size}` : `a ${disk.kind}`;
  return { reason: 'unsupported-type', detail: `expected ${wanted} at ${canaryPath}, found ${found}` };
}

/**
 * Why no canary arrives: the watcher did not tell of it, the peer was sent it and does not answer, or the peer refuses
 * it.
 */
export type SilenceCause = 'unnoticed' | 'unanswered' | 'refused';

/** So many canaries without an ack are a silence: one alone may have met a busy moment. */
export const beatsOfSilence = 3;

/** What is known of the canaries of one peer. Times are milliseconds of one clock. */
export type Beats = {
  /** Written since the last ack, and when the first of them was. */
  readonly missed: number;
  readonly since: number;
};

/** For how long no canary was acknowledged, milliseconds, where that is too long; undefined where all is well. */
export function silenceOf({ missed, since }: Beats, now: number): number | undefined {
  return missed >= beatsOfSilence ? now - since : undefined;
}

/** One more was written. */
export function missedOne(beats: Beats | undefined, now: number): Beats {
  return beats === undefined || beats.missed === 0
    ? { missed: 1, since: now }
    : { missed: beats.missed + 1, since: beats.since };
}
