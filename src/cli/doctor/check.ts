import type { Exit } from '../../core/failure.ts';

/** How a check ended. A warning can wait until morning; an error cannot. */
export type Result = 'ok' | 'warning' | 'error' | 'not checked';

/** One line of the report. A check that found several things has a line for each, under one name. */
export type Check = {
  readonly name: string;
  readonly result: Result;
  /** The evidence: what was expected and what was found. Not yet safe for a terminal. */
  readonly found: string;
  /** The command, or what else, that mends it. Null where there is nothing to mend. */
  readonly mend: string | null;
};

export function ok(name: string, found: string): Check {
  return { name, result: 'ok', found, mend: null };
}

export function warning(name: string, found: string, mend: string): Check {
  return { name, result: 'warning', found, mend };
}

export function error(name: string, found: string, mend: string): Check {
  return { name, result: 'error', found, mend };
}

export function notChecked(name: string, found: string): Check {
  return { name, result: 'not checked', found, mend: null };
}

/** The check that tells of the configuration: without it the others have little to stand on. */
export const configurationCheck = 'configuration';
/** Why most checks are left out without it. */
export const noConfiguration = 'the configuration cannot be read';
/** The check that tells whether a peer answers at all. */
export const reachCheck = 'reach';

/** How the command ends: `usage` for a broken configuration, `unreachable` when nothing else is wrong. */
export function exitOf(checks: readonly Check[]): Exit {
  const errors = checks.filter(({ result }) => result === 'error');
  if (errors.some(({ name }) => name === configurationCheck)) return 'usage';
  if (errors.length === 0) return 'done';
  return errors.every(({ name }) => name === reachCheck) ? 'unreachable' : 'drift';
}

/** Of a list that may be long: the first, and how many more there are. */
export function listed(all: readonly string[], most = 5): string {
  const rest = all.length - most;
  return rest > 0 ? `${all.slice(0, most).join(', ')} and ${rest} more` : all.join(', ');
}

/** Permission bits as people write them. */
export function octal(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, '0');
}

/** One word of a shell command line. */
export function shellWord(word: string): string {
  return /^[\w./:=,+@%-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
