import { rmdirSync, unlinkSync } from 'node:fs';
import { absent, type Entry, sameEntry } from '../core/entry.ts';
import type { PathFailure } from '../core/failure.ts';
import { childOf, parentOf, type ReplicaPath } from '../core/path.ts';
import type { Directories } from '../files/confined.ts';
import { errnoFailure } from '../files/errno.ts';
import type { Observation } from '../files/observation.ts';
import { observeAt } from '../files/observe.ts';
import {
  exchangeBack,
  moveAside,
  moveBack,
  type Placement,
  placeStaged,
  type Renames,
  type Staged,
} from '../files/place.ts';
import type { AckResult, PushMessage } from '../wire/message.ts';
import { failureOf, type Operation, type Ready, refused, type VersionReason } from './operation.ts';

export type KeepVersion = (kept: {
  from: string;
  path: ReplicaPath;
  entry: Entry;
  reason: VersionReason;
}) => void;

export type SwapperOptions = {
  readonly directories: Directories;
  readonly keepVersion: KeepVersion;
  readonly renames: Renames;
};

/**
 * The compare-and-swap of placing: exchange, look at what was displaced, and if it is not what admit saw,
 * exchange back. What was displaced becomes a version. No unseen byte is ever overwritten.
 */
export class Swapper {
  readonly #options: SwapperOptions;

  constructor(options: SwapperOptions) {
    this.#options = options;
  }

  /** Puts one operation in place, or says why it is not. Nothing temporary stays behind. */
  place(operation: Ready): AckResult {
    const parent = operation.directories.parentOf(operation.push.path);
    if (parent.ok && parent.fd === operation.parentFd) {
      return operation.kind === 'remove' ? this.#remove(operation) : this.#swap(operation);
    }
    // Somebody moved the directory since its content was staged: its descriptor leads elsewhere now.
    if (operation.kind === 'staged') removeTemporary(operation.staged.temporary);
    return refused(parent.ok ? { reason: 'busy', detail: 'its directory was moved on this node' } : parent);
  }

  #swap(operation: Extract<Operation, { kind: 'staged' }>): AckResult {
    const { push, replaces, staged } = operation;
    const placement = placeStaged(staged, replaces, this.#options.renames);
    if (placement.kind !== 'placed') {
      removeTemporary(staged.temporary);
      return this.#notPlaced(push, staged, placement);
    }
    if (replaces.kind === 'directory') this.#options.directories.forget(push.path);
    if (placement.displaced === undefined) return { kind: 'applied' };
    const found = this.#lookBeside(push.path, staged);
    if (found.kind === 'entry' && sameEntry(found.entry, replaces)) {
      const failure = this.#retire(placement.displaced, push.path, found.entry, 'overwritten');
      if (failure === undefined) return { kind: 'applied' };
      const stuck = exchangeBack(staged, this.#options.renames);
      if (stuck === undefined) this.#dropOwn(push.path, staged, push.put);
      return refused(stuck ?? failure);
    }
    // Somebody saved the file between our look and the exchange. What they wrote goes back.
    const stuck = exchangeBack(staged, this.#options.renames);
    if (stuck !== undefined) return refused(stuck);
    this.#dropOwn(push.path, staged, push.put);
    return this.#changedMeanwhile(found);
  }

  #remove(operation: Extract<Operation, { kind: 'remove' }>): AckResult {
    const { push, replaces, names } = operation;
    if (replaces.kind === 'directory') {
      try {
        rmdirSync(names.target);
      } catch (error) {
        return refused(errnoFailure(error));
      }
      this.#options.directories.forget(push.path);
      return { kind: 'applied' };
    }
    const aside = moveAside(names, this.#options.renames);
    if (aside.kind === 'vanished') return { kind: 'already-there' };
    if (aside.kind !== 'placed') return this.#notPlaced(push, names, aside);
    const found = this.#lookBeside(push.path, names);
    if (found.kind === 'entry' && sameEntry(found.entry, replaces)) {
      const failure = this.#retire(names.temporary, push.path, found.entry, 'removed');
      if (failure === undefined) return { kind: 'applied' };
      const back = moveBack(names, this.#options.renames);
      return refused(typeof back === 'object' ? back : failure);
    }
    const back = moveBack(names, this.#options.renames);
    if (typeof back === 'object') return refused(back);
    if (back === 'occupied' && found.kind === 'entry')
      this.#retire(names.temporary, push.path, found.entry, 'interrupted');
    return this.#changedMeanwhile(back === 'occupied' ? lookAt(names.target, push.path) : found);
  }

  /** Keeps what was displaced and removes its temporary name. */
  #retire(from: string, path: ReplicaPath, entry: Entry, reason: VersionReason): PathFailure | undefined {
    try {
      if (entry.kind === 'directory') rmdirSync(from);
      else this.#options.keepVersion({ from, path, entry, reason });
      return undefined;
    } catch (error) {
      return errnoFailure(error);
    }
  }

  /** Removes what we had put in place for a moment, unless somebody wrote to it in that moment. */
  #dropOwn(path: ReplicaPath, staged: Staged, put: Entry): void {
    const own = this.#lookBeside(path, staged);
    if (own.kind === 'entry' && own.entry.kind !== 'absent' && !sameEntry(own.entry, put)) {
      this.#retire(staged.temporary, path, own.entry, 'interrupted');
    } else removeTemporary(staged.temporary);
  }

  #lookBeside(path: ReplicaPath, staged: Staged): Observation {
    return lookAt(staged.temporary, childOf(parentOf(path), staged.temporaryName));
  }

  #notPlaced(push: PushMessage, names: Staged, placement: Exclude<Placement, { kind: 'placed' }>): AckResult {
    if (placement.kind === 'failed') return refused(placement.failure);
    if (placement.kind === 'vanished')
      return this.#changedMeanwhile({ kind: 'entry', entry: absent, stamp: '' });
    return this.#changedMeanwhile(lookAt(names.target, push.path));
  }

  #changedMeanwhile(found: Observation): AckResult {
    if (found.kind !== 'entry') return refused(failureOf(found));
    return { kind: 'conflict', conflict: 'edited-on-both', found: found.entry };
  }
}

/** Looks where we placed, through the descriptor: the path may lead elsewhere by now. */
function lookAt(full: string, path: ReplicaPath): Observation {
  return observeAt(full, path, { maxFileSizeBytes: Number.MAX_SAFE_INTEGER, checkWriters: true });
}

/** Removes what has a temporary name; that it is gone already is as good. */
export function removeTemporary(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'EISDIR' || code === 'EPERM') rmdirSync(path);
    else if (code !== 'ENOENT') throw error;
  }
}
