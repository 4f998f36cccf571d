import { childOf, parentOf } from '../core/path.ts';
import type { GroupJournal } from '../state/journal.ts';
import type { AckResult } from '../wire/message.ts';
import { syncDirectories } from './durable.ts';
import { isRefusal, type Operation, type Ready, refused } from './operation.ts';
import type { Swapper } from './swap.ts';
import { discardAll } from './temporary.ts';
import { bringBack, type UndoTools } from './undo.ts';

export type GroupTools = UndoTools & {
  readonly swapper: Swapper;
  readonly journal: GroupJournal;
  /** The sender and its epoch. */
  readonly peer: string;
  readonly epoch: number;
  /** A fresh id of the journal. */
  readonly nonce: () => string;
};

export type GroupPlaced = {
  readonly results: ReadonlyMap<Operation, AckResult>;
  /** The journal's row, to be closed once the results are remembered. */
  readonly journaled: string | undefined;
};

/**
 * Places the members of a complete set together or not at all: the journal first, then one exchange after the other
 * while everything displaced waits under its temporary name. Members that cannot be placed, by what is known of them
 * already or by what is found then, bring all others back.
 *
 *     staged --journal--> exchanging --all in place, durable--> placed --versions kept--> remembered, row gone
 *                             \--one cannot--> brought back, row gone
 */
export function placeGroup(operations: readonly Operation[], tools: GroupTools): GroupPlaced {
  const results = new Map<Operation, AckResult>();
  const ready: Ready[] = [];
  for (const operation of operations) {
    if (operation.kind === 'answered') results.set(operation, operation.result);
    else if (operation.kind !== 'receiving') ready.push(operation);
  }
  const culprit = operations.find(isRefused);
  if (culprit !== undefined) {
    discardAll(ready);
    for (const operation of ready) results.set(operation, notAlone(culprit.push.path, culprit.result));
    return { results, journaled: undefined };
  }
  if (ready.length === 0) return { results, journaled: undefined };
  return exchangeAll(ready, results, tools);
}

function exchangeAll(
  ready: readonly Ready[],
  results: Map<Operation, AckResult>,
  tools: GroupTools,
): GroupPlaced {
  const { journal, swapper, peer, epoch } = tools;
  const id = tools.nonce();
  journal.open(id, { peer, epoch, members: ready.map(journalMember) });
  const placed: Ready[] = [];
  for (const [index, operation] of ready.entries()) {
    const exchanged = swapper.exchange(operation);
    if (exchanged === 'in-place') {
      placed.push(operation);
      results.set(operation, { kind: 'applied' });
      continue;
    }
    results.set(operation, exchanged);
    if (!isRefusal(exchanged)) continue;
    const later = ready.slice(index + 1);
    discardAll(later);
    for (const one of later) results.set(one, notAlone(operation.push.path, exchanged));
    undo(placed, notAlone(operation.push.path, exchanged), results, tools);
    journal.close(id);
    return { results, journaled: undefined };
  }
  syncParents(placed);
  journal.placed(id);
  // What cannot be kept now stays under its temporary name, and the sweep keeps it. It is in place all the same.
  swapper.retire(placed);
  return { results, journaled: id };
}

function undo(
  placed: readonly Ready[],
  because: AckResult,
  results: Map<Operation, AckResult>,
  tools: UndoTools,
): void {
  for (const operation of placed.toReversed()) {
    const { push, replaces } = operation;
    const outcome = bringBack({ path: push.path, names: namesOf(operation), replaces, put: push.put }, tools);
    results.set(operation, typeof outcome === 'object' ? refused(outcome) : because);
  }
  syncParents(placed);
}

function isRefused(operation: Operation): operation is Extract<Operation, { kind: 'answered' }> {
  return operation.kind === 'answered' && isRefusal(operation.result);
}

function notAlone(path: string, result: AckResult): AckResult {
  const why =
    result.kind === 'refused' ? `${result.reason}: ${result.detail}` : 'it is in conflict on this node';
  return refused({
    reason: 'group-failed',
    detail: `expected all files of its group to be placed, but ${path} was not: ${why}`,
  });
}

function journalMember(operation: Ready) {
  const { push, replaces } = operation;
  const temporary = childOf(parentOf(push.path), namesOf(operation).temporaryName);
  return { path: push.path, temporary, replaces, put: push.put };
}

function namesOf(operation: Ready) {
  return operation.kind === 'remove' ? operation.names : operation.staged;
}

function syncParents(operations: readonly Ready[]): void {
  syncDirectories([...new Set(operations.map(({ parentFd }) => parentFd))]);
}
