import type { Edit } from './disk.ts';
import type { Name, Settings } from './machine.ts';

/** What may come in between while changes are on their way; `after`: so many frames, or effects, later. */
export type Trouble = {
  readonly kind: 'cut' | 'crash-active' | 'crash-passive' | 'switch' | 'seat';
  readonly after: number;
};

/** One edit; without a hint nobody is told of it, as when the event got lost. */
export type Edited = { readonly on: Name; readonly what: Edit; readonly hint: boolean };

export type Step =
  | { readonly kind: 'edits'; readonly edits: readonly Edited[]; readonly trouble?: Trouble }
  | { readonly kind: 'crash'; readonly node: Name; readonly back: boolean }
  | { readonly kind: 'start'; readonly node: Name }
  | { readonly kind: 'network'; readonly up: boolean }
  | { readonly kind: 'switch'; readonly node: Name; readonly on: boolean; readonly local: boolean }
  | { readonly kind: 'promote'; readonly node: Name; readonly fenced: boolean }
  | { readonly kind: 'demote'; readonly node: Name }
  | {
      readonly kind: 'resolve';
      readonly from: Name;
      readonly take: 'active' | 'passive';
      readonly pick: number;
    }
  | { readonly kind: 'restore'; readonly node: Name; readonly pick: number }
  | { readonly kind: 'resync' }
  | { readonly kind: 'reconcile' }
  /** The watcher tells of a path that nobody changed, as after a `touch` by `chmod` to what it was. */
  | { readonly kind: 'rumour'; readonly node: Name; readonly path: string }
  | { readonly kind: 'clock'; readonly ms: number }
  | { readonly kind: 'wait' };

/** `first`: what lies on the disks before the nodes ever met. */
export type History = Settings & {
  readonly first: readonly Edited[];
  readonly steps: readonly Step[];
};

/** Of the configurations that histories have, milliseconds. */
export const longestHoldMs = 20;

type Random = () => number;

const directories = ['/etc/d', '/etc/e', '/etc/d/s'];
const files = ['/etc/a', '/etc/b', '/etc/d/x', '/etc/d/y', '/etc/e/x', '/etc/d/s/x'];
const everywhere = [...directories, ...files];
/** Never edited, so that no node ever finds its tree emptied. */
export const anchor = '/etc/anchor';

function oneOf<Item>(random: Random, items: readonly [Item, ...Item[]] | readonly Item[]): Item {
  return items[Math.floor(random() * items.length)] as Item;
}

function upTo(random: Random, most: number): number {
  return Math.floor(random() * (most + 1));
}

function someEdit(random: Random): Edit {
  const path = oneOf(random, everywhere);
  const dice = random();
  if (dice < 0.45)
    return { kind: 'write', path: oneOf(random, files), how: random() < 0.5 ? 'in-place' : 'replace' };
  if (dice < 0.53) return { kind: 'chmod', path, mode: oneOf(random, [0o600, 0o640, 0o755]) };
  if (dice < 0.67) return { kind: 'remove', path };
  if (dice < 0.75) return { kind: 'mkdir', path: oneOf(random, directories) };
  if (dice < 0.81) return { kind: 'symlink', path };
  if (dice < 0.88) return { kind: 'rename', path, to: oneOf(random, everywhere) };
  if (dice < 0.94) return { kind: 'turn', path };
  return { kind: 'reset', path: oneOf(random, files) };
}

function edited(random: Random, likely: Name): Edited {
  const what = someEdit(random);
  const on = random() < 0.65 ? likely : likely === 'a' ? 'b' : 'a';
  return { on, what, hint: what.kind !== 'write' || random() < 0.8 };
}

function someEdits(random: Random, likely: Name, most: number): Edited[] {
  return Array.from({ length: 1 + upTo(random, most - 1) }, () => edited(random, likely));
}

function interrupted(random: Random, likely: Name): Step {
  const kind = oneOf(random, ['cut', 'cut', 'crash-active', 'crash-passive', 'switch', 'seat'] as const);
  const edits = someEdits(random, likely, 6).map((one) => ({ ...one, on: likely }));
  return { kind: 'edits', edits, trouble: { kind, after: upTo(random, kind === 'crash-passive' ? 9 : 12) } };
}

