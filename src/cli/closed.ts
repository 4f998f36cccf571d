import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Config } from '../config/load.ts';
import { Failure } from '../core/failure.ts';

/** Bits that nobody but the owner may have. */
const anything = 0o077;
const toWrite = 0o022;

/**
 * What protects the pair is closed to everybody else: the configuration says what root runs and where its files go, the
 * state holds content. Throws Failure `loose-mode`, or `foreign-owner`, for what is not; what is missing is another's matter.
 */
export function mustBeClosed(config: Config): void {
  mustBe('the configuration folder', dirname(config.file), toWrite, '0700');
  mustBe('the configuration', config.file, anything, '0600');
  mustBe('the state folder', config.state, anything, '0700');
}

/** As mustBeClosed, for our private key. */
export function mustBeClosedKey(file: string): void {
  mustBe('our private key', file, anything, '0600');
}

function mustBe(what: string, path: string, never: number, mode: string): void {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return;
  const uid = process.getuid?.() ?? 0;
  if (stats.uid !== uid && stats.uid !== 0) {
    throw new Failure({
      code: 'foreign-owner',
      exit: 'usage',
      message: `expected ${what} ${path} to belong to user ${uid}, found user ${stats.uid}, who could change it`,
      hint: `chown ${uid} ${path}`,
    });
  }
  if ((stats.mode & never) === 0) return;
  const found = (stats.mode & 0o7777).toString(8).padStart(4, '0');
  throw new Failure({
    code: 'loose-mode',
    exit: 'usage',
    message: `expected ${what} ${path} with mode ${mode}, found ${found}: ${(stats.mode & toWrite) === 0 ? 'others could read it' : 'others could change it'}`,
    hint: `chmod ${mode} ${path}`,
  });
}
