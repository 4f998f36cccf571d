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
/**
 * The report for a person: a line for what is well, then what is not with what mends it, then the verdict. What has to
 * be done stands last, where the eye is when the command has ended.
 */
export function render({ ground, checks }: Examined, io: Io): string {
  const of = (result: Result): Check[] => checks.filter((check) => check.result === result);
  const width = Math.max(0, ...of('ok').map(({ name }) => name.length));
  const well = of('ok').flatMap((check) => wellRows(check, width, io));
  const blocks = [
    notCheckedRows(of('not checked'), io),
    ...[...of('warning'), ...of('error')].map((check) => block(check, io)),
  ];
  const parts = [well, ...blocks, [verdict(ground.config?.node, checks, io)]];
  return parts
    .filter((rows) => rows.length > 0)
    .map((rows) => `${rows.join('\n')}\n`)
    .join('\n');
}

function wellRows({ name, found }: Check, width: number, io: Io): string[] {
  const indent = ' '.repeat(width + 6);
  const [first = '', ...rest] = wrapped(printable(found), columns - indent.length);
  return [
    `${paint(io, colours.ok, 'ok')}  ${name.padEnd(width)}  ${first}`,
    ...rest.map((line) => indent + line),
  ];
}

/** What is left out for one reason is said once. */
function notCheckedRows(checks: readonly Check[], io: Io): string[] {
  const byReason = Map.groupBy(checks, ({ found }) => found);
  return [...byReason].flatMap(([found, all]) => {
    const names = all.map(({ name }) => name).join(', ');
    return [
      ...wrapped(`not checked: ${names}`, columns).map((line) => paint(io, colours['not checked'], line)),
      ...wrapped(printable(found), columns - inner.length).map((line) => inner + line),
    ];
  });
}

const inner = '    ';

function block({ name, result, found, mend }: Check, io: Io): string[] {
  const text = found.split('\n').flatMap((line) => wrapped(printable(line), columns - inner.length));
  const rows = [
    `${paint(io, colours[result], result)}: ${paint(io, 'bold', name)}`,
    ...text.map((line) => inner + line),
  ];
  // A command is never broken into lines, so that it can be copied.
  return mend === null ? rows : [...rows, `${inner}${paint(io, 'cyan', 'mend:')} ${printable(mend)}`];
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
