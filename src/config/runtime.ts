import { readFileSync, statSync } from 'node:fs';
import { posix } from 'node:path';

/** Where the daemon listens unless the configuration says otherwise. */
export const defaultRuntime = '/run/bm-confsync';
/** Where everything is kept unless the configuration says otherwise. */
export const defaultState = '/var/lib/bm-confsync';

/** Tells whether a file is still the one that was read: another save gives another text. Undefined where it is gone. */
export function fileStamp(file: string): string | undefined {
  const stats = statSync(file, { bigint: true, throwIfNoEntry: false });
  return stats && `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}`;
}

/**
 * The `runtime` of a configuration file, without the reading of YAML that all the rest needs. Undefined where that is
 * not plain to see: the file cannot be read, is not one key a line, or the value is more than a plain absolute path.
 */
export function quickRuntime(file: string): string | undefined {
  return quickFolder(file, 'runtime', defaultRuntime);
}

/** As quickRuntime, the `state`. */
export function quickState(file: string): string | undefined {
  return quickFolder(file, 'state', defaultState);
}

function quickFolder(file: string, key: 'runtime' | 'state', byDefault: string): string | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    return undefined;
  }
  if (!/^node:/m.test(text) || /^[-{[%?&*!|>'"]|\t|\r/m.test(text)) return undefined;
  const [line, second] = text.match(new RegExp(`^${key}\\b.*$`, 'gm')) ?? [];
  if (line === undefined) return byDefault;
  if (second !== undefined) return undefined;
  // A line further in right after it would be more of the same value.
  const found = new RegExp(`^${key}: (/[A-Za-z0-9._/-]*)$(?!\\n+ )`, 'm').exec(text)?.[1];
  return found === undefined ? undefined : posix.resolve(found);
}
