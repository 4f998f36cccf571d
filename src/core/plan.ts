import { type Entry, identicalEntry, sameEntry } from './entry.ts';
import type { ReplicaPath } from './path.ts';

/** A path, the entry the sender expects on the other side, and the entry to put there. */
export type Push = { readonly path: ReplicaPath; readonly expect: Entry; readonly put: Entry };

export type ConflictKind =
  | 'edited-on-passive'
  | 'edited-on-both'
  /** Never agreed on, present on both and different: a person decides by `resync`. */
  | 'first-sync';

export type Plan =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'push'; readonly expect: Entry; readonly put: Entry };

/**
 * What the active sends for one path when it knows its own disk only. The agreed entry is what the
 * peer should hold; whether it still does is for the peer's admit to see.
 */
export function planPush(agreed: Entry, observed: Entry): Plan {
  if (identicalEntry(agreed, observed)) return { kind: 'nothing' };
  return { kind: 'push', expect: agreed, put: observed };
}

export type Verdict =
  /** Both disks hold the same: remember it, send nothing. */
  | { readonly kind: 'agree' }
  | { readonly kind: 'push'; readonly expect: Entry; readonly put: Entry }
  | { readonly kind: 'conflict'; readonly conflict: ConflictKind };

/**
 * What a full reconcile does for one path. `agreed` is undefined where the nodes never agreed on it.
 * A path that is absent on the passive and never agreed on cannot lose anything there, so it is pushed.
 */
export function reconcile(agreed: Entry | undefined, active: Entry, passive: Entry): Verdict {
  if (identicalEntry(active, passive)) return { kind: 'agree' };

  // Only the mtime differs, which is no content: the active's is carried over.
  if (sameEntry(active, passive)) return { kind: 'push', expect: passive, put: active };
  if (agreed === undefined) {
    if (passive.kind === 'absent') return { kind: 'push', expect: passive, put: active };
    if (active.kind === 'absent') return { kind: 'conflict', conflict: 'edited-on-passive' };
    return { kind: 'conflict', conflict: 'first-sync' };
  }
  if (sameEntry(passive, agreed)) return { kind: 'push', expect: passive, put: active };
  if (sameEntry(active, agreed)) return { kind: 'conflict', conflict: 'edited-on-passive' };
  return { kind: 'conflict', conflict: 'edited-on-both' };
}
