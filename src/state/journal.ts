import * as z from 'zod';
import type { Entry } from '../core/entry.ts';
import type { ReplicaPath } from '../core/path.ts';
import { entry, path } from '../wire/entry.ts';
import type { Database, OnDamaged } from './database.ts';
import { textColumn } from './rows.ts';

/** One file of a group: what takes the place of what, and under which name it waits or what it displaced lies. */
export type JournalMember = {
  readonly path: ReplicaPath;
  /** Its temporary name, as a replica path. */
  readonly temporary: ReplicaPath;
  readonly replaces: Entry;
  readonly put: Entry;
};

/** A group that is being placed. */
export type JournalGroup = {
  /** The node that sent it, and its epoch. */
  readonly peer: string;
  readonly epoch: number;
  readonly members: readonly JournalMember[];
  /** All members are in place, durably: from here on it can only be completed. */
  readonly placed: boolean;
};

/** What placing a group needs: each step survives a power cut before the next one begins. */
export type GroupJournal = {
  open(id: string, group: Omit<JournalGroup, 'placed'>): void;
  placed(id: string): void;
  close(id: string): void;
};

const shape: z.ZodType<JournalGroup> = z.strictObject({
  peer: z.string(),
  epoch: z.int().nonnegative(),
  members: z.array(z.strictObject({ path, temporary: path, replaces: entry, put: entry })),
  placed: z.boolean(),
});

/** The groups that are being placed, in the table `journal`. A row is left only by a crash. */
export class JournalStore implements GroupJournal {
  readonly #database: Database;
  readonly #onDamaged: OnDamaged | undefined;

  constructor(database: Database, onDamaged?: OnDamaged) {
    this.#database = database;
    this.#onDamaged = onDamaged;
  }

  /** Notes a group before its first rename, durably. Throws the Failures of Database.write. */
  open(id: string, group: Omit<JournalGroup, 'placed'>): void {
    const insert = this.#database.statement('INSERT INTO journal (id, members) VALUES (?, ?)');
    this.#database.durably(() => insert.run(id, JSON.stringify({ ...group, placed: false })));
  }

  /** Notes that every member is in place, durably. */
  placed(id: string): void {
    const update = this.#database.statement(
      "UPDATE journal SET members = json_set(members, '$.placed', json('true')) WHERE id = ?",
    );
    this.#database.durably(() => update.run(id));
  }

  /** Forgets a group that is complete or as it was. Joins a transaction that is open. */
  close(id: string): void {
    const remove = this.#database.statement('DELETE FROM journal WHERE id = ?');
    this.#database.write(() => remove.run(id));
  }

  /** What a crash left. A row that is not ours is told of and left out; `close` removes it. */
  list(): { readonly id: string; readonly group: JournalGroup }[] {
    const all = this.#database.statement('SELECT id, members FROM journal');
    return this.#database.read(() =>
      all.all().flatMap((row) => {
        const id = String(row['id']);
        const parsed = shape.safeParse(parsedJson(textColumn(row['members']) ?? ''));
        if (parsed.success) return [{ id, group: parsed.data }];
        this.#onDamaged?.({ table: 'journal', key: id, detail: 'not a group' });
        return [];
      }),
    );
  }
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
