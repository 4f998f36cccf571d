import type { PathFailure, PathProblem } from '../core/failure.ts';

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

/** What a system call's error means for a path. Rethrows what is no system error, since that is a bug. */
export function errnoFailure(error: unknown): PathFailure {
  const { code, message } = error as NodeJS.ErrnoException;
  if (!(error instanceof Error) || code === undefined || !/^E[A-Z0-9]+$/.test(code)) throw error;
  return { reason: problems[code] ?? 'io', detail: message };
}

/** The code of a system error, such as `ENOENT`. Rethrows anything else. */
export function errnoCode(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  if (!(error instanceof Error) || code === undefined) throw error;
  return code;
}
