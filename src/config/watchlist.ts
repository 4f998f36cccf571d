import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type * as z from 'zod';
import { isCanary } from '../core/canary.ts';
import type { ConflictPolicy } from '../core/conflict.ts';
import { isBelow, parseReplicaPath, type ReplicaPath } from '../core/path.ts';
import {
  type Document,
  describe,
  foundText,
  invalidConfiguration,
  type KeyPath,
  keyText,
  readDocument,
} from './document.ts';
import { matches, type Pattern, parsePattern } from './match.ts';
import { type CompiledRule, createRules, type Decision, type Rule, type Rules } from './rules.ts';
import { watchlistSchema } from './schema.ts';
import { makeScopes, type Scope } from './scopes.ts';

export type { Decision, Rule } from './rules.ts';

/** Files that are placed together or not at all. */
export type Group = {
  readonly watchlist: string;
  readonly name: string;
  readonly files: readonly ReplicaPath[];
};

/** A command for the files that `match` covers: a validator before placing, an apply hook after it. */
export type Command = {
  readonly watchlist: string;
  /** The pattern as written. */
  readonly match: string;
  /** Program and arguments; no shell. `{file}` in a validator stands for the staged file. */
  readonly run: readonly string[];
  readonly timeoutMs: number;
  matches(path: ReplicaPath): boolean;
};

/** An include pattern without glob characters: one path, which is expected to exist. */
export type Literal = {
  readonly path: ReplicaPath;
  readonly watchlist: string;
  readonly file: string;
  readonly line: number;
};

/**
 * All watchlists of a node as one set of rules.
 *
 * A path is in if an include matches it and no exclude matches it or a directory above it, whatever the
 * watchlist and the order. Patterns are absolute; names with a leading dot are covered; `X/**` covers
 * everything below X but not X itself; an include without `**` covers that one path, not what is below.
 * Our own temporary names are never in.
 */
export interface Watchlists extends Rules {
  readonly names: readonly string[];
  /** Every rule, in the order of the files. */
  readonly rules: readonly Rule[];
  /** SHA-256 over names and rules: equal where the same paths are in, whatever comments, order and files. */
  readonly digest: string;
  /** Where a walk starts: base directories of globs and literal paths, none below another. */
  readonly roots: readonly ReplicaPath[];
  readonly literals: readonly Literal[];
  readonly groups: readonly Group[];
  readonly validators: readonly Command[];
  readonly applies: readonly Command[];
  /** Parts of which a fingerprint can be taken; the first is everything. */
  readonly scopes: readonly Scope[];
  /** The group that a file belongs to, if any. */
  groupOf(path: ReplicaPath): Group | undefined;
  /** What the watchlists say about conflicts of this path: its first policy that matches, else that of its watchlist. */
  policyOf(path: ReplicaPath): ConflictPolicy | undefined;
  includes(path: ReplicaPath): boolean;
  /** As includes, with the reason. */
  decide(path: ReplicaPath): Decision;
  /** False where neither a walk nor a watch is needed: nothing below the directory can be in. */
  mayContain(directory: ReplicaPath): boolean;
  /**
   * Whether the path is a directory on the way to something that may be in, and is not in itself: it may
   * be created where it is missing, and is never changed or removed.
   */
  impliedDirectory(path: ReplicaPath): boolean;
}

type Parsed = z.output<typeof watchlistSchema>;

/** What the checks of one file share. */
type Reader = {
  readonly document: Document<Parsed>;
  readonly problems: string[];
};

/**
 * Reads watchlists: a plain name is `<shippedFolder>/<name>.yml`, an absolute path a file. Throws a Failure
 * `config-invalid` (exit 2) that lists every problem of every file.
 */
export function loadWatchlists(
  wanted: readonly string[],
  options: { readonly shippedFolder: string },
): Watchlists {
  const problems: string[] = [];
  const documents: Document<Parsed>[] = [];
  let missing = false;
  for (const one of wanted) {
    const file = one.startsWith('/') ? one : join(options.shippedFolder, `${one}.yml`);
    const reading = readDocument(file, watchlistSchema);
    if (reading.ok) documents.push(reading.document);
    else {
      problems.push(...reading.problems);
      missing ||= reading.missing;
    }
  }
  const readers = documents.map((document) => ({ document, problems }));
  const compiled = readers.flatMap(compileRules);
  const groups = readers.flatMap(groupsOf);
  const validators = readers.flatMap((reader) => commandsOf(reader, 'validate'));
  const applies = readers.flatMap((reader) => commandsOf(reader, 'apply'));
  const policies = readers.flatMap(policiesOf);
  const scopes = readers.flatMap(scopesOf);
  checkNames(readers);
  if (problems.length === 0 && !compiled.some(({ rule }) => rule.effect === 'include')) {
    const file = wanted.join(', ');
    problems.push(
      describe({ file, key: 'include', expected: 'at least one pattern', found: 'an empty list' }),
    );
  }
  if (problems.length > 0) throw invalidConfiguration(problems, hintFor(missing, options.shippedFolder));
  const includes = compiled.filter(({ rule }) => rule.effect === 'include');
  const rules = createRules(compiled);
  const ofList = new Map(documents.map(({ value }) => [value.name, value.conflict]));
  const policyOfList = ({ rule }: Decision): ConflictPolicy | undefined => ofList.get(rule?.watchlist ?? '');
  return {
    ...rules,
    rules: compiled.map(({ rule }) => rule),
    names: documents.map(({ value }) => value.name),
    digest: digestOf(documents),
    roots: topmost(includes.map(({ pattern }) => pattern.base)),
    literals: includes.flatMap(literalOf),
    groups,
    validators,
    applies,
    scopes: makeScopes(scopes),
    groupOf: groupFinder(groups),
    policyOf: (path) =>
      policies.find(({ pattern }) => matches(pattern, path))?.conflict ?? policyOfList(rules.decide(path)),
  };
}

