import { randomUUID } from 'node:crypto';
import { closeSync } from 'node:fs';
import type { Entry, FileEntry } from '../core/entry.ts';
import { Failure } from '../core/failure.ts';
import type { ReplicaPath } from '../core/path.ts';
import { type Adoption, adoptAll, type InsertedRow } from './adopt.ts';
import type { Database, OnDamaged } from './database.ts';
import { ObjectStore, syncPath } from './objects.ts';
import { type Kept, type Retention, surplus } from './retention.ts';
import { countColumn, textColumn } from './rows.ts';
import { type About, type Version, versionOf } from './version.ts';

/** `batch`: not all is durable yet, the caller does it for many at once: see `unsettledPaths` and `displacedPaths`. */
type How = { readonly batch: boolean };

export type Pruned = { readonly versions: number; readonly objects: number; readonly bytes: number };

/**
 * Keeps what replication displaced: a row a version, and the content by its digest. A crash leaves at most a content
 * without a row, which `prune` removes after an hour, or a row whose content is where it was, for the sweep to bring.
 */
export class VersionStore {
  /** The state folder. */
  readonly folder: string;
  readonly #database: Database;
  readonly #objects: ObjectStore;
  readonly #onDamaged: OnDamaged | undefined;
  /** Digests of contents. */
  readonly #unsettled = new Set<string>();
  readonly #displaced = new Set<string>();
  #unsettledRows = 0;
  #isLogNamed = false;

  constructor(database: Database, onDamaged?: OnDamaged) {
    this.folder = database.folder;
    this.#database = database;
    this.#objects = new ObjectStore(database.folder);
    this.#onDamaged = onDamaged;
  }

  /**
   * Takes over what was displaced, which is gone from `from` (may lead through `/proc/self/fd`) afterwards. The bytes
   * of a file decide: where they are not those of its entry, the version's entry gets their digest and size. Answers in
   * their order an id or why not; in that case it is still at `from` or safely kept.
   *
   * The rows come first, in one transaction that survives a power cut, and the contents after it. Whatever ends the
   * process in between leaves contents where they were, for the sweep to bring.
   */
  adoptAll(all: readonly Adoption[], options: How): (string | Error)[] {
    this.#nameLog();
    const outcomes = adoptAll(all, {
      database: this.#database,
      objects: this.#objects,
      insert: (...row) => this.#insert(...row),
      durable: !options.batch,
    });
    if (options.batch) {
      for (const { digest } of outcomes) if (digest !== undefined) this.#displaced.add(digest);
    }
    return outcomes.map(({ id, failure }) => failure ?? id);
  }

  /** As adoptAll, of one, durable when this returns. Answers the id; throws where it cannot be kept. */
  adopt(adoption: Adoption): string {
    const [outcome] = this.adoptAll([adoption], { batch: false });
    if (typeof outcome === 'string') return outcome;
    throw outcome ?? new Error('a version was neither kept nor refused');
  }

  /** Whether a version refers to a content that is not here: what ended a process between the two left it elsewhere. */
  misses(digest: string): boolean {
    if (this.#objects.has(digest)) return false;
    const statement = this.#database.statement(
      'SELECT 1 FROM version WHERE substr(object, 1, 8) = substr(?1, 1, 8) AND object = ?1 LIMIT 1',
    );
    return this.#database.read(() => statement.get(digest)) !== undefined;
  }

  /** Keeps a content that never reached the disk, as one that was refused. Answers the id. */
  keep(
    about: About & { readonly content: Uint8Array; readonly entry: FileEntry },
    { batch }: How = { batch: false },
  ): string {
    const staged = this.#objects.stageContent(about.content);
    try {
      const entry = { ...about.entry, digest: staged.digest, size: staged.size };
      const work = (): string => {
        this.#objects.place(staged, { sync: !batch });
        return this.#insert(about, entry, staged.digest).id;
      };
      const id = batch ? this.#database.write(work) : this.#database.durably(work);
      if (batch) {
        this.#unsettledRows += 1;
        this.#unsettled.add(staged.digest);
      }
      return id;
    } catch (error) {
      this.#objects.abandon(staged);
      throw error;
    } finally {
      closeSync(staged.fd);
    }
  }

  /** How many were kept with `batch` and may not survive a power cut yet. */
  get unsettled(): number {
    return this.#unsettledRows;
  }

