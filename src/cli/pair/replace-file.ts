import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * Puts a text in place of a file in one step, durable, with mode 0600. `check` is given the new file before it is in
 * place; when that throws, the old one stays. Throws system errors.
 */
export function replaceFile(
  file: string,
  text: string,
  check: (staged: string) => void = () => undefined,
): void {
  const folder = dirname(file);
  const staged = join(folder, `.bm-confsync-${randomBytes(6).toString('hex')}~`);
  const fd = openSync(staged, 'wx', 0o600);
  try {
    writeSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  try {
    check(staged);
    renameSync(staged, file);
  } catch (error) {
    rmSync(staged, { force: true });
    throw error;
  }
  const opened = openSync(folder, 'r');
  try {
    fsyncSync(opened);
  } finally {
    closeSync(opened);
  }
}
