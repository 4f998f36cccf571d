import { chmodSync, closeSync, constants, openSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { Failure } from '../core/failure.ts';
import { blockThread } from '../files/block-thread.ts';
import { ensurePrivateFolder } from './private-folder.ts';
import { migrations } from './schema.ts';
import { sqliteCode, sqliteFailure } from './sqlite-failure.ts';

const fileName = 'state.db';

/** How long a statement waits for another process that writes, milliseconds. */
const busyTimeoutMs = 5000;

/**
 * A commit that finds the write-ahead log longer than this moves it to the main file, with two fsyncs, while somebody
 * waits for the commit. `checkpoint` is there to do it before, when nobody does. Pages of 4 KiB.
 */
const mostLogPages = 4000;
/** Transactions after which moving the log is worth its fsyncs. */
const fewWrites = 50;

/** Told of a row that is not what this program writes. It is treated as if it were not there. */
export type OnDamaged = (about: {
  readonly table: string;
  readonly key: string;
  readonly detail: string;
}) => void;

/**
 * The state file `<state>/state.db`: SQLite in WAL mode, shared by the daemon, the sessions that
 * receive and the command line. All access goes through `read`, `write` and `durably`, which turn SQLite's
 * errors into Failures.
 *
 * Commits are atomic against a crash of the process. Against a power cut only `durably` is: with
 * `synchronous=NORMAL` the last commits may be lost, never torn. For the ledger that costs a second look
 * at some paths; the seat, the switch and kept versions must not go back, so they are written durably.
 */
export class Database implements Disposable {
  readonly folder: string;
  readonly #sql: DatabaseSync;
  readonly #dataVersion: StatementSync;
  readonly #statements = new Map<string, StatementSync>();
  #ownWrites = 0;
  #checkpointedWrites = 0;
  #depth = 0;
  #hasLog: boolean | undefined;

  /** Use openDatabase. */
  constructor(folder: string, sql: DatabaseSync) {
    this.folder = folder;
    this.#sql = sql;
    this.#dataVersion = sql.prepare('PRAGMA data_version');
  }

  /** The prepared statement of this text, prepared once. */
  statement(text: string): StatementSync {
    const known = this.#statements.get(text);
    if (known !== undefined) return known;
    const prepared = this.#sql.prepare(text);
    this.#statements.set(text, prepared);
    return prepared;
  }

  /** Runs statements that only read. Throws Failure `state-corrupt`, `state-full`, `state-busy` or `state-io`. */
  read<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw sqliteFailure(error, this.folder);
    }
  }

  /**
   * Runs the work in one transaction that takes the write lock first, so that what it reads stays true
   * until it commits. Inside another `write` it joins that one. Throws as `read`; nothing is written then.
   */
  write<T>(work: () => T): T {
    if (this.#depth > 0) return work();
    return this.read(() => this.#transaction(work));
  }

  /**
   * As `write`, and the commit, with all that was committed before, survives a power cut: under
   * `synchronous=FULL` a commit syncs the write-ahead log, which also holds all earlier commits that are
   * not in the main file yet. The setting belongs to the connection and may change between transactions.
   */
  durably<T>(work: () => T): T {
    if (this.#depth > 0) throw new Error('a durable write cannot be part of another transaction');
    return this.read(() => {
      this.#sql.exec('PRAGMA synchronous=FULL');
      try {
        return this.#transaction(work);
      } finally {
        this.#sql.exec('PRAGMA synchronous=NORMAL');
      }
    });
  }

  /**
   * Full path of the write-ahead log, which is there while the database is open: once it is synced, all that was committed
   * before survives a power cut, as after `settle`. Undefined where the file system can have none.
   */
  get log(): string | undefined {
    this.#hasLog ??= this.#sql.prepare('PRAGMA journal_mode').get()?.['journal_mode'] === 'wal';
    return this.#hasLog ? `${join(this.folder, fileName)}-wal` : undefined;
  }

  /** Makes all that was committed so far survive a power cut. */
  settle(): void {
    this.durably(() => this.statement("UPDATE counter SET value = value + 1 WHERE name = 'settled'").run());
  }

  /** Moves what was committed to the main file, if that is worth it by now. For when nobody waits. */
  checkpoint(): void {
    if (this.#ownWrites - this.#checkpointedWrites < fewWrites) return;
    this.#checkpointedWrites = this.#ownWrites;
    // Passive: what another process reads or writes just now is left for the next time.
    this.read(() => this.statement('PRAGMA wal_checkpoint(PASSIVE)').get());
  }

  /** A text that changes whenever any process, this one included, committed something. A few microseconds. */
  version(): string {
    return `${this.#othersVersion()}.${this.#ownWrites}`;
  }

  /** As version(), of other processes and connections only. */
  othersVersion(): number {
    return this.#othersVersion();
  }

  /** What SQLite finds wrong with the file; empty when it is sound. Reads the whole file. */
  check(): string[] {
    try {
      const found = this.#sql.prepare('PRAGMA quick_check').all();
      return found.map((row) => String(Object.values(row)[0])).filter((text) => text !== 'ok');
    } catch (error) {
      return [error instanceof Error ? error.message : String(error)];
    }
  }

  close(): void {
    if (this.#sql.isOpen) this.#sql.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #othersVersion(): number {
    return this.read(() => Number(this.#dataVersion.get()?.['data_version']));
  }

  #transaction<T>(work: () => T): T {
    this.#sql.exec('BEGIN IMMEDIATE');
    this.#depth += 1;
    try {
      const result = work();
      this.#sql.exec('COMMIT');
      this.#ownWrites += 1;
      return result;
    } catch (error) {
      // A failed COMMIT on a full disk may have rolled back already.
      if (this.#sql.isTransaction) this.#sql.exec('ROLLBACK');
      throw error;
    } finally {
      this.#depth -= 1;
    }
  }
}

/**
 * Opens, creates or brings up to date `<stateFolder>/state.db` (0600, in a folder of 0700 that is created
 * when it is missing). Throws Failure `state-unsafe`, `state-newer`, `state-corrupt`, `state-full`,
 * `state-busy` or `state-io`.
 */
export function openDatabase(stateFolder: string): Database {
  ensurePrivateFolder(stateFolder, 'state');
  const file = join(stateFolder, fileName);
  let sql: DatabaseSync | undefined;
  try {
    // SQLite gives its -wal and -shm files the mode of the main file.
    closeSync(openSync(file, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600));
    chmodSync(file, 0o600);
    sql = new DatabaseSync(file, { timeout: busyTimeoutMs });
    const opened = sql;
    patiently(() => opened.exec('PRAGMA journal_mode=WAL'));
    opened.exec('PRAGMA synchronous=NORMAL');
    opened.exec(`PRAGMA wal_autocheckpoint=${mostLogPages}`);
    patiently(() => migrate(opened, file));
    return new Database(stateFolder, opened);
  } catch (error) {
    if (sql?.isOpen) sql.close();
    throw sqliteFailure(error, stateFolder);
  }
}

function migrate(sql: DatabaseSync, file: string): void {
  if (schemaVersion(sql) === migrations.length) return;
  sql.exec('BEGIN IMMEDIATE');
  try {
    // Another process may have migrated while this one waited for the lock.
    const from = schemaVersion(sql);
    if (from > migrations.length) throw newerState(file, from);
    for (const step of migrations.slice(from)) sql.exec(step);
    sql.exec(`PRAGMA user_version=${migrations.length}`);
    sql.exec('COMMIT');
  } finally {
    if (sql.isTransaction) sql.exec('ROLLBACK');
  }
}

function newerState(file: string, found: number): Failure {
  return new Failure({
    code: 'state-newer',
    exit: 'usage',
    message: `expected ${file} with schema ${migrations.length} or older, found schema ${found}`,
    hint: 'a newer bm-confsync wrote it: install that version again, or move the file aside and run `bm-confsync resync`',
  });
}

function schemaVersion(sql: DatabaseSync): number {
  return Number(sql.prepare('PRAGMA user_version').get()?.['user_version']);
}

/**
 * Repeats what finds the file locked. SQLite's own waiting does not cover the change to WAL nor the
 * recovery after a crash, which several processes may begin at the same moment.
 */
function patiently(work: () => void): void {
  for (let attempt = 0; ; attempt += 1) {
    try {
      work();
      return;
    } catch (error) {
      if (sqliteCode(error) !== 5 || attempt >= 50) throw error;
      blockThread(20);
    }
  }
}
