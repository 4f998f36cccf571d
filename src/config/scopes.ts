import type { ReplicaPath } from '../core/path.ts';
import { matches, mayMatchBelow, type Pattern, parsePattern } from './match.ts';

/** A named part of what is replicated, of which a fingerprint can be taken. */
export type Scope = {
  readonly name: string;
  includes(path: ReplicaPath): boolean;
  /** Whether something below the directory may belong to it. */
  mayLieBelow(directory: ReplicaPath): boolean;
};

/** Everything that is replicated. No watchlist can give the name another meaning. */
export const everything: Scope = { name: 'all', includes: () => true, mayLieBelow: () => true };

/** What operators of BlueMind ask each other about. A watchlist that names a scope alike replaces it. */
const builtIn: Readonly<Record<string, readonly string[]>> = {
  bm: ['/etc/bm', '/etc/bm/**', '/etc/bm-*', '/etc/bm-*/**', '/usr/share/bm-*/**', '/var/lib/bm-*/**'],
  nginx: ['/etc/nginx', '/etc/nginx/**', '/etc/bm-nginx', '/etc/bm-nginx/**'],
  postfix: ['/etc/postfix', '/etc/postfix/**', '/etc/aliases', '/etc/aliases.db', '/etc/mailname'],
  certs: [
    '/etc/ssl',
    '/etc/ssl/**',
    '/etc/pki',
    '/etc/pki/**',
    '/etc/letsencrypt',
    '/etc/letsencrypt/**',
    '/etc/bm/certs',
    '/etc/bm/certs/**',
    '/var/lib/bm-ca/**',
  ],
};

/** `all`, the built-in ones, and those of watchlists; patterns of one name in several watchlists add up. */
export function makeScopes(
  named: readonly { readonly name: string; readonly patterns: readonly Pattern[] }[],
): readonly Scope[] {
  const found = new Map(Object.entries(builtIn).map(([name, texts]) => [name, texts.map(builtInPattern)]));
  const written = new Map<string, Pattern[]>();
  for (const { name, patterns } of named) written.set(name, [...(written.get(name) ?? []), ...patterns]);
  for (const [name, patterns] of written) found.set(name, patterns);
  return [everything, ...[...found].map(([name, patterns]) => scopeOf(name, patterns))];
}

function scopeOf(name: string, patterns: readonly Pattern[]): Scope {
  return {
    name,
    includes: (path) => patterns.some((pattern) => matches(pattern, path)),
    mayLieBelow: (directory) => patterns.some((pattern) => mayMatchBelow(pattern, directory)),
  };
}

function builtInPattern(text: string): Pattern {
  const result = parsePattern(text);
  if (!result.ok) throw new Error(`expected ${result.expected}, found ${text}`);
  return result.pattern;
}
