import type { Entry } from '../core/entry.ts';
import type { ReplicaPath } from '../core/path.ts';
import type { VersionReason } from '../state/version.ts';

/** What placing displaced, to be kept as a version. */
export type Displaced = {
  /** Full path of where it is now. */
  readonly from: string;
  readonly path: ReplicaPath;
  readonly entry: Exclude<Entry, { kind: 'absent' }>;
  readonly reason: VersionReason;
  /** Of a file as it was found to be `entry`, while nobody had it open for writing. Default: only reading it tells. */
  readonly stamp?: string | undefined;
};

/** Keeps all that was displaced and consumes it. Answers in their order why not; then it is where it was. */
export type KeepVersions = (all: readonly Displaced[]) => readonly (Error | undefined)[];

/** As KeepVersions, of one; throws why not. */
export type KeepVersion = (displaced: Displaced) => void;

export function keepOneBy(keepVersions: KeepVersions): KeepVersion {
  return (displaced) => {
    const [failure] = keepVersions([displaced]);
    if (failure !== undefined) throw failure;
  };
}
