import { opendirSync, rmdirSync } from 'node:fs';
import { isCanary } from '../core/canary.ts';
import { absent, type Entry, sameContent, sameEntry } from '../core/entry.ts';
import type { PathFailure } from '../core/failure.ts';
import { childOf, parentOf, type ReplicaPath } from '../core/path.ts';
import { type Directories, isSameDirectory } from '../files/confined.ts';
import { errnoCode, errnoFailure } from '../files/errno.ts';
import type { HeldFile } from '../files/held.ts';
import type { Observation } from '../files/observation.ts';
import { observeChild } from '../files/observe.ts';
import {
  exchangeBack,
  moveAside,
  moveBack,
  type Placement,
  placeStaged,
  type Renames,
  type Staged,
} from '../files/place.ts';
import type { VersionReason } from '../state/version.ts';
import type { AckResult } from '../wire/message.ts';
import { type Displaced, type KeepVersions, keepOneBy } from './displaced.ts';
import {
  failureOf,
  isInTree,
  notPlacedWith,
  type Operation,
  type Ready,
  refused,
  type StagedOperation,
} from './operation.ts';
import type { Sightings } from './sightings.ts';
import { discardAll, lookAfterWriters, lookAt, removeTemporary } from './temporary.ts';

export type SwapperOptions = {
  readonly directories: Directories;
  readonly keepVersions: KeepVersions;
  /** Whether our own content that met a conflict becomes a version too. */
  readonly keepsRefused: boolean;
  readonly renames: Renames;
  readonly sightings: Sightings;
};

type Removal = Extract<Operation, { kind: 'remove' }>;

export type Placed = {
  readonly results: ReadonlyMap<Ready, AckResult>;
  /** What is in place and displaced something that waits under its temporary name to be kept. */
  readonly waiting: readonly Ready[];
};

/** In place, and what it displaced, if anything, is what admit saw and waits under the temporary name. */
type Exchanged = AckResult | 'in-place';

/**
 * The compare-and-swap of placing: exchange, look at what was displaced, and if it is not what admit saw,
 * exchange back. What was displaced becomes a version. No unseen byte is ever overwritten.
 */
export class Swapper {
  readonly #options: SwapperOptions;

  constructor(options: SwapperOptions) {
    this.#options = options;
  }

