import { isReady, type Operation } from './operation.ts';

/**
 * The order in which a batch is placed. Directories go after all files, the deepest first, since what is removed in the
 * same batch may lie in them; what one makes room for comes last.
 */
export function inOrder(batch: readonly Operation[]): readonly Operation[] {
  if (!batch.some((operation) => isReady(operation) && operation.replaces.kind === 'directory')) return batch;
  const removals = batch.filter(({ kind }) => kind === 'remove');
  removals.sort((a, b) => rank(a) - rank(b) || (a.push.path < b.push.path ? 1 : -1));
  const others = batch.filter(({ kind }) => kind !== 'remove');
  const plain = others.filter((operation) => !replacesDirectory(operation));
  return [...plain, ...removals, ...others.filter(replacesDirectory)];
}

function rank(operation: Operation): number {
  return isReady(operation) && operation.replaces.kind === 'directory' ? 1 : 0;
}

function replacesDirectory(operation: Operation): boolean {
  return operation.kind === 'staged' && operation.replaces.kind === 'directory';
}
