import { isCanary } from '../core/canary.ts';
import type { Entry } from '../core/entry.ts';
import { afterMove, type Move } from '../core/move.ts';
import { type Packed, packEntry, unpackEntry } from '../core/packed.ts';
import { childOf, isAtOrBelow, isBelow, nameOf, parentOf, type ReplicaPath } from '../core/path.ts';
import { Folder } from '../files/folder.ts';
import type { EntryCache } from '../files/observation.ts';
import { stateOfStamp } from '../files/statx.ts';
import type { Database } from './database.ts';
import { countColumn, entryColumn, packedColumn, pathColumn } from './rows.ts';

/** So many paths that do not exist any more may stay remembered, beside those of a tree like the one that is there. */
const fewForgotten = 1000;

type Known = { readonly stamp: string; readonly packed: Packed };

/**
 * Remembers observed entries by stamp, over restarts. All is loaded when it is first asked; changes reach the
 * disk with `commit`. Losing some costs reading those files again, so nothing here is written durably, and
 * where two processes write the same path the last one wins: a wrong stamp is just a miss.
 */
export class EntryCacheStore implements EntryCache {
  readonly #database: Database;
  /** Files of one directory together: there may be very many. */
  #folders: Map<ReplicaPath, Folder> | undefined;
  /** What was remembered since its directory was walked. It counts before what the folder knows. */
  readonly #single = new Map<string, Known>();
  readonly #pending = new Map<string, Known | undefined>();
  #asksOthers = false;

  constructor(database: Database) {
    this.#database = database;
  }

