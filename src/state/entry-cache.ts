import { isCanary } from '../core/canary.ts';
import type { Entry } from '../core/entry.ts';
import { type Packed, packEntry, unpackEntry } from '../core/packed.ts';
import type { EntryCache } from '../files/observation.ts';
import type { Database } from './database.ts';
import { entryColumn, packedColumn } from './rows.ts';

/**
 * Remembers observed entries by stamp, over restarts. All is loaded when it is first asked; changes reach the
 * disk with `commit`. Losing some costs reading those files again, so nothing here is written durably, and
 * where two processes write the same path the last one wins: a wrong stamp is just a miss.
 */
export class EntryCacheStore implements EntryCache {
  readonly #database: Database;
  /** By path the stamp, a line feed and the packed entry: one text each, since there may be very many. */
  #loaded: Map<string, string> | undefined;
  readonly #pending = new Map<string, string | undefined>();

  constructor(database: Database) {
    this.#database = database;
  }

  /** Throws the Failures of Database.read, as whatever asks first. */
  get size(): number {
    return this.#memory.size;
  }

  get(path: string): { readonly stamp: string; readonly entry: Entry } | undefined {
    const found = this.#memory.get(path);
    if (found === undefined) return undefined;
    const end = found.indexOf('\n');
    const entry = unpackEntry(found.slice(end + 1));
    return entry === undefined ? undefined : { stamp: found.slice(0, end), entry };
  }

  packed(path: string, stamp: string): Packed | undefined {
    const found = this.#memory.get(path);
    if (found === undefined || !found.startsWith(stamp) || found.charCodeAt(stamp.length) !== lineFeed)
      return undefined;
    return found.slice(stamp.length + 1);
  }

  set(path: string, stamp: string, entry: Entry): void {
    // It is another one each time.
    if (isCanary(path)) return;
    const text = `${stamp}\n${packEntry(entry)}`;
    this.#memory.set(path, text);
    this.#pending.set(path, text);
  }

  delete(path: string): void {
    // Also where memory holds nothing: another process may have written the row since.
    this.#memory.delete(path);
    this.#pending.set(path, undefined);
  }

  /** Writes all changes in one transaction. On a Failure they stay and the next commit tries again. */
  commit(): void {
    if (this.#pending.size === 0) return;
    this.#database.write(() => {
      const upsert = this.#database.statement(
        `INSERT INTO seen (path, stamp, entry) VALUES (?, ?, ?)
         ON CONFLICT (path) DO UPDATE SET stamp = excluded.stamp, entry = excluded.entry`,
      );
      const remove = this.#database.statement('DELETE FROM seen WHERE path = ?');
      for (const [path, text] of this.#pending) {
        if (text === undefined) remove.run(path);
        else upsert.run(path, text.slice(0, text.indexOf('\n')), text.slice(text.indexOf('\n') + 1));
      }
    });
    this.#pending.clear();
  }

  get #memory(): Map<string, string> {
    this.#loaded ??= this.#load();
    return this.#loaded;
  }

  #load(): Map<string, string> {
    const loaded = new Map<string, string>();
    const statement = this.#database.statement('SELECT path, stamp, entry FROM seen');
    this.#database.read(() => {
      for (const { path, stamp, entry } of statement.iterate()) {
        if (typeof path !== 'string' || typeof stamp !== 'string' || stamp.includes('\n')) continue;
        const packed = packedColumn(entry) ?? this.#inOldForm(path, stamp, entry);
        if (packed !== undefined) loaded.set(path, `${stamp}\n${packed}`);
      }
    });
    return loaded;
  }

  /** Rows were JSON once: they are taken over. What is neither is no knowledge, and the file is read again. */
  #inOldForm(path: string, stamp: string, column: unknown): Packed | undefined {
    const entry = entryColumn(column);
    if (entry === undefined) return undefined;
    const packed = packEntry(entry);
    this.#pending.set(path, `${stamp}\n${packed}`);
    return packed;
  }
}

const lineFeed = 10;
