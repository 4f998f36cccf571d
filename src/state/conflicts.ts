import { createHash } from 'node:crypto';
import { type Entry, entryKey } from '../core/entry.ts';
import type { ReplicaPath } from '../core/path.ts';
import type { ConflictKind } from '../core/plan.ts';
import type { Database, OnDamaged } from './database.ts';
import { countColumn, entryColumn, pathColumn, textColumn, wordColumn } from './rows.ts';

const kinds: readonly ConflictKind[] = ['edited-on-passive', 'edited-on-both', 'first-sync'];

/** Two entries that only a person, or a policy, can choose between. At most one for a peer and a path. */
export type Conflict = {
  /**
   * Ten hexadecimal digits that stand for the passive node, the path and both entries: the same on both nodes. When an
   * entry changes, so does the id, and nobody resolves what they have not seen.
   */
  readonly id: string;
  readonly path: ReplicaPath;
  readonly kind: ConflictKind;
  /** Milliseconds since 1970, when the path first was in conflict. */
  readonly detectedAt: number;
  /** The active's epoch. */
  readonly epoch: number;
  readonly active: Entry;
  readonly passive: Entry;
  /** What both last knew to be the same; not there if they never did. */
  readonly agreed?: Entry;
  readonly peer: string;
};

/** The conflicts that wait, kept on each node that knows of them. */
export class ConflictStore {
  readonly #database: Database;
  readonly #onDamaged: OnDamaged | undefined;

  constructor(database: Database, onDamaged?: OnDamaged) {
    this.#database = database;
    this.#onDamaged = onDamaged;
  }

  /**
   * Puts or replaces the conflict of its peer and path. The time of the first detection stays. `passiveNode`: the
   * node that is passive, which is the peer where this node is active.
   */
  put(conflict: Omit<Conflict, 'id'>, passiveNode: string = conflict.peer): Conflict {
    const id = conflictId(conflict, passiveNode);
    const upsert = this.#database.statement(
      `INSERT INTO conflict (peer, path, id, kind, at, epoch, active, passive, agreed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (peer, path) DO UPDATE SET id = excluded.id, kind = excluded.kind, epoch = excluded.epoch,
         active = excluded.active, passive = excluded.passive, agreed = excluded.agreed
       RETURNING at`,
    );
    const { peer, path, kind, detectedAt, epoch, active, passive, agreed } = conflict;
    const texts = [active, passive].map((entry) => JSON.stringify(entry));
    const agreedText = agreed === undefined ? null : JSON.stringify(agreed);
    const row = this.#database.write(() =>
      upsert.get(peer, path, id, kind, detectedAt, epoch, ...texts, agreedText),
    );
    return { ...conflict, id, detectedAt: countColumn(row?.['at']) ?? detectedAt };
  }

  /** All of them, by path. */
  list(): Conflict[] {
    const statement = this.#database.statement('SELECT * FROM conflict ORDER BY path, peer');
    const rows = this.#database.read(() => statement.all());
    return rows.map((row) => this.#conflictOf(row)).filter((conflict) => conflict !== undefined);
  }

  get(id: string): Conflict | undefined {
    const statement = this.#database.statement('SELECT * FROM conflict WHERE id = ?');
    const row = this.#database.read(() => statement.get(id));
    return row === undefined ? undefined : this.#conflictOf(row);
  }

  /** The conflict of a path with a peer. */
  at(peer: string, path: ReplicaPath): Conflict | undefined {
    const statement = this.#database.statement('SELECT * FROM conflict WHERE peer = ? AND path = ?');
    const row = this.#database.read(() => statement.get(peer, path));
    return row === undefined ? undefined : this.#conflictOf(row);
  }

  /** Forgets the conflict of a path; answers whether there was one. Takes no write lock if there was none. */
  clear(peer: string, path: ReplicaPath): boolean {
    const find = this.#database.statement('SELECT 1 FROM conflict WHERE peer = ? AND path = ?');
    if (this.#database.read(() => find.get(peer, path)) === undefined) return false;
    const remove = this.#database.statement('DELETE FROM conflict WHERE peer = ? AND path = ?');
    return this.#database.write(() => remove.run(peer, path).changes === 1);
  }

  /** As clear, of many in one transaction. Answers how many there were. */
  clearAll(peer: string, paths: readonly ReplicaPath[]): number {
    const find = this.#database.statement('SELECT 1 FROM conflict WHERE peer = ? AND path = ?');
    const there = this.#database.read(() => paths.filter((path) => find.get(peer, path) !== undefined));
    if (there.length === 0) return 0;
    const remove = this.#database.statement('DELETE FROM conflict WHERE peer = ? AND path = ?');
    return this.#database.write(() =>
      there.reduce((count, path) => count + Number(remove.run(peer, path).changes), 0),
    );
  }

  /** Forgets the conflicts with every other peer than this one. Answers how many there were. */
  clearOthers(peer: string): number {
    const find = this.#database.statement('SELECT 1 FROM conflict WHERE peer <> ? LIMIT 1');
    if (this.#database.read(() => find.get(peer)) === undefined) return 0;
    const remove = this.#database.statement('DELETE FROM conflict WHERE peer <> ?');
    return this.#database.write(() => Number(remove.run(peer).changes));
  }

  count(): number {
    const statement = this.#database.statement('SELECT count(*) AS n FROM conflict');
    return this.#database.read(() => countColumn(statement.get()?.['n']) ?? 0);
  }

  #conflictOf(row: Record<string, unknown>): Conflict | undefined {
    const path = pathColumn(row['path']);
    const id = textColumn(row['id']);
    const peer = textColumn(row['peer']);
    const kind = wordColumn(row['kind'], kinds);
    const active = entryColumn(row['active']);
    const passive = entryColumn(row['passive']);
    if (!path || id === undefined || peer === undefined || !kind || !active || !passive) {
      this.#onDamaged?.({ table: 'conflict', key: String(row['path']), detail: 'not a conflict' });
      return undefined;
    }
    const detectedAt = countColumn(row['at']) ?? 0;
    const epoch = countColumn(row['epoch']) ?? 0;
    const agreed = entryColumn(row['agreed']);
    const conflict = { id, path, kind, detectedAt, epoch, active, passive, peer };
    return agreed === undefined ? conflict : { ...conflict, agreed };
  }
}

function conflictId(conflict: Omit<Conflict, 'id'>, passiveNode: string): string {
  const { path, active, passive } = conflict;
  const subject = JSON.stringify([passiveNode, path, entryKey(active), entryKey(passive)]);
  return createHash('sha256').update(subject).digest('hex').slice(0, 10);
}
