import { canaryFolder } from '../core/canary.ts';
import { isBelow, isTemporaryName, nameOf, parentOf, type ReplicaPath } from '../core/path.ts';
import { matches, mayMatchBelow, type Pattern, unionOf } from './match.ts';

/** One pattern of a watchlist and where it stands. `line` from 1. */
export type Rule = {
  readonly watchlist: string;
  readonly file: string;
  readonly line: number;
  readonly pattern: string;
  readonly effect: 'include' | 'exclude';
};

/** Why a path is in or out. */
export type Decision = {
  readonly included: boolean;
  /** The deciding rule; undefined where no include matches, and for our own temporary names. */
  readonly rule: Rule | undefined;
  /** The topmost directory above the path that is out and takes the path along. */
  readonly through?: ReplicaPath;
  /** The path, or `through`, has one of our own temporary names. */
  readonly temporary?: true;
};

export type CompiledRule = { readonly rule: Rule; readonly pattern: Pattern };

/** The decisions of a set of rules. All are pure; what was found for directories is remembered. */
export interface Rules {
  includes(path: ReplicaPath): boolean;
  decide(path: ReplicaPath): Decision;
  mayContain(directory: ReplicaPath): boolean;
  impliedDirectory(path: ReplicaPath): boolean;
}

type Exclusion = { readonly at: ReplicaPath; readonly rule: Rule | undefined };

/** Directories whose exclusion is remembered; a few MB. */
const maxRemembered = 50_000;

/**
 * Exclude beats include whatever the order; an exclude that matches a directory takes along everything
 * below; our own temporary names are always out.
 */
export function createRules(compiled: readonly CompiledRule[]): Rules {
  const includes = compiled.filter(({ rule }) => rule.effect === 'include');
  const findInclude = ruleFinder(includes);
  const findExclude = ruleFinder(compiled.filter(({ rule }) => rule.effect === 'exclude'));
  const remembered = new Map<ReplicaPath, Exclusion | undefined>();

  function exclusionOfDirectory(directory: ReplicaPath): Exclusion | undefined {
    if (directory === '/') return undefined;
    const known = remembered.get(directory);
    if (known !== undefined || remembered.has(directory)) return known;
    const found = exclusionOf(directory);
    if (remembered.size >= maxRemembered) remembered.clear();
    remembered.set(directory, found);
    return found;
  }

  function exclusionOf(path: ReplicaPath): Exclusion | undefined {
    const above = exclusionOfDirectory(parentOf(path));
    if (above !== undefined) return above;
    if (isTemporaryName(nameOf(path)) || path === canaryFolder) return { at: path, rule: undefined };
    const rule = findExclude(path);
    return rule === undefined ? undefined : { at: path, rule };
  }

  let last: { readonly path: ReplicaPath; readonly included: boolean } | undefined;

  /** Whoever hears of an event asks, one after the other. */
  function includesPath(path: ReplicaPath): boolean {
    if (last?.path === path) return last.included;
    const included = exclusionOf(path) === undefined && findInclude(path) !== undefined;
    last = { path, included };
    return included;
  }

  function mayContain(directory: ReplicaPath): boolean {
    if (exclusionOfDirectory(directory) !== undefined) return false;
    return includes.some(({ pattern }) => mayMatchBelow(pattern, directory));
  }

  return {
    includes: includesPath,
    mayContain,
    impliedDirectory: (path) => mayContain(path) && !includesPath(path),
    decide(path) {
      const exclusion = exclusionOf(path);
      if (exclusion === undefined) {
        const rule = findInclude(path);
        return { included: rule !== undefined, rule };
      }
      return {
        included: false,
        rule: exclusion.rule,
        ...(exclusion.at === path ? {} : { through: exclusion.at }),
        ...(exclusion.rule === undefined ? { temporary: true } : {}),
      };
    },
  };
}

type Named = { readonly expression: RegExp; readonly compiled: CompiledRule };

/**
 * Finds a rule that matches a path, the most exact kind first. Literals are looked up, patterns for
 * children of a directory are tried only there, and those for names at any depth by one expression.
 */
function ruleFinder(rules: readonly CompiledRule[]): (path: ReplicaPath) => Rule | undefined {
  const literals = new Map<ReplicaPath, Rule>();
  const children = new Map<ReplicaPath, Named[]>();
  const named = new Map<ReplicaPath, Named[]>();
  const others: CompiledRule[] = [];
  for (const compiled of rules) {
    const { shape, base } = compiled.pattern;
    if (shape.kind === 'literal') {
      if (!literals.has(base)) literals.set(base, compiled.rule);
    } else if (shape.kind === 'child' || shape.kind === 'named') {
      const byBase = shape.kind === 'child' ? children : named;
      byBase.set(base, [...(byBase.get(base) ?? []), { expression: shape.name, compiled }]);
    } else {
      others.push(compiled);
    }
  }
  const anywhere = [...named].map(([base, members]) => ({
    base,
    members,
    union: unionOf(members.map(({ expression }) => expression)),
  }));

  return (path) => {
    const literal = literals.get(path);
    if (literal !== undefined) return literal;
    const name = nameOf(path);
    const child = children.get(parentOf(path))?.find(({ expression }) => expression.test(name));
    if (child !== undefined) return child.compiled.rule;
    for (const { base, members, union } of anywhere) {
      if (isBelow(path, base) && union.test(name))
        return members.find(({ expression }) => expression.test(name))?.compiled.rule;
    }
    return others.find(({ pattern }) => matches(pattern, path))?.rule;
  };
}
