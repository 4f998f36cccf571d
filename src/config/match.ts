import micromatch from 'micromatch';
import { isBelow, nameOf, parseReplicaPath, type ReplicaPath } from '../core/path.ts';

/**
 * What a pattern covers. All but `glob` are answered without a regular expression over the whole path,
 * which is what keeps a hundred patterns cheap.
 */
export type Shape =
  /** No glob character: this one path. */
  | { readonly kind: 'literal'; readonly path: ReplicaPath }
  /** `BASE/**`: everything below, not BASE itself. */
  | { readonly kind: 'subtree' }
  /** `BASE/NAME*`: direct children of BASE. */
  | { readonly kind: 'child'; readonly name: RegExp }
  /** `BASE/**` + `/NAME*`: children of that name at any depth below BASE. */
  | { readonly kind: 'named'; readonly name: RegExp }
  | {
      readonly kind: 'glob';
      readonly regex: RegExp;
      /** For the segments after the base, as far as each covers exactly one name. */
      readonly segments: readonly RegExp[];
      /** Whether any number of names may follow those segments. */
      readonly open: boolean;
    };

export type Pattern = {
  readonly text: string;
  /** The path itself for a literal; else the deepest directory that holds all the pattern can match. */
  readonly base: ReplicaPath;
  readonly shape: Shape;
};

export type PatternResult =
  | { readonly ok: true; readonly pattern: Pattern }
  | { readonly ok: false; readonly expected: string };

const maxPatternLength = 1024;

// `posix`: `[!a]` negates, as in a shell. `regex: false`: a `+` after a brace is a plus, not a repetition.
// `fastpaths: false`: one way of reading for all patterns.
const options = {
  dot: true,
  nonegate: true,
  posix: true,
  strictBrackets: true,
  regex: false,
  fastpaths: false,
};

/**
 * Checks and compiles one pattern of a watchlist: an absolute path in which `*` and `?` stand for
 * characters of one name, `**` for any number of names, `{a,b}`, `[abc]` and `@(a|b)` for alternatives, and
 * `\` makes the next character mean itself. Names that begin with a dot are covered. Without `**`, the path
 * written exactly as the pattern is covered too: `/etc/foo[1].conf` covers itself and `/etc/foo1.conf`.
 */
export function parsePattern(text: string): PatternResult {
  if (text.length > maxPatternLength) return fault(`at most ${maxPatternLength} characters`);
  if (!text.startsWith('/')) return fault('a pattern that begins with "/"');
  const split = splitPattern(text);
  if (!split.ok) return split;
  const { segments } = split;
  const firstGlob = segments.findIndex((segment) => segment.glob);
  const literal = segments
    .slice(0, firstGlob < 0 ? segments.length : firstGlob)
    .map((segment) => segment.text.replace(/\\(.)/gs, '$1'));

  // A glob segment is stood in for by a name, so that `..`, `//` and NUL are found wherever they are.
  const names = [...literal, ...segments.slice(literal.length).map((s) => (s.glob ? 'x' : s.text))];
  const whole = parseReplicaPath(`/${names.join('/')}`);
  const base = parseReplicaPath(`/${literal.join('/')}`);
  if (text.includes('\0')) return fault('no NUL');
  if (!whole.ok || !base.ok)
    return fault('an absolute path or pattern without "..", ".", "//" and "/" at its end');
  if (firstGlob < 0)
    return base.path === '/'
      ? fault('a path or pattern below "/"')
      : done(text, base.path, { kind: 'literal', path: base.path });
  try {
    return done(text, base.path, shapeOf(text, segments.slice(firstGlob)));
  } catch (error) {
    return fault(`a well-formed pattern (${error instanceof Error ? error.message : String(error)})`);
  }
}

/** Whether the pattern covers the path. */
export function matches(pattern: Pattern, path: ReplicaPath): boolean {
  const { shape, base } = pattern;
  switch (shape.kind) {
    case 'literal':
      return path === shape.path;
    case 'subtree':
      return isBelow(path, base);
    case 'child':
      return isChild(path, base) && shape.name.test(nameOf(path));
    case 'named':
      return isBelow(path, base) && shape.name.test(nameOf(path));
    case 'glob':
      return isBelow(path, base) && shape.regex.test(path.slice(1));
  }
}

/**
 * Whether the pattern may cover something strictly below the directory. False is certain; true may be
 * wrong for patterns with alternatives over several names, which costs a needless look.
 */
export function mayMatchBelow(pattern: Pattern, directory: ReplicaPath): boolean {
  const { shape, base } = pattern;
  if (isBelow(base, directory)) return true;
  if (shape.kind === 'literal') return false;
  if (base === directory) return true;
  if (!isBelow(directory, base) || shape.kind === 'child') return false;
  if (shape.kind !== 'glob') return true;
  const names = directory.slice(base === '/' ? 1 : base.length + 1).split('/');
  for (const [index, segment] of shape.segments.entries()) {
    const name = names[index];
    if (name === undefined) return true;
    if (!segment.test(name)) return false;
  }
  return shape.open;
}

/** One regular expression that matches where any of them does. */
export function unionOf(expressions: readonly RegExp[]): RegExp {
  return new RegExp(expressions.map((one) => `(?:${one.source})`).join('|'), 's');
}

