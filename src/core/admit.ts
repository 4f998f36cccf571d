import { type Entry, identicalEntry, sameEntry } from './entry.ts';
import type { ConflictKind, Push } from './plan.ts';

export type Admission =
  /** The disk holds what is put: record the agreement, write nothing. */
  | { readonly kind: 'already-there' }
  /** The disk holds what is put but for a file's mtime. */
  | { readonly kind: 'touch' }
  /** The push replaces exactly what the sender or our own ledger knows. */
  | { readonly kind: 'apply'; readonly replaces: Entry }
  | { readonly kind: 'conflict'; readonly conflict: ConflictKind; readonly found: Entry };

/**
 * Decides about one push on the passive. `disk` was just observed, `agreed` is this node's own agreed
 * entry (undefined: never agreed). Session-wide refusals and confinement come before, see admitSender.
 *
 * If the verdict is `apply`, the disk was what the sender or the ledger expected; so no unseen byte is
 * ever overwritten.
 */
export function admitPush(push: Push, disk: Entry, agreed: Entry | undefined): Admission {
  // The sender may be replaying a push whose ack was lost. Agreeing twice is harmless.
  if (identicalEntry(disk, push.put)) return { kind: 'already-there' };
  if (sameEntry(disk, push.put)) return { kind: 'touch' };

  // There is work to do, and it is safe only if it replaces exactly what somebody knew to be here.
  if (sameEntry(disk, push.expect)) return { kind: 'apply', replaces: disk };
  if (agreed !== undefined && sameEntry(disk, agreed)) return { kind: 'apply', replaces: disk };

  // From here on the disk holds something that neither ledger has seen.
  // The sender only holds what it took for agreed: the edit is the passive's alone.
  if (sameEntry(push.put, push.expect)) {
    return { kind: 'conflict', conflict: 'edited-on-passive', found: disk };
  }
  if (agreed === undefined && push.expect.kind === 'absent') {
    return { kind: 'conflict', conflict: 'first-sync', found: disk };
  }
  return { kind: 'conflict', conflict: 'edited-on-both', found: disk };
}
