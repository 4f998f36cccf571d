import { lstatSync, realpathSync } from 'node:fs';
import { Failure } from '../core/failure.ts';

/** The root with all symbolic links resolved. Throws a Failure `root-missing` when it is no directory. */
export function realRoot(root: string): string {
  const stats = lstatSync(realpathOf(root), { throwIfNoEntry: false });
  if (stats?.isDirectory()) return realpathOf(root);
  throw missingRoot(root, undefined);
}

function realpathOf(root: string): string {
  try {
    return realpathSync(root);
  } catch (cause) {
    throw missingRoot(root, cause);
  }
}

function missingRoot(root: string, cause: unknown): Failure {
  return new Failure({
    code: 'root-missing',
    exit: 'usage',
    message: `expected a directory at the configured root ${root}, found none`,
    hint: 'create it, or correct `root` in the configuration',
    cause,
  });
}
