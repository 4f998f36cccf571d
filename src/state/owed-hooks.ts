import type { Database } from './database.ts';
import { textColumn } from './rows.ts';

/** Apply hooks that have to run and did not yet: what they are about may be in place already. */
export class OwedHookStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** `key`: names a command line. */
  owe(key: string): void {
    const insert = this.#database.statement('INSERT OR IGNORE INTO owed_hook (command) VALUES (?)');
    this.#database.write(() => insert.run(key));
  }

  paid(key: string): void {
    const remove = this.#database.statement('DELETE FROM owed_hook WHERE command = ?');
    this.#database.write(() => remove.run(key));
  }

  list(): string[] {
    const all = this.#database.statement('SELECT command FROM owed_hook ORDER BY command');
    return this.#database.read(() => all.all().flatMap((row) => textColumn(row['command']) ?? []));
  }
}
