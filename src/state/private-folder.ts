import { mkdirSync, type Stats, statSync } from 'node:fs';
import { Failure } from '../core/failure.ts';

/**
 * Creates the folder with mode 0700 when it is missing. Throws Failure `<name>-unsafe` when it is no
 * folder, others than its owner can enter it, or it is owned by somebody else.
 */
export function ensurePrivateFolder(folder: string, name: 'state' | 'runtime'): void {
  let found: Stats;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    found = statSync(folder);
  } catch (error) {
    throw new Failure({
      code: `${name}-unsafe`,
      exit: 'usage',
      message: `cannot create or read the ${name} folder ${folder}: ${error instanceof Error ? error.message : String(error)}`,
      hint: `run as root, or set \`${name}:\` to a folder that this user can create`,
      cause: error,
    });
  }
  const mode = found.mode & 0o7777;
  const owner = process.geteuid?.() ?? found.uid;
  if ((mode & 0o077) === 0 && found.uid === owner) return;
  throw new Failure({
    code: `${name}-unsafe`,
    exit: 'usage',
    message:
      `expected the ${name} folder ${folder} with mode 0700 and owner ${owner}, ` +
      `found mode 0${mode.toString(8)} and owner ${found.uid}`,
    hint: `see who else had access, then: chown ${owner} ${folder} && chmod 700 ${folder}`,
  });
}
