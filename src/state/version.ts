import type { Entry } from '../core/entry.ts';
import type { ReplicaPath } from '../core/path.ts';
import type { OnDamaged } from './database.ts';
import { countColumn, entryColumn, pathColumn, textColumn, wordColumn } from './rows.ts';

const reasons = ['overwritten', 'removed', 'refused', 'interrupted'] as const;

/** Why a content was kept. */
export type VersionReason = (typeof reasons)[number];

/** What a version tells beside its entry. */
export type About = {
  readonly path: ReplicaPath;
  /** The sender's epoch. */
  readonly epoch: number;
  readonly reason: VersionReason;
  readonly peer: string;
  /** Milliseconds since 1970. */
  readonly now: number;
};

/** What was at a path before it was overwritten, removed or refused. */
export type Version = {
  /** Ten hexadecimal digits. */
  readonly id: string;
  readonly path: ReplicaPath;
  readonly entry: Entry;
  readonly epoch: number;
  readonly reason: VersionReason;
  readonly peer: string;
  /** Milliseconds since 1970. */
  readonly at: number;
};

/** The version that a row tells of; undefined, and told, where it is none. */
export function versionOf(
  row: Record<string, unknown>,
  onDamaged: OnDamaged | undefined,
): Version | undefined {
  const id = textColumn(row['id']);
  const path = pathColumn(row['path']);
  const entry = entryColumn(row['entry']);
  const reason = wordColumn(row['reason'], reasons);
  const peer = textColumn(row['peer']);
  if (id === undefined || !path || !entry || !reason || peer === undefined) {
    onDamaged?.({ table: 'version', key: String(row['id']), detail: 'not a version' });
    return undefined;
  }
  return {
    id,
    path,
    entry,
    epoch: countColumn(row['epoch']) ?? 0,
    reason,
    peer,
    at: countColumn(row['at']) ?? 0,
  };
}