  /** How many are remembered. Throws the Failures of Database.read, as whatever asks first. */
  get size(): number {
    // Only to be told of, it need not be loaded.
    if (this.#folders === undefined) return this.#rows();
    let size = 0;
    for (const folder of this.#loaded.values()) size += folder.size;
    for (const path of this.#single.keys()) if (this.#inFolder(path) === undefined) size += 1;
    return size;
  }

  get(path: string): { readonly stamp: string; readonly entry: Entry } | undefined {
    const known = this.#known(path);
    const entry = known === undefined ? undefined : unpackEntry(known.packed);
    return known === undefined || entry === undefined ? undefined : { stamp: known.stamp, entry };
  }

  knows(path: string): boolean {
    return this.#known(path) !== undefined;
  }

  packed(path: string, seen: { readonly stamp: string }): Packed | undefined {
    const known = this.#known(path);
    return known !== undefined && known.stamp === seen.stamp ? known.packed : undefined;
  }

  /**
   * From now on `learn` looks for what other processes wrote. On a passive node the daemon and a receiver look at the same
   * files: what one has read the other need not read.
   */
  askOthers(): void {
    this.#asksOthers = true;
  }

  learn(path: string, stamp: string): Entry | undefined {
    if (!this.#asksOthers) return undefined;
    const statement = this.#database.statement('SELECT stamp, entry FROM seen WHERE path = ?');
    const row = this.#database.read(() => statement.get(path));
    const packed = row?.['stamp'] === stamp ? packedColumn(row['entry']) : undefined;
    const entry = packed === undefined ? undefined : unpackEntry(packed);
    if (packed === undefined || entry === undefined) return undefined;
    this.#folders ??= this.#load();
    this.#single.set(path, { stamp, packed });
    return entry;
  }

  set(path: string, stamp: string, entry: Entry): void {
    // It is another one each time.
    if (isCanary(path)) return;
    const known = { stamp, packed: packEntry(entry) };
    // What is loaded later would count as newer.
    this.#folders ??= this.#load();
    this.#single.set(path, known);
    this.#pending.set(path, known);
  }

  delete(path: string): void {
    const place = this.#inFolder(path);
    // Also where memory holds nothing: another process may have written the row since.
    this.#forget(path);
    if (place !== undefined) this.#loaded.set(place.folder.path, place.folder.without(place.name));
  }

  moved(move: Move): void {
    const { from } = move;
    const inFolders = [...this.#loaded.values()]
      .filter(({ path }) => isAtOrBelow(path, from))
      .flatMap(({ path, names }) => names.map((name) => childOf(path, name)));
    const single = [...this.#single.keys()].map((path) => path as ReplicaPath);
    for (const path of new Set([...inFolders, ...single.filter((one) => isBelow(one, from))])) {
      const known = this.#known(path);
      if (known === undefined) continue;
      const now = afterMove(path, move);
      this.#single.set(now, known);
      this.#pending.set(now, known);
    }
  }

  folder(directory: ReplicaPath): Folder | undefined {
    return this.#loaded.get(directory);
  }

  keep(folder: Folder): void {
    const { path, names, walked } = folder;
    const before = this.#loaded.get(path);
    this.#loaded.set(path, folder);
    if (this.#single.size > 0) for (const name of names) this.#single.delete(childOf(path, name));
    if (before === undefined || before === folder) return;
    const others = new Set(walked?.others);
    for (const [place, name] of before.names.entries()) {
      if (folder.placeOf(name) >= 0) continue;
      const child = childOf(path, name);
      // It has extended attributes, say. What is not there any more need not be known.
      if (!others.has(name)) this.#forget(child);
      else if (!this.#single.has(child))
        this.#single.set(child, { stamp: before.stampAt(place), packed: before.packedAt(place) ?? '' });
    }
  }

  retain(count: number, exists: (path: ReplicaPath) => boolean): void {
    if (this.size <= 2 * count + fewForgotten) return;
    for (const [path, folder] of this.#loaded) {
      const children = folder.names.map((name) => childOf(path, name));
      if (exists(path) || children.some(exists)) continue;
      for (const child of children) this.#forget(child);
      this.#loaded.delete(path);
    }
    for (const path of this.#single.keys()) if (!exists(path as ReplicaPath)) this.#forget(path);
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
        else upsert.run(path, known.stamp, known.packed);
      }
    });
    this.#pending.clear();
  }

  #rows(): number {
    const statement = this.#database.statement('SELECT count(*) AS n FROM seen');
    return this.#database.read(() => countColumn(statement.get()?.['n']) ?? 0);
  }

  #known(path: string): Known | undefined {
    const place = this.#inFolder(path);
    const single = this.#single.get(path);
    if (single !== undefined || place === undefined) return single;
    const { folder, at } = place;
    return { stamp: folder.stampAt(at), packed: folder.packedAt(at) ?? '' };
  }

  #inFolder(path: string): { folder: Folder; name: string; at: number } | undefined {
    const folder = this.#loaded.get(parentOf(path as ReplicaPath));
    const name = nameOf(path as ReplicaPath);
    const at = folder?.placeOf(name) ?? -1;
    return folder === undefined || at < 0 ? undefined : { folder, name, at };
  }

  #forget(path: string): void {
    this.#single.delete(path);
    this.#pending.set(path, undefined);
  }

  get #loaded(): Map<ReplicaPath, Folder> {
    this.#folders ??= this.#load();
    return this.#folders;
  }

  #load(): Map<ReplicaPath, Folder> {
    const rows = new Map<ReplicaPath, Rows>();
    const statement = this.#database.statement('SELECT path, stamp, entry FROM seen ORDER BY path');
    this.#database.read(() => {
      for (const { path: column, stamp, entry } of statement.iterate()) {
        const path = pathColumn(column);
        if (path === undefined || typeof stamp !== 'string') continue;
        const packed = packedColumn(entry) ?? this.#inOldForm(path, stamp, entry);
        if (packed === undefined) continue;
        const state = stateOfStamp(stamp);
        if (state === undefined) this.#single.set(path, { stamp, packed });
        else add(rows, path, { packed, state });
      }
    });
    return new Map([...rows].map(([path, row]) => [path, folderOf(path, row)]));
  }

  /** Rows were JSON once: they are taken over. What is neither is no knowledge, and the file is read again. */
  #inOldForm(path: string, stamp: string, column: unknown): Packed | undefined {
    const entry = entryColumn(column);
    if (entry === undefined) return undefined;
    const packed = packEntry(entry);
    this.#pending.set(path, { stamp, packed });
    return packed;
  }
}

/** Of one directory. */
type Rows = { readonly names: string[]; readonly packed: Packed[]; readonly states: number[] };

function add(
  all: Map<ReplicaPath, Rows>,
  path: ReplicaPath,
  row: { readonly packed: Packed; readonly state: readonly number[] },
): void {
  const directory = parentOf(path);
  const rows = all.get(directory) ?? { names: [], packed: [], states: [] };
  all.set(directory, rows);
  rows.names.push(nameOf(path));
  rows.packed.push(row.packed);
  for (const part of row.state) rows.states.push(part);
}

function folderOf(path: ReplicaPath, { names, packed, states }: Rows): Folder {
  return new Folder({ path, names, packed, states: Uint32Array.from(states) });
}
