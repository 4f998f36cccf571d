import { readFileSync } from 'node:fs';
import {
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type Document as Yaml,
} from 'yaml';
import type * as z from 'zod';
import { Failure } from '../core/failure.ts';
import { printable } from '../core/path.ts';

/** Where a value is in a document: keys and list positions from the top. */
export type KeyPath = readonly PropertyKey[];

export type Document<T> = {
  readonly file: string;
  readonly value: T;
  /** The line, from 1, of the key or list item; of the nearest thing around it where it is missing. */
  lineOf(key: KeyPath): number;
};

export type Reading<T> =
  | { readonly ok: true; readonly document: Document<T> }
  /** One line a problem, each with file, line, key, what was expected and what was found. */
  | { readonly ok: false; readonly problems: readonly string[]; readonly missing: boolean };

/** One problem of a file. `line` from 1; undefined where the problem is the file itself. */
export type Problem = {
  readonly file: string;
  readonly line?: number;
  readonly key?: string;
  readonly expected: string;
  readonly found: string;
};

/**
 * Reads one YAML file and checks it. The schema's messages say what is expected; the rest of each problem
 * is added here. Never throws for what is wrong with the file.
 */
export function readDocument<T>(file: string, schema: z.ZodType<T>): Reading<T> {
  let source: string;
  try {
    source = readFileSync(file, 'utf8');
  } catch (error) {
    return unreadable(file, error);
  }
  const lines = new LineCounter();
  const yaml = parseDocument(source, { lineCounter: lines, prettyErrors: false, merge: false });
  const problems = [...yaml.errors, ...yaml.warnings].map((error) => {
    const line = lines.linePos(error.pos[0]).line;
    if (error.code !== 'DUPLICATE_KEY') {
      return describe({ file, line, expected: 'valid YAML', found: `a mistake: ${error.message}` });
    }
    const key = /^[^\s:]+/.exec(source.slice(error.pos[0]))?.[0] ?? '';
    return describe({ file, line, key, expected: 'each key once', found: 'it again' });
  });

  // Past a slip of syntax the values are guesses, and messages about them would mislead.
  if (yaml.errors.some((error) => error.code !== 'DUPLICATE_KEY'))
    return { ok: false, problems, missing: false };

  let value: unknown;
  try {
    value = yaml.toJS();
  } catch (error) {
    const found = error instanceof Error ? error.message : String(error);
    problems.push(describe({ file, line: 1, expected: 'YAML that can be resolved', found }));
    return { ok: false, problems, missing: false };
  }
  const lineOf = (key: KeyPath) => lines.linePos(offsetOf(yaml, key)).line;
  const checked = schema.safeParse(value);
  if (!checked.success) {
    for (const issue of checked.error.issues) problems.push(...describeIssue(file, value, issue, lineOf));
  }
  if (!checked.success || problems.length > 0) return { ok: false, problems, missing: false };
  return { ok: true, document: { file, value: checked.data, lineOf } };
}

/** One problem as one line that is safe on a terminal. */
export function describe({ file, line, key, expected, found }: Problem): string {
  const place = line === undefined ? file : `${file}:${line}`;
  return printable(`${place}: ${key === undefined ? '' : `${key}: `}expected ${expected}, found ${found}`);
}

/** A value as a message shows it: short, and without the inside of lists and mappings. */
export function foundText(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (typeof value === 'object') return 'a mapping';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** `peers[0].port` */
export function keyText(key: KeyPath): string {
  let text = '';
  for (const part of key) {
    text += typeof part === 'number' ? `[${part}]` : `${text === '' ? '' : '.'}${String(part)}`;
  }
  return text === '' ? 'the file' : text;
}

/** What every mistake in a configuration or watchlist file ends in: exit 2. */
export function invalidConfiguration(problems: readonly string[], hint: string): Failure {
  return new Failure({ code: 'config-invalid', exit: 'usage', message: problems.join('\n'), hint });
}

function unreadable(file: string, error: unknown): Reading<never> {
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  const found =
    { ENOENT: 'no such file', EISDIR: 'a directory', EACCES: 'no permission to read it' }[code] ?? code;
  return {
    ok: false,
    problems: [describe({ file, expected: 'a readable YAML file', found })],
    missing: code === 'ENOENT',
  };
}

function describeIssue(
  file: string,
  value: unknown,
  issue: z.core.$ZodIssue,
  lineOf: (key: KeyPath) => number,
): string[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((name) => {
      const key = [...issue.path, name];
      return describe({
        file,
        line: lineOf(key),
        key: keyText(key),
        expected: issue.message,
        found: `the unknown key ${JSON.stringify(name)}`,
      });
    });
  }
  const line = lineOf(issue.path);
  const found = foundText(valueAt(value, issue.path));
  return [describe({ file, line, key: keyText(issue.path), expected: issue.message, found })];
}

function valueAt(value: unknown, key: KeyPath): unknown {
  let inner = value;
  for (const part of key) {
    if (typeof inner !== 'object' || inner === null) return undefined;
    inner = Reflect.get(inner, part);
  }
  return inner;
}

/** The offset of the deepest thing on the way to `key` that the document has. */
function offsetOf(yaml: Yaml.Parsed, key: KeyPath): number {
  let node: unknown = yaml.contents;
  let offset = startOf(node) ?? 0;
  for (const part of key) {
    if (isAlias(node)) node = node.resolve(yaml);
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(part));
      offset = startOf(pair?.key) ?? offset;
      node = isPair(pair) ? pair.value : undefined;
    } else if (isSeq(node)) {
      node = node.items[Number(part)];
      offset = startOf(node) ?? offset;
    } else {
      return offset;
    }
  }
  return offset;
}

function startOf(node: unknown): number | undefined {
  if (typeof node !== 'object' || node === null || !('range' in node) || !Array.isArray(node.range))
    return undefined;
  return Number(node.range[0]);
}