  /** Full paths of all that has to be synced for the versions that were kept with `batch`, and their rows, to survive one. */
  unsettledPaths(): Set<string> {
    if (this.#unsettledRows === 0) return new Set();
    this.#nameLog();
    const paths = this.#objects.toSync(this.#unsettled);
    const { log } = this.#database;
    if (log === undefined) this.#database.settle();
    else paths.add(log);
    return paths;
  }

  /** All of these paths were synced, or the whole file system. */
  settled(): void {
    this.#unsettledRows = 0;
    this.#unsettled.clear();
  }

  /** How many were taken over with `batch`, and what was written to them lately is not synced. Their rows are. */
  get displaced(): number {
    return this.#displaced.size;
  }

  /** Full paths of all that has to be synced for those. */
  displacedPaths(): Set<string> {
    return this.#objects.toSync(this.#displaced);
  }

  displacedSettled(): void {
    this.#displaced.clear();
  }

  /** The versions of a path, newest first. */
  list(path: ReplicaPath): Version[] {
    const statement = this.#database.statement('SELECT * FROM version WHERE path = ? ORDER BY number DESC');
    const rows = this.#database.read(() => statement.all(path));
    return rows.map((row) => versionOf(row, this.#onDamaged)).filter((version) => version !== undefined);
  }

  get(id: string): Version | undefined {
    const row = this.#rowOf(id);
    return row === undefined ? undefined : versionOf(row, this.#onDamaged);
  }

  /**
   * A version and its content: `openContent` answers a descriptor at the beginning of the bytes, which the caller
   * closes. Throws Failure `no-such-version`; `openContent` throws Failure `version-damaged` when the bytes
   * are gone or changed, or the version is no file.
   */
  read(id: string): Version & { openContent(): number } {
    const row = this.#rowOf(id);
    const version = row === undefined ? undefined : versionOf(row, this.#onDamaged);
    if (version === undefined) {
      throw new Failure({
        code: 'no-such-version',
        exit: 'usage',
        message: `expected the id of a kept version, found ${JSON.stringify(id)}`,
        hint: 'see `bm-confsync history PATH` for the ids',
      });
    }
    return { ...version, openContent: () => this.#openContent(version) };
  }

  /**
   * Drops what the retention does not allow, oldest first, then contents that no version refers to. The newest version of
   * a path goes by its age only. Answers how much went.
   */
  prune(retention: Retention, now: number): Pruned {
    const dropped = this.#database.write(() => {
      const rows = surplus(this.#allRows(), retention, now);
      const remove = this.#database.statement('DELETE FROM version WHERE id = ?');
      for (const row of rows) remove.run(row.id);
      return rows;
    });

    // The rows are gone for good before their contents go. Under the write lock again nobody adopts meanwhile.
    return this.#database.write(() => {
      const referenced = new Set(this.#allRows().map((row) => row.object));
      const released = new Set(dropped.map((row) => row.object));
      const removed = this.#objects.removeOrphans(
        (digest, fresh) => !referenced.has(digest) && (released.has(digest) || !fresh),
        now,
      );
      return { versions: dropped.length, ...removed };
    });
  }

  /** Whoever began the database's log may not have synced its name, without which what is synced to it is lost. */
  #nameLog(): void {
    if (!this.#isLogNamed) syncPath(this.folder);
    this.#isLogNamed = true;
  }

  #insert(about: About, entry: Entry, object: string | undefined): InsertedRow {
    const { path, epoch, reason, peer, now } = about;
    const text = JSON.stringify(entry);
    const newest = this.#database
      .statement(
        'SELECT id, entry, reason, peer, number FROM version WHERE path = ? ORDER BY number DESC LIMIT 1',
      )
      .get(path);
    const again = newest?.['entry'] === text && newest['reason'] === reason && newest['peer'] === peer;
    const known = again ? textColumn(newest?.['id']) : undefined;
    if (known !== undefined) {
      // The same push refused each minute must not crowd out older versions.
      this.#database.statement('UPDATE version SET at = ?, epoch = ? WHERE id = ?').run(now, epoch, known);
      return { id: known, isNew: false };
    }
    const id = newId();
    const size = entry.kind === 'file' ? entry.size : 0;
    const number = (countColumn(newest?.['number']) ?? 0) + 1;
    this.#database
      .statement(
        `INSERT INTO version (id, path, entry, object, size, epoch, reason, peer, at, number)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(id, path, text, object ?? null, size, epoch, reason, peer, now, number);
    return { id, isNew: true };
  }

  #openContent(version: Version): number {
    if (version.entry.kind !== 'file')
      throw damaged(version, `it is a ${version.entry.kind}, without content`);
    const found = this.#objects.open(version.entry.digest);
    if (found.kind === 'intact') return found.fd;
    if (found.kind === 'missing') throw damaged(version, 'its content is gone');
    closeSync(found.fd);
    const where = this.#objects.pathOf(version.entry.digest);
    throw damaged(version, `its content changed after it was kept; what is left of it is in ${where}`);
  }

  #rowOf(id: string): Record<string, unknown> | undefined {
    const statement = this.#database.statement('SELECT * FROM version WHERE id = ?');
    return this.#database.read(() => statement.get(id));
  }

  #allRows(): Kept[] {
    const statement = this.#database.statement(
      'SELECT id, path, object, size, at FROM version ORDER BY at DESC, number DESC',
    );
    return statement.all().map((row) => ({
      id: String(row['id']),
      path: String(row['path']),
      object: textColumn(row['object']) ?? null,
      size: countColumn(row['size']) ?? 0,
      at: countColumn(row['at']) ?? 0,
    }));
  }
}

/** Ten random hexadecimal digits. Node draws the chance for many UUIDs at once; only these digits of one are all random. */
function newId(): string {
  const uuid = randomUUID();
  return `${uuid.slice(0, 8)}${uuid.slice(9, 11)}`;
}

function damaged(version: Version, what: string): Failure {
  return new Failure({
    code: 'version-damaged',
    exit: 'usage',
    message: `expected the content of version ${version.id} of ${version.path}, but ${what}`,
    hint: `choose another one: bm-confsync history ${version.path}`,
  });
}
