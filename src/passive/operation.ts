import type { Entry } from '../core/entry.ts';
import type { PathFailure } from '../core/failure.ts';
import type { Directories } from '../files/confined.ts';
import type { Observation } from '../files/observation.ts';
import type { Staged, StagedFile } from '../files/place.ts';
import type { AckResult, PushMessage } from '../wire/message.ts';
import type { BaseFile } from './base.ts';
import type { NewTree } from './new-tree.ts';

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
      /** The file here that a delta refers to. */
      readonly base?: BaseFile;
      /** Its own, since batches are placed meanwhile, and `file` is reached through a descriptor of theirs. */
      readonly directories: Directories;
      readonly parentFd: number;
      /** Bytes that are still to come. */
      left: number;
      /** The push is answered with this already; its content is only received to be kept as a version. */
      readonly verdict?: AckResult;
    }
  /** Complete under its temporary name. */
  | {
      readonly kind: 'staged';
      readonly push: PushMessage;
      readonly replaces: Entry;
      readonly staged: Staged;
      /** The new tree that it is in, or the uppermost directory of. */
      readonly tree?: NewTree;
      /** Where it was staged, by these directories. */
      readonly parentFd: number;
      readonly directories: Directories;
    }
  | {
      readonly kind: 'remove';
      readonly push: PushMessage;
      readonly replaces: Entry;
      readonly names: Staged;
      readonly parentFd: number;
      readonly directories: Directories;
    };

/** Operations that can be put in place. */
export type Ready = Extract<Operation, { kind: 'staged' | 'remove' }>;
export type StagedOperation = Extract<Operation, { kind: 'staged' }>;
export type Receiving = Extract<Operation, { kind: 'receiving' }>;

export function isReady(operation: Operation): operation is Ready {
  return operation.kind === 'staged' || operation.kind === 'remove';
}

/** Whether it is a part of a new tree. */
export function isInTree(operation: Operation): operation is StagedOperation & { readonly tree: NewTree } {
  return operation.kind === 'staged' && operation.tree !== undefined;
}

export function notPlacedWith({ path }: NewTree): PathFailure {
  return {
    reason: 'busy',
    detail: `expected to come into place with the new directory ${path}, which did not`,
  };
}

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

export function refused(failure: PathFailure): Extract<AckResult, { kind: 'refused' }> {
  return { kind: 'refused', reason: failure.reason, detail: shortened(failure.detail), epoch: 0 };
}

/** Less than the protocol takes, UTF-16 units. */
const maxDetail = 2000;

/** A detail that the peer takes: one that names a very long path loses its middle. */
export function shortened(detail: string): string {
  const half = maxDetail / 2;
  return detail.length <= maxDetail ? detail : `${detail.slice(0, half)} ... ${detail.slice(-half)}`;
}

/** A push with nothing left to do. */
export function answer(push: PushMessage, result: AckResult): Operation {
  return { kind: 'answered', push, result };
}

/** Whether an answered push leaves its path as it was, against what the sender wants. */
export function isRefusal(result: AckResult): boolean {
  return result.kind === 'conflict' || result.kind === 'refused';
}

/** As isRefusal, of any operation. */
export function isRefusedAlready(operation: Operation): boolean {
  return operation.kind === 'answered' && isRefusal(operation.result);
}

/** Something was to be copied from a file here, and there is none. */
export function noBase(base: BaseFile | undefined): PathFailure | undefined {
  if (base !== undefined) return undefined;
  return { reason: 'need-content', detail: 'a push without a file to copy from had something to be copied' };
}

/** More content came than the push announced. */
export function tooMuch(push: PushMessage): PathFailure {
  const size = push.put.kind === 'file' ? push.put.size : 0;
  return { reason: 'digest-mismatch', detail: `expected ${size} bytes, received more` };
}
