import fc from 'fast-check';
import { absent, type Entry, type FileEntry } from '../../src/core/entry.ts';
import type { ReplicaPath } from '../../src/core/path.ts';

export const path = '/etc/hosts' as ReplicaPath;

const owned = { owner: 'root', group: 'root' };
export const A: FileEntry = {
  kind: 'file',
  digest: 'a'.repeat(64),
  size: 1,
  mode: 0o644,
  mtime: '1.000000000',
  xattrs: {},
  ...owned,
};

/** All different from each other. C has the content of A and another mode. */
export const entries = {
  absent,
  A,
  B: { ...A, digest: 'b'.repeat(64) },
  C: { ...A, mode: 0o600 },
  directory: { kind: 'directory', mode: 0o755, xattrs: {}, ...owned },
  symlink: { kind: 'symlink', target: 'A', ...owned },
} as const satisfies Record<string, Entry>;

export type Name = keyof typeof entries;
export const names = Object.keys(entries) as Name[];
export const agreedNames = [undefined, ...names] as const;

export function entryOf(name: Name | undefined): Entry | undefined {
  return name === undefined ? undefined : entries[name];
}

export type ExpectedVerdict = 'agree' | 'push' | 'edited-on-passive' | 'edited-on-both' | 'first-sync';

/**
 * The rules in other words: who changed it since the agreement? Only the active: it is pushed. Only
 * the passive: edited there. Both, differently: edited on both. Without an agreement each side that
 * has something counts as changed, and where both have, it is the first sync.
 */
export function expectedVerdict(agreed: Name | undefined, active: Name, passive: Name): ExpectedVerdict {
  if (active === passive) return 'agree';
  const changed = [active, passive].map((name) => name !== (agreed ?? 'absent')).join();
  if (changed === 'true,false') return 'push';
  if (changed === 'false,true') return 'edited-on-passive';
  return agreed === undefined ? 'first-sync' : 'edited-on-both';
}

export const mtime = fc.constantFrom('1.000000000', '2.000000000');
export const anyEntry: fc.Arbitrary<Entry> = fc
  .tuple(fc.constantFrom(...names), mtime)
  .map(([name, time]) => (entries[name].kind === 'file' ? { ...entries[name], mtime: time } : entries[name]));
export const maybeAgreed = fc.option(anyEntry, { nil: undefined });
