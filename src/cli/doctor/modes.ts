import { type Stats, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Config } from '../../config/load.ts';
import { type Check, error, octal, ok, shellWord, warning } from './check.ts';

/** A file or folder that protects the pair, as it is on the disk. */
export type Guarded = {
  readonly what:
    | 'configuration folder'
    | 'configuration file'
    | 'private key'
    | 'state folder'
    | 'runtime folder';
  readonly path: string;
  /** Undefined: there is none. */
  readonly found: { readonly mode: number; readonly uid: number } | undefined;
};

/** Looks at what is named; at the folder of the configuration alone where that cannot be read. */
export function guardedBy(file: string, config: Config | undefined): Guarded[] {
  const keys = new Set(config?.peers.map(({ identityFile }) => identityFile));
  return [
    look('configuration folder', dirname(file)),
    look('configuration file', file),
    ...[...keys].map((key) => look('private key', key)),
    ...(config === undefined
      ? []
      : [look('state folder', config.state), look('runtime folder', config.runtime)]),
  ];
}

function look(what: Guarded['what'], path: string): Guarded {
  const stats = statsOf(path);
  return {
    what,
    path,
    found: stats === undefined ? undefined : { mode: stats.mode & 0o7777, uid: stats.uid },
  };
}

/** Undefined also where this user may not look, which the configuration's check tells of. */
function statsOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (problem) {
    if ((problem as NodeJS.ErrnoException).code === undefined) throw problem;
    return undefined;
  }
}

/** What others may not have, and what it is brought to. What only lets others read no secret is a warning. */
const rules = {
  'configuration folder': { never: 0o022, better: 0o077, mode: '0700' },
  'configuration file': { never: 0o077, better: 0o077, mode: '0600' },
  'private key': { never: 0o077, better: 0o077, mode: '0600' },
  'state folder': { never: 0o077, better: 0o077, mode: '0700' },
  'runtime folder': { never: 0o077, better: 0o077, mode: '0700' },
} as const satisfies Record<Guarded['what'], object>;

/** `uid`: whose all of it has to be, which is root's in earnest. `init`: the command that makes what is missing. */
export function judgeModes(guarded: readonly Guarded[], uid: number, init: string): Check[] {
  const checks = guarded.flatMap((one) => judgeOne(one, uid, init));
  if (checks.length > 0) return checks;
  return [ok('modes', `${guarded.length} files and folders are closed to everybody but their owner`)];
}

function judgeOne({ what, path, found }: Guarded, uid: number, init: string): Check[] {
  const name = 'modes';
  const file = shellWord(path);
  if (found === undefined) {
    if (what !== 'private key') return [];
    const mend = `${init} && bm-confsync pair root@PEER`;
    return [error(name, `expected our private key in ${path}, found none`, mend)];
  }
  const { never, better, mode } = rules[what];
  const as = `expected the ${what} ${path} with mode ${mode}`;
  if (found.uid !== uid)
    return [error(name, `${as} and owner ${uid}, found owner ${found.uid}`, `chown ${uid} ${file}`)];
  const mend = `chmod ${mode} ${file}`;
  if ((found.mode & never) !== 0) return [error(name, `${as}, found ${octal(found.mode)}`, mend)];
  return (found.mode & better) === 0 ? [] : [warning(name, `${as}, found ${octal(found.mode)}`, mend)];
}