  /**
   * Puts operations in place, in their order, or says why they are not. What they displace waits beside its target until
   * many can be kept together, but never where it is in the way of the next one. With `later` it is the caller's to
   * `retire` what waits still; otherwise nothing temporary stays behind, and what displaces something that cannot be
   * kept is taken back.
   */
  place(operations: readonly Ready[], keep: 'now' | 'later'): Placed {
    const results = new Map<Ready, AckResult>();
    let waiting = new Map<ReplicaPath, Ready>();
    const settle = (): void => {
      const ready = [...waiting.values()];
      waiting = new Map();
      for (const [index, failure] of this.retire(ready).entries()) {
        const operation = ready[index];
        if (operation !== undefined && failure !== undefined)
          results.set(operation, this.#giveBack(operation, failure));
      }
    };
    for (const operation of operations) {
      const { path } = operation.push;
      if (operation.replaces.kind === 'directory' || waiting.has(path)) settle();
      const exchanged = this.exchange(operation);
      results.set(operation, exchanged === 'in-place' ? { kind: 'applied' } : exchanged);
      if (exchanged === 'in-place' && operation.replaces.kind !== 'absent') waiting.set(path, operation);
    }
    // What is in a new tree goes before the directory that holds it.
    discardAll(operations.filter((operation) => isInTree(operation) && !operation.tree.isPlaced));
    if (keep === 'now') settle();
    return { results, waiting: [...waiting.values()] };
  }

  /**
   * The first half of `place`. Anything but `in-place` is final, and nothing temporary stays behind; otherwise
   * `retire` follows.
   */
  exchange(operation: Ready): Exchanged {
    const { push, directories, parentFd } = operation;
    if (isInTree(operation) && operation.tree.path !== push.path)
      return operation.tree.isPlaced ? 'in-place' : refused(notPlacedWith(operation.tree));
    const parent = directories.parentOf(push.path);
    // A new tree in which it was staged has been opened anew since it came into place.
    if (parent.ok && isSameDirectory(parent.fd, parentFd)) {
      return operation.kind === 'remove' ? this.#aside(operation) : this.#swap(operation);
    }
    // Somebody moved the directory since its content was staged: its descriptor leads elsewhere now.
    if (isInTree(operation)) operation.tree.settle(false);
    else if (operation.kind === 'staged') removeTemporary(operation.staged.temporary);
    return refused(parent.ok ? { reason: 'busy', detail: 'its directory was moved on this node' } : parent);
  }

  /**
   * The second half: keeps what was displaced and removes its temporary names. Answers in their order what failed: that
   * is there still.
   */
  retire(operations: readonly Ready[]): (PathFailure | undefined)[] {
    const failures = operations.map(removeWorthless);
    const kept = operations.flatMap((operation, index) => {
      const displaced = displacedBy(operation, this.#options.sightings.stampOfDisplaced(operation.push));
      return displaced === undefined ? [] : [{ index, displaced }];
    });
    const outcomes =
      kept.length === 0 ? [] : this.#options.keepVersions(kept.map(({ displaced }) => displaced));
    for (const [at, { index, displaced }] of kept.entries()) {
      const failure = outcomes[at];
      if (failure !== undefined) failures[index] = errnoFailure(failure, displaced.path);
    }
    return failures;
  }

  #swap(operation: StagedOperation): Exchanged {
    const { push, replaces, staged } = operation;
    // A directory that holds something must not go away, not even for the blink of an exchange.
    const full = replaces.kind === 'directory' ? fullDirectory(staged.target) : undefined;
    if (full !== undefined) {
      removeTemporary(staged.temporary);
      return refused(full);
    }
    using held = this.#options.sightings.hold(push, staged.target);
    const placement = placeStaged(staged, replaces, this.#options.renames);
    if (placement.kind !== 'placed') {
      operation.tree?.settle(false);
      const result = this.#notPlaced(push.path, staged.target, placement);
      this.#dropRefused(operation, result);
      return result;
    }
    if (replaces.kind === 'directory') this.#options.directories.forget(push.path);
    operation.tree?.settle(true);
    if (placement.displaced === undefined) return 'in-place';
    const found = this.#displacedBy(operation, staged, held);
    if (found.kind === 'entry' && sameEntry(found.entry, replaces)) return 'in-place';
    // Somebody saved the file between our look and the exchange. What they wrote goes back.
    const stuck = exchangeBack(staged, this.#options.renames);
    if (stuck !== undefined) return refused(stuck);
    const result = changedMeanwhile(found);
    this.#dropRefused(operation, result);
    return result;
  }

  #aside(operation: Removal): Exchanged {
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
    using held = this.#options.sightings.hold(push, names.target);
    const aside = moveAside(names, this.#options.renames);
    if (aside.kind === 'vanished') return { kind: 'already-there' };
    if (aside.kind !== 'placed') return this.#notPlaced(push.path, names.target, aside);
    const found = this.#displacedBy(operation, names, held);
    if (found.kind === 'entry' && sameEntry(found.entry, replaces)) return 'in-place';
    const back = moveBack(names, this.#options.renames);
    if (typeof back === 'object') return refused(back);
    if (back === 'occupied' && found.kind === 'entry')
      this.#keep(names.temporary, push.path, found.entry, 'interrupted');
    return changedMeanwhile(back === 'occupied' ? lookAt(names.target, push.path) : found);
  }

  /** What was displaced could not be kept, so it takes its place again. */
  #giveBack(operation: Ready, failure: PathFailure): AckResult {
    if (operation.kind === 'remove') {
      const back = moveBack(operation.names, this.#options.renames);
      return refused(typeof back === 'object' ? back : failure);
    }
    const stuck = exchangeBack(operation.staged, this.#options.renames);
    if (stuck === undefined) this.#dropOwn(operation, undefined);
    return refused(stuck ?? failure);
  }

  #keep(from: string, path: ReplicaPath, entry: Entry, reason: VersionReason): PathFailure | undefined {
    try {
      if (entry.kind === 'directory') rmdirSync(from);
      else if (isCanary(path)) removeTemporary(from);
      else if (entry.kind !== 'absent') keepOneBy(this.#options.keepVersions)({ from, path, entry, reason });
      return undefined;
    } catch (error) {
      return errnoFailure(error);
    }
  }

  /** Our content that met a conflict is kept as a version, unless the same bytes are on the disk. */
  #dropRefused(operation: StagedOperation, result: AckResult): void {
    const { put } = operation.push;
    const conflict = this.#options.keepsRefused && result.kind === 'conflict' ? result : undefined;
    const lost = conflict !== undefined && put.kind === 'file' && !sameContent(conflict.found, put);
    this.#dropOwn(operation, lost ? 'refused' : undefined);
  }

  /**
   * Removes what we had in place, or nearly so, unless somebody wrote to it meanwhile or it is to be kept. A new tree is removed
   * as a whole, see `place`.
   */
  #dropOwn({ push, staged, tree }: StagedOperation, reason: VersionReason | undefined): void {
    if (tree !== undefined) return;
    const beside = childOf(parentOf(push.path), staged.temporaryName);
    const own = lookAfterWriters(staged.temporary, beside);
    // Somebody writes to it still, or it cannot be read: it stays under its temporary name for the sweep to keep.
    if (own.kind !== 'entry') return;
    const ours = own.entry.kind === 'absent' || sameEntry(own.entry, push.put);
    const keepAs = ours ? reason : 'interrupted';
    if (keepAs === undefined || own.entry.kind === 'absent') return removeTemporary(staged.temporary);
    if (this.#keep(staged.temporary, push.path, own.entry, keepAs) !== undefined && ours)
      removeTemporary(staged.temporary);
  }

  /** What has the temporary name now, of which a file that was held need not be read again. */
  #displacedBy({ push, replaces }: Ready, names: Staged, held: HeldFile | undefined): Observation {
    const { sightings } = this.#options;
    const known = replaces.kind === 'file' ? held?.movedTo(names.temporary, replaces) : undefined;
    if (known !== undefined) {
      sightings.displace(push, known);
      return known;
    }
    let isUnwritten = false;
    const { place, temporaryName } = names;
    const found = observeChild(place, temporaryName, childOf(parentOf(push.path), temporaryName), {
      maxFileSizeBytes: Number.MAX_SAFE_INTEGER,
      checkWriters: true,
      onUnwritten: () => {
        isUnwritten = true;
      },
    });
    if (isUnwritten && found.kind === 'entry') sightings.displace(push, found);
    return found;
  }

  #notPlaced(
    path: ReplicaPath,
    target: string,
    placement: Exclude<Placement, { kind: 'placed' }>,
  ): AckResult {
    if (placement.kind === 'failed') return refused(placement.failure);
    if (placement.kind === 'vanished') return changedMeanwhile({ kind: 'entry', entry: absent, stamp: '' });
    return changedMeanwhile(lookAt(target, path));
  }
}

/** What is to become a version, if anything. */
function displacedBy(operation: Ready, stamp: string | undefined): Displaced | undefined {
  const { push, replaces } = operation;
  if (replaces.kind === 'absent' || isWorthless(operation)) return undefined;
  const reason = operation.kind === 'remove' ? 'removed' : 'overwritten';
  return { from: temporaryOf(operation), path: push.path, entry: replaces, reason, stamp };
}

/** Whether there is something that an operation displaces and that has to be kept. */
export function displacesContent(operation: Ready): boolean {
  return operation.replaces.kind !== 'absent' && !isWorthless(operation);
}

function isWorthless({ push, replaces }: Ready): boolean {
  return replaces.kind === 'directory' || isCanary(push.path);
}

function removeWorthless(operation: Ready): PathFailure | undefined {
  if (operation.replaces.kind === 'absent' || !isWorthless(operation)) return undefined;
  try {
    removeTemporary(temporaryOf(operation));
    return undefined;
  } catch (error) {
    return errnoFailure(error);
  }
}

function temporaryOf(operation: Ready): string {
  return operation.kind === 'remove' ? operation.names.temporary : operation.staged.temporary;
}

/** Why the directory cannot be replaced; undefined when it is empty, or is none any more. */
function fullDirectory(target: string): PathFailure | undefined {
  try {
    const directory = opendirSync(target);
    try {
      const first = directory.readSync();
      if (first === null) return undefined;
      return { reason: 'not-empty', detail: `the directory still holds ${first.name} on this node` };
    } finally {
      directory.closeSync();
    }
  } catch (error) {
    // Something else stands there by now: the exchange will see what.
    return ['ENOENT', 'ENOTDIR'].includes(errnoCode(error)) ? undefined : errnoFailure(error);
  }
}

function changedMeanwhile(found: Observation): AckResult {
  if (found.kind !== 'entry') return refused(failureOf(found));
  return { kind: 'conflict', conflict: 'edited-on-both', found: found.entry };
}
