import { lstatSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { Failure } from '../../core/failure.ts';
import { replaceFile } from './replace-file.ts';

/** What lets the key of one node run the receiver here, and nothing else. Format: sshd(8), AUTHORIZED_KEYS. */
export type Admitted = {
  /** `ssh-ed25519 AAAA…`. */
  readonly publicKey: string;
  /** Name of the node, for the comment. */
  readonly node: string;
  /** The shell command that runs, whatever is asked for. */
  readonly command: string;
  /** Addresses it may come from. */
  readonly from: readonly string[];
};

export type Edited = 'kept' | 'changed';

export function authorizedLine({ publicKey, node, command, from }: Admitted): string {
  const quoted = command.replaceAll('\\', '\\\\').replaceAll('"', '\\"');
  return `restrict,command="${quoted}",from="${from.join(',')}" ${publicKey} bm-confsync@${node}`;
}

/** The text with exactly one line for this key, in the place of the first that was there. No other line is touched. */
export function withLine(text: string, admitted: Admitted): string {
  const line = authorizedLine(admitted);
  const lines = linesOf(text);
  if (lines.filter((one) => hasKey(one, admitted.publicKey)).join() === line) return text;
  const first = lines.findIndex((one) => hasKey(one, admitted.publicKey));
  if (first < 0) return textOf([...lines, line]);
  return textOf(
    lines.flatMap((one, at) => (at === first ? [line] : hasKey(one, admitted.publicKey) ? [] : [one])),
  );
}

/** The text without any line that pairing wrote for this node. */
export function withoutLines(text: string, node: string): string {
  const lines = linesOf(text);
  const ours = (line: string): boolean =>
    line.startsWith('restrict,command="bm-confsync receive') && line.endsWith(` bm-confsync@${node}`);
  const left = lines.filter((line) => !ours(line));
  return left.length === lines.length ? text : textOf(left);
}

function linesOf(text: string): string[] {
  const lines = text.split('\n');
  return lines.at(-1) === '' ? lines.slice(0, -1) : lines;
}

function textOf(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('');
}

/** Whether it is a line for this key: a comment is none, though it may hold one. */
function hasKey(line: string, publicKey: string): boolean {
  return !line.trimStart().startsWith('#') && ` ${line} `.includes(` ${publicKey} `);
}

/**
 * Changes an authorized_keys file, which is made where there is none. Throws Failure `loose-keys` for one that somebody
 * else may write to, or that is a link: sshd would not trust it, and neither do we.
 */
export function editAuthorizedKeys(file: string, edit: (text: string) => string): Edited {
  const folder = dirname(file);
  const before = lstatSync(file, { throwIfNoEntry: false });
  if (before === undefined) mkdirSync(folder, { recursive: true, mode: 0o700 });
  mustBeOurs(folder, 'directory');
  if (before !== undefined) mustBeOurs(file, 'file');
  const text = before === undefined ? '' : readFileSync(file, 'utf8');
  const edited = edit(text);
  if (edited === text) return 'kept';
  replaceFile(file, edited);
  return 'changed';
}

function mustBeOurs(path: string, kind: 'file' | 'directory'): void {
  const stats = lstatSync(path);
  const right = kind === 'file' ? stats.isFile() : stats.isDirectory();
  const found = !right
    ? stats.isSymbolicLink()
      ? 'a symbolic link'
      : 'something else'
    : stats.uid !== process.getuid?.()
      ? `that it belongs to user ${stats.uid}`
      : (stats.mode & 0o022) !== 0
        ? `mode ${(stats.mode & 0o777).toString(8)}`
        : undefined;
  if (found === undefined) return;
  throw new Failure({
    code: 'loose-keys',
    exit: 'usage',
    message: `expected ${path} to be a ${kind} of this user that nobody else may write to, found ${found}`,
    hint: right ? `chown root ${path} && chmod go-w ${path}` : `make it a ${kind}, and pair again`,
  });
}