const builders: readonly (readonly [weight: number, build: (random: Random, likely: Name) => Step])[] = [
  [30, (random, likely) => ({ kind: 'edits', edits: someEdits(random, likely, 4) })],
  [12, interrupted],
  // The same change by hand on both nodes, or by the same package.
  [2, both],
  [5, (random) => ({ kind: 'crash', node: someName(random), back: random() < 0.6 })],
  [5, (random) => ({ kind: 'start', node: someName(random) })],
  [4, () => ({ kind: 'network', up: false })],
  [7, () => ({ kind: 'network', up: true })],
  [4, (random) => ({ kind: 'switch', node: someName(random), on: false, local: random() < 0.5 })],
  [6, (random) => ({ kind: 'switch', node: someName(random), on: true, local: random() < 0.3 })],
  [6, (random, likely) => ({ kind: 'promote', node: other(likely), fenced: random() < 0.5 })],
  [2, (random) => ({ kind: 'demote', node: someName(random) })],
  [
    8,
    (random) => ({ kind: 'resolve', from: someName(random), take: someSide(random), pick: upTo(random, 9) }),
  ],
  [5, (random, likely) => ({ kind: 'restore', node: likely, pick: upTo(random, 30) })],
  [3, () => ({ kind: 'resync' })],
  [5, () => ({ kind: 'reconcile' })],
  [4, (random) => ({ kind: 'rumour', node: someName(random), path: oneOf(random, everywhere) })],
  [2, (random) => ({ kind: 'clock', ms: oneOf(random, [-7_200_000, -900, 900, 7_200_000]) })],
  [1, () => ({ kind: 'wait' })],
];

function both(random: Random): Step {
  const path = oneOf(random, files);
  const edits = (['a', 'b'] as const).map((on) => ({
    on,
    what: { kind: 'reset', path } as const,
    hint: true,
  }));
  return { kind: 'edits', edits };
}

function someName(random: Random): Name {
  return random() < 0.5 ? 'a' : 'b';
}

function someSide(random: Random): 'active' | 'passive' {
  return random() < 0.5 ? 'active' : 'passive';
}

function other(name: Name): Name {
  return name === 'a' ? 'b' : 'a';
}

/** A history that is the same for the same numbers. */
export function generate(random: Random): History {
  const policy = random() < 0.75 ? 'hold' : 'active-wins';
  const deleteHoldMs = random() < 0.5 ? 0 : longestHoldMs;
  const first: Edited[] = [];
  for (const path of ['/etc/d', '/etc/e', ...files])
    if (random() < 0.6) first.push({ on: 'a', what: begun(path), hint: true });
  if (random() < 0.25) first.push(...someEdits(random, 'b', 3));
  const length = 5 + upTo(random, 6);
  let likely: Name = 'a';
  const total = builders.reduce((sum, [weight]) => sum + weight, 0);
  const steps = Array.from({ length }, () => {
    let dice = random() * total;
    const builder = builders.find(([weight]) => {
      dice -= weight;
      return dice < 0;
    });
    const step = (builder ?? builders[0])?.[1](random, likely) ?? { kind: 'reconcile' as const };
    if (step.kind === 'promote') likely = step.node;
    return step;
  });
  return { policy, deleteHoldMs, first, steps };
}

function begun(path: string): Edit {
  return directories.includes(path) ? { kind: 'mkdir', path } : { kind: 'write', path, how: 'replace' };
}

/** Every history that is a little smaller, the smallest first. */
export function* smaller(history: History): Generator<History> {
  const { first, steps } = history;
  const half = Math.floor(steps.length / 2);
  if (half > 1) yield { ...history, steps: steps.slice(0, half) };
  for (let index = 0; index < steps.length; index += 1)
    yield { ...history, steps: steps.toSpliced(index, 1) };
  for (let index = 0; index < first.length; index += 1)
    yield { ...history, first: first.toSpliced(index, 1) };
  for (const [index, step] of steps.entries()) {
    if (step.kind !== 'edits') continue;
    const { trouble, ...plain } = step;
    if (trouble !== undefined) yield { ...history, steps: steps.with(index, plain) };
    for (let at = 0; at < step.edits.length && step.edits.length > 1; at += 1)
      yield { ...history, steps: steps.with(index, { ...step, edits: step.edits.toSpliced(at, 1) }) };
  }
}