function isChild(path: ReplicaPath, parent: ReplicaPath): boolean {
  return isBelow(path, parent) && path.lastIndexOf('/') === (parent === '/' ? 0 : parent.length);
}

function fault(expected: string): { readonly ok: false; readonly expected: string } {
  return { ok: false, expected };
}

function done(text: string, base: ReplicaPath, shape: Shape): PatternResult {
  return { ok: true, pattern: { text, base, shape } };
}

/** `globs`: the segments from the first glob on. */
function shapeOf(text: string, globs: readonly Segment[]): Shape {
  const last = globs.at(-1);
  const [first, second] = globs;
  if (globs.every((segment) => segment.text === '**')) return { kind: 'subtree' };
  if (globs.length === 1 && first !== undefined && !first.open)
    return { kind: 'child', name: compileOrSame(first.text) };
  if (globs.length === 2 && first?.text === '**' && second !== undefined && !second.open)
    return { kind: 'named', name: compile(second.text) };

  const open = globs.findIndex((segment) => segment.open);
  const closed = open < 0 ? globs : globs.slice(0, open);
  // micromatch lets `X/**` cover X as well; here it is what lies below.
  const whole = last?.text === '**' ? `${text}/*` : text;
  return {
    kind: 'glob',
    regex: compileOrSame(whole.slice(1)),
    segments: closed.map((segment) => compileOrSame(segment.text)),
    open: open >= 0,
  };
}

/** Compiles what follows the first slash of a pattern, or one segment. */
function compile(glob: string): RegExp {
  // With the slash, micromatch would read `/**/a` as not covering `/a`. `s`: names may hold newlines.
  return new RegExp(micromatch.makeRe(glob, options).source, 's');
}

/** As compile, and covers what is written exactly as the glob. */
function compileOrSame(glob: string): RegExp {
  const asWritten = glob.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
  return new RegExp(`${compile(glob).source}|^${asWritten}$`, 's');
}

type Segment = {
  readonly text: string;
  readonly glob: boolean;
  /** It may cover more than one name: `**`, or alternatives whose slashes nobody wants to count. */
  readonly open: boolean;
};

type Split = { readonly ok: true; readonly segments: readonly Segment[] } | ReturnType<typeof fault>;

const closing: Readonly<Record<string, string>> = { '{': '}', '(': ')' };

/** Cuts at the slashes that are not inside braces or parentheses, and refuses what has a second reading. */
function splitPattern(text: string): Split {
  const segments: Segment[] = [];
  const awaited: string[] = [];
  let start = 1;
  let glob = false;
  let open = false;
  for (let at = 1; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (character === '\\') {
      at += 1;
      if (at === text.length || text[at] === '/') return fault('a character after "\\"');
    } else if (character === '/' && awaited.length === 0) {
      segments.push({ text: text.slice(start, at), glob, open });
      start = at + 1;
      glob = false;
      open = false;
    } else if (character === '/') {
      open = true;
    } else if (character === '[') {
      const end = endOfClass(text, at);
      if (end === undefined) return fault('a "]" after "[", without "/" between them, or "\\["');
      at = end;
      glob = true;
      open = true;
    } else if (character === '{' || character === '(') {
      if (character === '(' && text[at - 1] === '!') return fault('an entry under exclude instead of !(...)');
      if (character === '(' && !/[@?*+]/.test(text.charAt(at - 1)))
        return fault('"\\(" where a parenthesis means itself; alternatives are {a,b} or @(a|b)');
      awaited.push(closing[character] ?? '');
      glob = true;
    } else if (character === '}' || character === ')' || character === ']') {
      if (awaited.pop() !== character) return fault(`"\\${character}" where it closes nothing`);
    } else if (character === '*' || character === '?') {
      glob = true;
      open ||= character === '*' && text[at + 1] === '*';
    } else {
      const expected = secondReading(text, at, awaited.at(-1));
      if (expected !== undefined) return fault(expected);
    }
  }
  if (awaited.length > 0) return fault(`a "${awaited.at(-1)}" that closes what was opened`);
  segments.push({ text: text.slice(start), glob, open });
  return { ok: true, segments };
}

/** What to write instead of a character that micromatch takes for something else than itself. */
function secondReading(text: string, at: number, inside: string | undefined): string | undefined {
  const character = text.charAt(at);
  if (character === '"') return '"\\"" where a quotation mark means itself';
  if (character === '|' && inside !== ')') return '"\\|" where a bar means itself';
  if (character === '.' && text[at + 1] === '.' && inside === '}') return 'alternatives such as {1,2,3}';
  return undefined;
}

/** The position of the `]` that ends a class; a `]` right at its start is a member. */
function endOfClass(text: string, start: number): number | undefined {
  const first = /[!^]/.test(text.charAt(start + 1)) ? start + 2 : start + 1;
  for (let at = first; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (character === '/') return undefined;
    if (character === '\\') at += 1;
    else if (text.startsWith('[:', at) && text.includes(':]', at)) at = text.indexOf(':]', at) + 1;
    else if (character === ']' && at > first) return at;
  }
  return undefined;
}
