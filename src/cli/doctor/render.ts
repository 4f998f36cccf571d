import { printable } from '../../core/path.ts';
import type { Io } from '../io.ts';
import { count, paint } from '../render.ts';
import type { Check, Result } from './check.ts';
import type { Examined } from './examine.ts';

/** Columns of the narrowest screen that is thought of. */
const columns = 80;
const colours = {
  ok: 'green',
  'not checked': 'dim',
  warning: 'yellow',
  error: 'red',
} as const satisfies Record<Result, string>;
/** What has to be done stands last, where the eye is when the command has ended. */
const order: readonly Result[] = ['ok', 'not checked', 'warning', 'error'];

/** The report for a person: a line for what is well, then what is not with what mends it, then the verdict. */
export function render({ ground, checks }: Examined, io: Io): string {
  const resultWidth = Math.max(...order.map((word) => word.length)) + 2;
  const nameWidth = Math.max(...checks.map(({ name }) => name.length)) + 2;
  const lines = order.flatMap((result) =>
    checks
      .filter((check) => check.result === result)
      .flatMap((check) => rowsOf(check, { io, resultWidth, nameWidth })),
  );
  return [...lines, '', verdict(ground.config?.node, checks, io), ''].join('\n');
}

type Widths = { readonly io: Io; readonly resultWidth: number; readonly nameWidth: number };

function rowsOf({ name, result, found, mend }: Check, { io, resultWidth, nameWidth }: Widths): string[] {
  const indent = resultWidth + nameWidth;
  const text = found.split('\n').flatMap((line) => wrapped(printable(line), columns - indent));
  const head = `${paint(io, colours[result], result.padEnd(resultWidth))}${name.padEnd(nameWidth)}`;
  const rows = text.map((line, at) => `${at === 0 ? head : ' '.repeat(indent)}${line}`);
  // A command is never broken into lines, so that it can be copied.
  return mend === null
    ? rows
    : [...rows, `${' '.repeat(resultWidth)}${paint(io, 'bold', 'mend:')} ${printable(mend)}`];
}

/** Lines of at most `width` columns, broken at spaces where there are any. */
export function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (longer.length > width && line !== '') {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  return [...lines, line];
}

function verdict(node: string | undefined, checks: readonly Check[], io: Io): string {
  const of = (result: Result): number => checks.filter((check) => check.result === result).length;
  const [errors, warnings, left] = [of('error'), of('warning'), of('not checked')];
  const parts = [
    ...(errors > 0 ? [paint(io, 'red', count(errors, 'error'))] : []),
    ...(warnings > 0 ? [paint(io, 'yellow', count(warnings, 'warning'))] : []),
    ...(left > 0 ? [`${left} not checked`] : []),
  ];
  const who = node === undefined ? 'this node' : printable(node);
  if (parts.length === 0) return `${who}: ${paint(io, 'green', 'all is well')}, ${count(of('ok'), 'check')}`;
  return `${who}: ${parts.join(', ')}, ${of('ok')} ok`;
}

/** The report for a program. `ok`: there is no error. */
export function asJson({ ground, checks }: Examined): unknown {
  return {
    ok: checks.every(({ result }) => result !== 'error'),
    node: ground.config?.node ?? null,
    checks: checks.map(({ name, result, found, mend }) => ({ name, result, found, mend })),
  };
}
