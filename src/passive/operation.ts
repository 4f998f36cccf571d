import type { Entry } from '../core/entry.ts';
import type { PathFailure } from '../core/failure.ts';
import type { Observation } from '../files/observation.ts';
import type { Staged, StagedFile } from '../files/place.ts';
import type { AckResult, PushMessage } from '../wire/message.ts';

/** One admitted push on its way through a batch. */
export type Operation =
  /** Nothing left to do: the answer is known. */
  | { readonly kind: 'answered'; readonly push: PushMessage; readonly result: AckResult }
  /** Chunks of a large file are still coming. */
  | {
      readonly kind: 'receiving';
      readonly push: PushMessage;
      readonly replaces: Entry;
      readonly file: StagedFile;
      /** Bytes that are still to come. */
      left: number;
    }
  /** Complete under its temporary name. */
  | {
      readonly kind: 'staged';
      readonly push: PushMessage;
      readonly replaces: Entry;
      readonly staged: Staged;
      readonly parentFd: number;
    }
  | {
      readonly kind: 'remove';
      readonly push: PushMessage;
      readonly replaces: Entry;
      readonly names: Staged;
      readonly parentFd: number;
    };

/** Operations that can be put in place. */
export type Ready = Extract<Operation, { kind: 'staged' | 'remove' }>;

/** Why a content is kept on the passive. */
export type VersionReason = 'overwritten' | 'removed' | 'interrupted';

/** What an observation that gave no entry means as a refusal. */
export function failureOf(observation: Exclude<Observation, { kind: 'entry' }>): PathFailure {
  switch (observation.kind) {
    case 'failed':
      return observation.failure;
    case 'unstable':
      return { reason: 'busy', detail: 'a process on this node has it open for writing' };
    case 'unsupported':
      return { reason: 'unsupported-type', detail: `found a ${observation.type} on this node` };
  }
}

export function refused(failure: PathFailure): AckResult {
  return { kind: 'refused', reason: failure.reason, detail: failure.detail, epoch: 0 };
}
