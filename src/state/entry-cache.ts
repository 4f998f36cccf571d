import type { Entry } from '../core/entry.ts';
import type { EntryCache } from '../files/observation.ts';
import type { Database } from './database.ts';
import { entryColumn } from './rows.ts';

/** Parsed only when asked for: most rows of a start are looked at once, and text loads five times faster. */
type Remembered = { readonly stamp: string; readonly text: string } | Known;
type Known = { readonly stamp: string; readonly entry: Entry };

/**
 * Remembers observed entries by stamp, over restarts. All is loaded when it is opened; changes reach the
 * disk with `commit`. Losing some costs reading those files again, so nothing here is written durably, and
 * where two processes write the same path the last one wins: a wrong stamp is just a miss.
 */
export class EntryCacheStore implements EntryCache {
  readonly #database: Database;
  readonly #memory = new Map<string, Remembered>();
  readonly #pending = new Map<string, Known | undefined>();

  /** Throws the Failures of Database.read. */
  constructor(database: Database) {
    this.#database = database;
    const statement = database.statement('SELECT path, stamp, entry FROM seen');
    database.read(() => {
      for (const row of statement.iterate()) {
        const { path, stamp, entry } = row;
        if (typeof path !== 'string' || typeof stamp !== 'string' || typeof entry !== 'string') continue;
        this.#memory.set(path, { stamp, text: entry });
      }
    });
  }

  get size(): number {
    return this.#memory.size;
  }

  get(path: string): Known | undefined {
    const found = this.#memory.get(path);
    if (found === undefined || 'entry' in found) return found;
    const entry = entryColumn(found.text);
    if (entry === undefined) {
      // A damaged row is no knowledge: the file is read again and the row written anew.
      this.#memory.delete(path);
      return undefined;
    }
    const known = { stamp: found.stamp, entry };
    this.#memory.set(path, known);
    return known;
  }

  set(path: string, stamp: string, entry: Entry): void {
    const known = { stamp, entry };
    this.#memory.set(path, known);
    this.#pending.set(path, known);
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
      for (const [path, known] of this.#pending) {
        if (known === undefined) remove.run(path);
        else upsert.run(path, known.stamp, JSON.stringify(known.entry));
      }
    });
    this.#pending.clear();
  }
}
