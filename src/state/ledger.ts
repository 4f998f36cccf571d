import { Branches } from '../core/branches.ts';
import { absent, type Entry } from '../core/entry.ts';
import { afterMove, type Move } from '../core/move.ts';
import { type Packed, packEntry, unpacked } from '../core/packed.ts';
import { isAtOrBelow, type ReplicaPath } from '../core/path.ts';
import type { Database, OnDamaged } from './database.ts';
import { moveRows, rowsBelow } from './ledger-rows.ts';
import { countColumn, entryColumn, packedJsonColumn, pathColumn } from './rows.ts';

/** How long an agreed absence is remembered, milliseconds. */
const tombstoneMs = 30 * 24 * 3600 * 1000;

export type LedgerOptions = {
  /** The node that the entries are agreed with. */
  readonly peer: string;
  /** `memory` loads all at once, for the daemon; `direct` reads rows when asked, for a short session. */
  readonly mode: 'memory' | 'direct';
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly onDamaged?: OnDamaged;
};

/** null: forgotten on purpose, to be taken for never agreed. */
type Remembered = Entry | null;
/** As it is kept in memory, where there may be very many. */
type Kept = Packed | null;

/**
 * The agreed entries with one peer. `undefined` means never agreed; the entry `absent` means agreed to be
 * gone, which is remembered for 30 days and then pruned. `record` and `forget` are seen by `get` at once
 * and reach the disk with `commit`; a crash before it costs a second look at those paths.
 *
 * Several processes may use the ledger of one peer. In memory mode `refresh` brings in what others committed.
 */
export class Ledger {
  readonly peer: string;
  readonly #database: Database;
  readonly #options: LedgerOptions;
  readonly #pending = new Map<ReplicaPath, Remembered>();
  readonly #memory: Map<ReplicaPath, Kept> | undefined;
  /** In memory: directories above anything that is there. */
  readonly #branches = new Branches((path) => isHeld(this.#memory?.get(path)));
  #present = 0;
  #seenVersion = -1;
  #seenBatch = -1;

  /** Throws the Failures of Database.read. */
  constructor(database: Database, options: LedgerOptions) {
    this.peer = options.peer;
    this.#database = database;
    this.#options = options;
    if (options.mode === 'memory') {
      this.#memory = new Map();
      this.refresh();
    }
  }

  /** The agreed entry; undefined where the nodes never agreed. */
  get(path: ReplicaPath): Entry | undefined {
    return this.#remembered(path) ?? undefined;
  }

  /** Whether exactly this is agreed, a file's mtime included. */
  holds(path: ReplicaPath, packed: Packed): boolean {
    if (this.#memory !== undefined) {
      const same = this.#memory.get(path) === packed;
      // One text serves both, where there may be very many: the other is given up.
      if (same) this.#memory.set(path, packed);
      return same;
    }
    const agreed = this.get(path);
    return agreed !== undefined && packEntry(agreed) === packed;
  }

  /** Notes that both nodes hold all of these; what is known already costs a comparison. */
  recordAll(entries: Iterable<readonly [ReplicaPath, Packed]>): void {
    const stored = this.#memory ?? this.#loadSince(-1);
    for (const [path, packed] of entries) {
      const pending = this.#pending.get(path);
      const known = pending === undefined ? stored.get(path) : kept(pending);
      if (known !== packed) this.#note(path, unpacked(packed));
    }
  }

  /** Whether there is an agreement about the path, be it that nothing is there. */
  known(path: ReplicaPath): boolean {
    return this.get(path) !== undefined;
  }

  /** Notes that both nodes hold this entry. */
  record(path: ReplicaPath, entry: Entry): void {
    this.#note(path, entry);
  }

  /** Notes that nothing is agreed about the path any more, as when it left the watchlist. */
  forget(path: ReplicaPath): void {
    this.#note(path, null);
  }

  /** How many records wait for `commit`. */
  get uncommitted(): number {
    return this.#pending.size;
  }

