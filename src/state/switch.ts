import { type Switch, switchAt } from '../core/seat.ts';
import type { Database } from './database.ts';
import { countColumn, textColumn } from './rows.ts';

/** The HA switch of this node. Writes survive a power cut. */
export class SwitchStore {
  readonly #database: Database;
  #cached: { readonly version: string; readonly setting: Switch } | undefined;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * What the switch says at `now` (milliseconds since 1970); one that has expired counts as enabled. Cheap
   * enough for before each write to the disk, and sees at once what another process has set.
   */
  read(now: number): Switch {
    // Asked before the row: a commit in between shows as a change at the next read.
    const version = this.#database.version();
    if (this.#cached?.version !== version) this.#cached = { version, setting: this.#load() };
    return switchAt(this.#cached.setting, now);
  }

  /** Disables. `until`: milliseconds since 1970, when it ends by itself. Replaces an earlier reason and end. */
  disable(
    about: { readonly reason: string; readonly by: string; readonly until?: number },
    now: number,
  ): void {
    this.#database.durably(() =>
      this.#database
        .statement(
          `INSERT INTO switch (one, reason, since, by, until) VALUES (1, ?, ?, ?, ?)
           ON CONFLICT (one) DO UPDATE SET
             reason = excluded.reason, since = excluded.since, by = excluded.by, until = excluded.until`,
        )
        .run(about.reason, now, about.by, about.until ?? null),
    );
  }

  enable(): void {
    this.#database.durably(() => this.#database.statement('DELETE FROM switch').run());
  }

  #load(): Switch {
    const statement = this.#database.statement('SELECT reason, since, by, until FROM switch');
    const row = this.#database.read(() => statement.get());
    if (row === undefined) return { state: 'enabled' };
    const reason = textColumn(row['reason']);
    const by = textColumn(row['by']);
    const since = countColumn(row['since']);
    const until = row['until'] === null ? null : countColumn(row['until']);
    if (reason === undefined || by === undefined || since === undefined || until === undefined) {
      // There is a row, so somebody disabled it. Staying out of the way is the safe reading.
      return { state: 'disabled', reason: 'the stored switch is damaged', since: 0, by: 'bm-confsync' };
    }
    return { state: 'disabled', reason, since, by, ...(until === null ? {} : { until }) };
  }
}