function compileRules(reader: Reader): CompiledRule[] {
  const { file, value, lineOf } = reader.document;
  return (['include', 'exclude'] as const).flatMap((effect) =>
    value[effect].flatMap((text, index) => {
      const key = [effect, index];
      const pattern = checkedPattern(reader, text, key);
      if (pattern === undefined) return [];
      const rule = { watchlist: value.name, file, line: lineOf(key), pattern: text, effect };
      return [{ rule, pattern }];
    }),
  );
}

function checkedPattern(reader: Reader, text: string, key: KeyPath): Pattern | undefined {
  const result = parsePattern(text);
  if (result.ok) return result.pattern;
  report(reader, key, { expected: result.expected, found: foundText(text) });
  return undefined;
}

function groupsOf(reader: Reader): Group[] {
  const { value } = reader.document;
  return value.groups.map((group, index) => ({
    watchlist: value.name,
    name: group.name,
    files: group.files.flatMap((text, position) => {
      const parsed = parseReplicaPath(text);
      if (parsed.ok) return [parsed.path];
      const expected = 'an absolute path without "..", ".", "//" and "/" at its end';
      report(reader, ['groups', index, 'files', position], { expected, found: foundText(text) });
      return [];
    }),
  }));
}

function groupFinder(groups: readonly Group[]): (path: ReplicaPath) => Group | undefined {
  const byFile = new Map(groups.flatMap((group) => group.files.map((file) => [file, group] as const)));
  return (path) => byFile.get(path);
}

function policiesOf(reader: Reader): { pattern: Pattern; conflict: ConflictPolicy }[] {
  return reader.document.value.policies.flatMap(({ match, conflict }, index) => {
    const pattern = checkedPattern(reader, match, ['policies', index, 'match']);
    return pattern === undefined ? [] : [{ pattern, conflict }];
  });
}

function scopesOf(reader: Reader): { name: string; patterns: Pattern[] }[] {
  return reader.document.value.scopes.map(({ name, match }, index) => ({
    name,
    patterns: match.flatMap((text, at) => checkedPattern(reader, text, ['scopes', index, 'match', at]) ?? []),
  }));
}

function commandsOf(reader: Reader, key: 'validate' | 'apply'): Command[] {
  const { value } = reader.document;
  return value[key].flatMap(({ match, run, timeout }, index) => {
    const pattern = checkedPattern(reader, match, [key, index, 'match']);
    if (pattern === undefined) return [];
    return [
      {
        watchlist: value.name,
        match,
        run,
        timeoutMs: timeout,
        matches: (path: ReplicaPath) => !isCanary(path) && matches(pattern, path),
      },
    ];
  });
}

/** Across all files: watchlist names and group names are unique, and no file is in two groups. */
function checkNames(readers: readonly Reader[]): void {
  const watchlists = new Set<string>();
  const groups = new Set<string>();
  const files = new Set<string>();
  const once = (
    reader: Reader,
    seen: Set<string>,
    text: string,
    place: { key: KeyPath; expected: string },
  ) => {
    if (seen.has(text))
      report(reader, place.key, { expected: place.expected, found: `${foundText(text)} again` });
    seen.add(text);
  };
  for (const reader of readers) {
    const { value } = reader.document;
    once(reader, watchlists, value.name, { key: ['name'], expected: 'a name that no other watchlist has' });
    value.groups.forEach((group, index) => {
      const key = ['groups', index];
      once(reader, groups, group.name, {
        key: [...key, 'name'],
        expected: 'a name that no other group has',
      });
      group.files.forEach((file, position) => {
        once(reader, files, file, {
          key: [...key, 'files', position],
          expected: 'a file that is in no other group',
        });
      });
    });
  }
}

function report(
  { document, problems }: Reader,
  key: KeyPath,
  what: { readonly expected: string; readonly found: string },
): void {
  problems.push(describe({ file: document.file, line: document.lineOf(key), key: keyText(key), ...what }));
}

function hintFor(missing: boolean, shippedFolder: string): string {
  if (!missing) return 'correct the watchlist and run the command again';
  const shipped = shippedNames(shippedFolder);
  return `write the absolute path of a file in \`watchlists\`, or one of the shipped names: ${shipped}`;
}

function shippedNames(folder: string): string {
  try {
    const names = readdirSync(folder).filter((name) => name.endsWith('.yml'));
    return names.map((name) => name.slice(0, -'.yml'.length)).join(', ') || 'none';
  } catch (error) {
    return `none, since ${folder} cannot be read (${error instanceof Error ? error.message : String(error)})`;
  }
}

function digestOf(documents: readonly Document<Parsed>[]): string {
  const lines = documents.flatMap(({ value }) => [
    JSON.stringify(['name', value.name]),
    ...value.include.map((pattern) => JSON.stringify(['include', pattern])),
    ...value.exclude.map((pattern) => JSON.stringify(['exclude', pattern])),
  ]);
  return createHash('sha256')
    .update([...new Set(lines)].sort().join('\n'))
    .digest('hex');
}

function topmost(paths: readonly ReplicaPath[]): ReplicaPath[] {
  const unique = [...new Set(paths)].sort();
  return unique.filter((path) => !unique.some((other) => isBelow(path, other)));
}

function literalOf({ rule, pattern }: CompiledRule): Literal[] {
  if (pattern.shape.kind !== 'literal') return [];
  const { watchlist, file, line } = rule;
  return [{ path: pattern.shape.path, watchlist, file, line }];
}