  /** Writes all records in one transaction. On a Failure they stay and the next commit tries again. */
  commit(): void {
    if (this.#pending.size === 0) return;
    const at = this.#options.now();
    this.#database.write(() => {
      const batch = this.#nextBatch();
      const upsert = this.#database.statement(
        `INSERT INTO ledger (peer, path, entry, present, at, batch) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (peer, path) DO UPDATE SET
           entry = excluded.entry, present = excluded.present, at = excluded.at, batch = excluded.batch`,
      );
      for (const [path, entry] of this.#pending) {
        const text = entry === null ? null : JSON.stringify(entry);
        upsert.run(this.peer, path, text, isPresent(entry) ? 1 : 0, at, batch);
      }
    });
    this.#pending.clear();
  }

  /** Agreed paths at or below `path` where something is. In no order. */
  below(path: ReplicaPath): ReplicaPath[] {
    if (this.#memory !== undefined && !this.#branches.has(path))
      return isHeld(this.#memory.get(path)) ? [path] : [];
    if (this.#memory !== undefined && path.indexOf('/', 1) < 0) return presentBelow(this.#memory, path);
    return [...this.#rowsBelow(path).keys()];
  }

  /** As below, with what is agreed to be there. */
  packedBelow(path: ReplicaPath): [ReplicaPath, Packed][] {
    const memory = this.#memory;
    const found: Iterable<[ReplicaPath, Kept]> =
      memory === undefined
        ? [...this.#rowsBelow(path)].map(([known, json]) => [known, this.#packedOf(known, json)])
        : this.below(path).map((known) => [known, memory.get(known) ?? null]);
    const all: [ReplicaPath, Packed][] = [];
    for (const [known, packed] of found) if (packed !== null) all.push([known, packed]);
    return all;
  }

  /** Paths at or below `path` where something is, those that wait for `commit` among them, with their entries as JSON. */
  #rowsBelow(path: ReplicaPath): Map<ReplicaPath, unknown> {
    const found = new Map<ReplicaPath, unknown>();
    for (const row of rowsBelow(this.#database, this.peer, path)) {
      // What is in memory was checked when it was read.
      const isKnown = this.#memory?.has(row['path'] as ReplicaPath) === true;
      const known = isKnown ? (row['path'] as ReplicaPath) : pathColumn(row['path']);
      if (known !== undefined) found.set(known, row['entry']);
    }
    for (const [pending, entry] of this.#pending) {
      if (!isAtOrBelow(pending, path)) continue;
      if (isPresent(entry)) found.set(pending, JSON.stringify(entry));
      else found.delete(pending);
    }
    return found;
  }

  /** A directory is agreed to have another name, with all that is below it; nothing may be agreed to be there. Committed. */
  move(move: Move): void {
    const moved = this.#memory === undefined ? [] : this.packedBelow(move.from);
    this.commit();
    this.#database.write(() => {
      const about = { peer: this.peer, move, at: this.#options.now() };
      moveRows(this.#database, { ...about, batch: this.#nextBatch() });
    });
    for (const [path, packed] of moved) {
      this.#put(afterMove(path, move), packed);
      this.#put(path, kept(absent));
    }
  }

  /** How many agreed paths hold something. */
  get size(): number {
    if (this.#memory !== undefined) return this.#present;
    const statement = this.#database.statement(
      'SELECT count(*) AS n FROM ledger WHERE peer = ? AND present = 1',
    );
    let count = this.#database.read(() => countColumn(statement.get(this.peer)?.['n']) ?? 0);
    for (const [path, entry] of this.#pending) {
      count += Number(isPresent(entry)) - Number(isPresent(this.#stored(path)));
    }
    return count;
  }

  /** All agreements, those on an absence included, as they are now; records made meanwhile do not show. */
  entries(): [ReplicaPath, Entry][] {
    const all = new Map(this.#memory ?? this.#loadSince(-1));
    for (const [path, entry] of this.#pending) all.set(path, kept(entry));
    const known: [ReplicaPath, Entry][] = [];
    for (const [path, packed] of all) if (packed !== null) known.push([path, unpacked(packed)]);
    return known;
  }

  /**
   * In memory mode, takes over what other processes committed since, and answers how many paths that were.
   * Records of this process that are not committed yet stay as they are. A few microseconds when nothing changed.
   */
  refresh(): number {
    const memory = this.#memory;
    if (memory === undefined) return 0;
    const version = this.#database.othersVersion();
    if (version === this.#seenVersion) return 0;
    const changed = this.#loadSince(this.#seenBatch);
    for (const [path, entry] of changed) if (!this.#pending.has(path)) this.#put(path, entry);
    this.#seenVersion = version;
    return changed.size;
  }

  /** Drops what was agreed to be gone, or was forgotten, more than 30 days ago. Answers how many rows. */
  prune(): number {
    const before = this.#options.now() - tombstoneMs;
    const statement = this.#database.statement(
      'DELETE FROM ledger WHERE peer = ? AND present = 0 AND at < ?',
    );
    // Other processes keep such an absence in memory until they start again, which changes no decision.
    return this.#database.write(() => Number(statement.run(this.peer, before).changes));
  }

  #note(path: ReplicaPath, entry: Remembered): void {
    this.#pending.set(path, entry);
    if (this.#memory !== undefined) this.#put(path, kept(entry));
  }

  /** In memory. */
  #put(path: ReplicaPath, entry: Kept): void {
    const [held, wasHeld] = [isHeld(entry), isHeld(this.#memory?.get(path))];
    this.#memory?.set(path, entry);
    if (held === wasHeld) return;
    this.#present += held ? 1 : -1;
    if (held) this.#branches.added(path);
    else this.#branches.removed(path);
  }

  #remembered(path: ReplicaPath): Remembered | undefined {
    if (this.#memory !== undefined) {
      const packed = this.#memory.get(path);
      return typeof packed === 'string' ? unpacked(packed) : packed;
    }
    const pending = this.#pending.get(path);
    return pending === undefined ? this.#stored(path) : pending;
  }

  #stored(path: ReplicaPath): Remembered | undefined {
    const statement = this.#database.statement('SELECT entry FROM ledger WHERE peer = ? AND path = ?');
    const row = this.#database.read(() => statement.get(this.peer, path));
    return row === undefined ? undefined : this.#entryOf(path, row['entry']);
  }

  /** Rows of batches after `batch`; remembers the newest batch in memory mode. */
  #loadSince(batch: number): Map<ReplicaPath, Kept> {
    const columns = 'SELECT path, entry, batch FROM ledger WHERE peer = ?';
    // All of them in the order of the key; a few by the index of batches.
    const all = batch < 0;
    const statement = this.#database.statement(all ? columns : `${columns} AND batch > ?`);
    const values = all ? [this.peer] : [this.peer, batch];
    const loaded = new Map<ReplicaPath, Kept>();
    this.#database.read(() => {
      for (const row of statement.iterate(...values)) {
        this.#seenBatch = Math.max(this.#seenBatch, countColumn(row['batch']) ?? -1);
        const path = pathColumn(row['path']);
        if (path === undefined) this.#damaged(String(row['path']), 'not a path');
        else loaded.set(path, this.#packedOf(path, row['entry']));
      }
    });
    return loaded;
  }

  #entryOf(path: ReplicaPath, column: unknown): Remembered | undefined {
    if (column === null) return null;
    const entry = entryColumn(column);
    if (entry === undefined) this.#damaged(path, 'not an entry');
    return entry;
  }

  #packedOf(path: ReplicaPath, column: unknown): Kept {
    if (column === null) return null;
    const packed = packedJsonColumn(column);
    if (packed === undefined) this.#damaged(path, 'not an entry');
    return packed ?? null;
  }

  #damaged(key: string, detail: string): void {
    this.#options.onDamaged?.({ table: 'ledger', key, detail });
  }

  /** Grows with each commit of any process, in the order of the commits: they hold the write lock. */
  #nextBatch(): number {
    const statement = this.#database.statement(
      "UPDATE counter SET value = value + 1 WHERE name = 'batch' RETURNING value",
    );
    return countColumn(statement.get()?.['value']) ?? 0;
  }
}

function isPresent(entry: Remembered | undefined): boolean {
  return entry !== undefined && entry !== null && entry.kind !== 'absent';
}

function kept(entry: Remembered): Kept {
  return entry === null ? null : packEntry(entry);
}

function isHeld(entry: Kept | undefined): boolean {
  return typeof entry === 'string' && entry !== '-';
}

/** A search of all, which costs less than reading most of them from the database. */
function presentBelow(memory: ReadonlyMap<ReplicaPath, Kept>, path: ReplicaPath): ReplicaPath[] {
  const found: ReplicaPath[] = [];
  for (const [known, entry] of memory) if (isHeld(entry) && isAtOrBelow(known, path)) found.push(known);
  return found;
}
