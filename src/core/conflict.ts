import { absent, type Entry, type FileEntry, sameEntry } from './entry.ts';
import type { ConflictKind } from './plan.ts';

/** What is done about a conflict without asking a person. */
export type ConflictPolicy = 'hold' | 'active-wins' | 'newest-wins';

export type Settlement = 'hold' | 'take-active' | 'take-passive';

/**
 * What a policy says about a conflict. `newest-wins` compares the mtimes of two files, and only while the
 * clocks of the nodes agree (`clocksAgree`); whatever has no mtime to compare is held.
 */
export function settle(
  policy: ConflictPolicy,
  active: Entry,
  passive: Entry,
  clocksAgree: boolean,
): Settlement {
  switch (policy) {
    case 'hold':
      return 'hold';
    case 'active-wins':
      return 'take-active';
    case 'newest-wins': {
      if (!clocksAgree || active.kind !== 'file' || passive.kind !== 'file') return 'hold';
      const newer = compareTimes(active, passive);
      if (newer === 0) return 'hold';
      return newer > 0 ? 'take-active' : 'take-passive';
    }
  }
}

/** Whether two clocks are close enough to compare times across nodes. Milliseconds; undefined: not measured. */
export function clocksAgree(skewMs: number | undefined, limitMs: number): boolean {
  return skewMs !== undefined && Math.abs(skewMs) <= limitMs;
}

/** Positive where `a` was written later. `SECONDS.NANOSECONDS`, nine decimals, so that digits compare exactly. */
function compareTimes(a: FileEntry, b: FileEntry): number {
  const difference = nanoseconds(a.mtime) - nanoseconds(b.mtime);
  return difference > 0n ? 1 : difference < 0n ? -1 : 0;
}

function nanoseconds(mtime: string): bigint {
  const [seconds = '0', fraction = '0'] = mtime.split('.');
  return BigInt(seconds) * 1_000_000_000n + BigInt(fraction);
}

/** What is known of a conflict, as far as an edit on the passive bears on it. */
export type KnownConflict = {
  readonly kind: ConflictKind;
  readonly active: Entry;
  readonly passive: Entry;
};

export type EditVerdict =
  /** The disk is what was agreed, or what is known already. */
  | { readonly kind: 'nothing' }
  /** What was in conflict is gone. */
  | { readonly kind: 'clear' }
  | { readonly kind: 'record'; readonly conflict: KnownConflict };

/**
 * What the passive's own look at a path means. `agreed`: what the active is known to have put there
 * (undefined: never agreed). The active may have changed the path too, which only it knows; so a conflict it told of
 * keeps its kind and its active side.
 */
export function judgeEdit(
  agreed: Entry | undefined,
  disk: Entry,
  known: KnownConflict | undefined,
): EditVerdict {
  // What the active has may be pushed now: nothing here is in its way.
  if (sameEntry(disk, agreed ?? absent)) return { kind: known === undefined ? 'nothing' : 'clear' };
  if (known === undefined || known.kind === 'edited-on-passive') {
    const conflict = { kind: 'edited-on-passive', active: agreed ?? absent, passive: disk } as const;
    const same =
      known !== undefined && sameEntry(known.passive, disk) && sameEntry(known.active, conflict.active);
    return same ? { kind: 'nothing' } : { kind: 'record', conflict };
  }
  if (sameEntry(known.passive, disk)) return { kind: 'nothing' };
  if (sameEntry(known.active, disk)) return { kind: 'clear' };
  return { kind: 'record', conflict: { ...known, passive: disk } };
}
