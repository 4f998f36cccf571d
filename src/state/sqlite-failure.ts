import { join } from 'node:path';
import { Failure } from '../core/failure.ts';

/** SQLite's primary result code of an error, see https://sqlite.org/rescode.html. */
export function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number')
    return undefined;
  return error.errcode & 0xff;
}

type SqliteFault = { readonly code: string; readonly what: string; readonly hint: string };

const corrupt: SqliteFault = {
  code: 'state-corrupt',
  what: 'the file is damaged',
  hint:
    'stop bm-confsync, move state.db, state.db-wal and state.db-shm aside, then `bm-confsync init` with this ' +
    "node's name and role, and `bm-confsync resync --dry-run`; kept contents stay in objects/",
};
const unusable: SqliteFault = {
  code: 'state-io',
  what: 'the file cannot be read or written',
  hint: 'see that the file system is mounted read-write and sound, and that you run as root',
};
const faults: Readonly<Record<number, SqliteFault>> = {
  5: {
    code: 'state-busy',
    what: 'another process kept it locked',
    hint: 'see what holds it: fuser -v state.db',
  },
  8: unusable,
  10: unusable,
  11: corrupt,
  13: {
    code: 'state-full',
    what: 'the disk is full',
    hint: 'free some space on the file system of the state folder',
  },
  14: unusable,
  26: corrupt,
};

/** The one translator of SQLite's errors; what is no such error comes back as it is. */
export function sqliteFailure(error: unknown, folder: string): unknown {
  if (error instanceof Failure) return error;
  const fault = faults[sqliteCode(error) ?? -1] ?? (isErrno(error) ? unusable : undefined);
  if (fault === undefined) return error;
  const message = `expected a usable ${join(folder, 'state.db')}, but ${fault.what}: ${messageOf(error)}`;
  return new Failure({ code: fault.code, exit: 'usage', message, hint: fault.hint, cause: error });
}

function isErrno(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
