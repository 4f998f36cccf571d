import type { Entry } from '../core/entry.ts';
import type { Move } from '../core/move.ts';
import type { ReplicaPath } from '../core/path.ts';
import type { Database } from './database.ts';
import { intendMove } from './ledger-rows.ts';
import { entryColumn, pathColumn } from './rows.ts';

/**
 * What a receiver is about to place for a peer. Between placing and remembering, and after a crash there, the
 * disk holds what no ledger knows; the intent tells that it came from the peer.
 */
export class IntentStore {
  readonly #database: Database;
  readonly #peer: string;

  constructor(database: Database, peer: string) {
    this.#database = database;
    this.#peer = peer;
  }

  /** Notes what is about to be placed. Joins a transaction that is open. */
  put(pushes: readonly { readonly path: ReplicaPath; readonly put: Entry }[]): void {
    const upsert = this.#database.statement(
      `INSERT INTO intent (peer, path, entry) VALUES (?, ?, ?)
       ON CONFLICT (peer, path) DO UPDATE SET entry = excluded.entry`,
    );
    this.#database.write(() => {
      for (const { path, put } of pushes) upsert.run(this.#peer, path, JSON.stringify(put));
    });
  }

  /** Notes that a directory is about to move, with all that the ledger of this peer has at and below it. */
  putMove(move: Move): void {
    intendMove(this.#database, this.#peer, move);
  }

  /** What was about to be placed there, if anything. */
  get(path: ReplicaPath): Entry | undefined {
    const find = this.#database.statement('SELECT entry FROM intent WHERE peer = ? AND path = ?');
    return this.#database.read(() => entryColumn(find.get(this.#peer, path)?.['entry']));
  }

  /** All of them: more than none only while a batch is placed, or after a crash. */
  list(): { path: ReplicaPath; put: Entry }[] {
    const all = this.#database.statement('SELECT path, entry FROM intent WHERE peer = ?');
    return this.#database.read(() =>
      all.all(this.#peer).flatMap((row) => {
        const path = pathColumn(row['path']);
        const put = entryColumn(row['entry']);
        return path === undefined || put === undefined ? [] : [{ path, put }];
      }),
    );
  }

  /** Forgets all of them, once what was placed is remembered. Joins a transaction that is open. */
  clear(): void {
    const remove = this.#database.statement('DELETE FROM intent WHERE peer = ?');
    this.#database.write(() => remove.run(this.#peer));
  }
}
