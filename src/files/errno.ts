import type { PathFailure, PathProblem } from '../core/failure.ts';

/** The one translator of errno. */

const problems: Readonly<Record<string, PathProblem>> = {
  ENOSPC: 'no-space',
  EDQUOT: 'no-space',
  EROFS: 'read-only',
  EACCES: 'permission',
  EPERM: 'permission',
  ENOTSUP: 'no-xattrs',
  EOPNOTSUPP: 'no-xattrs',
  ENOTEMPTY: 'not-empty',
  EEXIST: 'not-empty',
  ENAMETOOLONG: 'bad-path',
};

/**
 * What a system call's error means for a path. `path`: what the user knows it by, named in the detail instead
 * of the way through a descriptor. Rethrows what is no system error, since that is a bug.
 */
export function errnoFailure(error: unknown, path?: string): PathFailure {
  const code = errnoCode(error);
  const { message, syscall } = error as NodeJS.ErrnoException;
  const detail = path === undefined ? message : `${code}: ${syscall ?? 'system call'} ${path}`;
  return { reason: problems[code] ?? 'io', detail };
}

/** The code of a system error, such as `ENOENT`. Rethrows anything else, also Node's own `ERR_…`. */
export function errnoCode(error: unknown): string {
  if (!(error instanceof Error)) throw error;
  const { code } = error as NodeJS.ErrnoException;
  if (code === undefined || !/^E[A-Z0-9]+$/.test(code)) throw error;
  return code;
}
