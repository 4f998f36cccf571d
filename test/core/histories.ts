import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { ConflictPolicy } from '../../src/core/conflict.ts';
import type { Entry } from '../../src/core/entry.ts';
import type { ReplicaPath } from '../../src/core/path.ts';
import { A, entries } from './fixture.ts';
import type { Luck, TwoNodes } from './two-nodes.ts';

/** Whole histories of two nodes, whatever happens in which order. */

export const paths = ['/etc/a', '/etc/b'] as readonly string[] as readonly ReplicaPath[];

/** Content that nobody ever wrote before, or something that is always the same. */
type Written = { readonly what: 'new' | 'directory' | 'symlink' | 'absent'; readonly mtime: string };

export type Step =
  | { readonly kind: 'restart' }
  | {
      readonly kind: 'edit';
      readonly node: 'active' | 'passive';
      readonly path: ReplicaPath;
      readonly written: Written;
    }
  | { readonly kind: 'push'; readonly path: ReplicaPath; readonly luck: Luck }
  | {
      readonly kind: 'reconcile';
      readonly path: ReplicaPath;
      readonly luck: Luck;
      readonly meanwhile: Written | undefined;
    };

export const somePath = fc.constantFrom(...paths);
const written: fc.Arbitrary<Written> = fc.record({
  what: fc.constantFrom('new', 'new', 'new', 'directory', 'symlink', 'absent'),
  mtime: fc.constantFrom('1.000000000', '2.000000000', '3.000000000'),
});
const luck: fc.Arbitrary<Luck> = fc.record({ forgotten: fc.boolean(), ackLost: fc.boolean() });
export const editOn = (...nodes: ('active' | 'passive')[]): fc.Arbitrary<Step> =>
  fc.record({ kind: fc.constant('edit' as const), node: fc.constantFrom(...nodes), path: somePath, written });
export const push: fc.Arbitrary<Step> = fc.record({
  kind: fc.constant('push' as const),
  path: somePath,
  luck,
});
export const compare: fc.Arbitrary<Step> = fc.record({
  kind: fc.constant('reconcile' as const),
  path: somePath,
  luck,
  meanwhile: fc.option(written, { nil: undefined, freq: 3 }),
});
export const restart = fc.constant<Step>({ kind: 'restart' });
export const often = { minLength: 6, maxLength: 30, size: 'max' } as const;
export const history = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: editOn('active') },
    { weight: 1, arbitrary: editOn('passive') },
    { weight: 5, arbitrary: push },
    { weight: 3, arbitrary: compare },
    { weight: 1, arbitrary: restart },
  ),
  often,
);
const policies = fc.constantFrom<ConflictPolicy>('hold', 'active-wins', 'newest-wins');
export const twoNodes = fc.tuple(policies, fc.boolean()).map(([policy, clocks]) => ({ policy, clocks }));

/** Plays steps; each new content has a digest of its own. */
export function play(nodes: TwoNodes, steps: readonly Step[], before?: (step: Step) => void): void {
  let count = 0;
  const entryOf = ({ what, mtime }: Written): Entry => {
    count += 1;
    return what === 'new' ? { ...A, digest: count.toString(16).padStart(64, '0'), mtime } : entries[what];
  };
  for (const step of steps) {
    before?.(step);
    switch (step.kind) {
      case 'edit':
        nodes.edit(step.node, step.path, entryOf(step.written));
        break;
      case 'restart':
        nodes.restartActive();
        break;
      case 'push':
        nodes.push(step.path, step.luck);
        break;
      case 'reconcile': {
        const { luck: chance, meanwhile } = step;
        nodes.reconcile(
          step.path,
          meanwhile === undefined ? chance : { ...chance, meanwhile: entryOf(meanwhile) },
        );
      }
    }
  }
}

/** Reconciles until nothing moves any more. More than a few rounds would be a node talking to itself. */
export function toQuiescence(nodes: TwoNodes): void {
  for (let round = 0; round < 4; round += 1) {
    const moved = paths.map((path) => nodes.reconcile(path));
    if (!moved.includes(true)) return;
  }
  assert.fail('it never comes to rest');
}
