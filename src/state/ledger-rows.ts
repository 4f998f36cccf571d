import type { Move } from '../core/move.ts';
import type { ReplicaPath } from '../core/path.ts';
import type { Database } from './database.ts';

/** The rows of a ledger below a directory, as SQL: there may be very many, and each that becomes a value costs. */

const gone = JSON.stringify({ kind: 'absent' });

/** Two searches of the key: with an OR in one, SQLite reads all rows of the peer. */
function atAndBelow(columns: string): string {
  return `SELECT ${columns} FROM ledger WHERE peer = ?1 AND path = ?2 AND present = 1
    UNION ALL SELECT ${columns} FROM ledger WHERE peer = ?1 AND path > ?3 AND path < ?4 AND present = 1`;
}

/** The first four values of such a statement. `0` is the character after `/`, so the range holds what begins with `path/`. */
function range(peer: string, path: ReplicaPath): [string, ReplicaPath, string, string] {
  return [peer, path, `${path}/`, `${path}0`];
}

/** `path` and `entry`, JSON, of all that is agreed to be at or below the path. */
export function rowsBelow(database: Database, peer: string, path: ReplicaPath): Record<string, unknown>[] {
  if (path === '/') {
    const all = database.statement('SELECT path, entry FROM ledger WHERE peer = ? AND present = 1');
    return database.read(() => all.all(peer));
  }
  const statement = database.statement(atAndBelow('path, entry'));
  return database.read(() => statement.all(...range(peer, path)));
}

const renamed = '?5 || substr(path, length(?2) + 1)';

/** What is agreed to be at and below the old name is so at the new one, and nothing at the old one. */
export function moveRows(
  database: Database,
  { peer, move, at, batch }: { peer: string; move: Move; at: number; batch: number },
): void {
  const { from, to } = move;
  const insert = database.statement(
    `INSERT INTO ledger (peer, path, entry, present, at, batch)
     SELECT * FROM (${atAndBelow(`peer, ${renamed}, entry, 1, ?6, ?7`)}) WHERE true
     ON CONFLICT (peer, path) DO UPDATE SET
       entry = excluded.entry, present = excluded.present, at = excluded.at, batch = excluded.batch`,
  );
  const set = 'UPDATE ledger SET entry = ?, present = 0, at = ?, batch = ? WHERE peer = ? AND present = 1';
  const top = database.statement(`${set} AND path = ?`);
  const below = database.statement(`${set} AND path > ? AND path < ?`);
  database.write(() => {
    insert.run(...range(peer, from), to, at, batch);
    top.run(gone, at, batch, peer, from);
    below.run(gone, at, batch, peer, `${from}/`, `${from}0`);
  });
}

/** Notes as intents that all of it is about to be at the new name, and nothing at the old one. */
export function intendMove(database: Database, peer: string, { from, to }: Move): void {
  const put = database.statement(
    `INSERT INTO intent (peer, path, entry)
     SELECT * FROM (${atAndBelow(`peer, ${renamed}, entry`)} UNION ALL ${atAndBelow('peer, path, ?6')}) WHERE true
     ON CONFLICT (peer, path) DO UPDATE SET entry = excluded.entry`,
  );
  database.write(() => put.run(...range(peer, from), to, gone));
}
