import { closeSync, rmdirSync, unlinkSync } from 'node:fs';
import type { Entry } from '../core/entry.ts';
import type { Database } from './database.ts';
import type { ObjectStore, Staged } from './objects.ts';
import type { About } from './version.ts';

/** A displaced file, link or directory, which has the full path `from` and is to become a version. */
export type Adoption = About & {
  readonly from: string;
  readonly entry: Entry;
  /** Of the file when it was found to be `entry`, while nobody had it open for writing. Default: it is read. */
  readonly stamp?: string | undefined;
};

/** The row of a version. Not new where one that says the same was renewed. */
export type InsertedRow = { readonly id: string; readonly isNew: boolean };

export type AdoptTools = {
  readonly database: Database;
  readonly objects: ObjectStore;
  /** Called within a transaction. */
  readonly insert: (about: Adoption, entry: Entry, object: string | undefined) => InsertedRow;
  /** Makes each content survive a power cut before this returns, as each row does anyway. */
  readonly durable: boolean;
};

/** `digest`: of the content that was taken over. With a failure nothing was, and `id` means nothing. */
export type Adopted = {
  readonly id: string;
  readonly digest: string | undefined;
  readonly failure: Error | undefined;
};

/** Contents that are taken over in one transaction: each is open until it is in its place. */
const mostAtOnce = 512;

/** One version on its way. */
type Step = {
  readonly adoption: Adoption;
  readonly staged: Staged | undefined;
  row: InsertedRow;
  failure: Error | undefined;
};

/**
 * Makes versions of what was displaced, and takes it away from where it is. The rows come first, in one transaction that
 * survives a power cut, and the contents after it: whatever ends the process or the machine in between leaves contents
 * where they were, where the sweep finds them. What cannot be kept is where it was, as it was, or safely in the store
 * under another name.
 */
export function adoptAll(all: readonly Adoption[], tools: AdoptTools): Adopted[] {
  const outcomes: Adopted[] = [];
  for (let at = 0; at < all.length; at += mostAtOnce)
    outcomes.push(...adoptSome(all.slice(at, at + mostAtOnce), tools));
  return outcomes;
}

function adoptSome(all: readonly Adoption[], tools: AdoptTools): Adopted[] {
  const { database } = tools;
  const steps = all.map((adoption) => stage(adoption, tools));
  const ready = steps.filter(({ failure }) => failure === undefined);
  try {
    const insertAll = (): void => {
      for (const step of ready) step.row = insert(step, tools);
    };
    if (ready.length > 0) database.durably(insertAll);
    for (const step of ready) consume(step, tools);
  } catch (error) {
    for (const step of ready) undo(step, error, tools);
  } finally {
    for (const { staged } of steps) if (staged !== undefined) closeSync(staged.fd);
  }
  return steps.map(({ row, staged, failure }) => ({ id: row.id, digest: staged?.digest, failure }));
}

function stage(adoption: Adoption, { objects }: AdoptTools): Step {
  const step = { adoption, staged: undefined, row: { id: '', isNew: false }, failure: undefined };
  const { from, entry, stamp } = adoption;
  if (entry.kind !== 'file') return step;
  try {
    const { digest, size } = entry;
    const seen = stamp === undefined ? undefined : { digest, size, stamp };
    return { ...step, staged: objects.stageFile(from, seen) };
  } catch (error) {
    return { ...step, failure: errorOf(error) };
  }
}

function insert({ adoption, staged }: Step, tools: AdoptTools): InsertedRow {
  const { entry } = adoption;
  if (entry.kind !== 'file' || staged === undefined) return tools.insert(adoption, entry, undefined);
  const { digest, size } = staged;
  return tools.insert(adoption, { ...entry, digest, size }, digest);
}

/** Moves what has a row by now to where it belongs. */
function consume(step: Step, tools: AdoptTools): void {
  const { adoption, staged } = step;
  try {
    if (staged === undefined) return removeEntry(adoption);
    tools.objects.place(staged, { sync: tools.durable });
    if (staged.consume === undefined) return;
    // A file that was moved is there whatever a power cut undoes; of one that was copied nothing else is left.
    tools.objects.sync([staged.digest]);
    unlinkSync(staged.consume);
  } catch (error) {
    undo(step, error, tools);
  }
}

/** What could not be kept gets its name back, and loses its row. */
function undo(step: Step, why: unknown, { database, objects }: AdoptTools): void {
  const { staged, row } = step;
  step.failure = errorOf(why);
  try {
    if (staged !== undefined) objects.abandon(staged);
    const remove = database.statement('DELETE FROM version WHERE id = ?');
    if (row.isNew) database.write(() => remove.run(row.id));
  } catch (error) {
    // Why it was not kept is what counts; the row that stays names a content that cannot be read.
    step.failure.cause ??= error;
  }
}

function removeEntry({ entry, from }: Adoption): void {
  if (entry.kind === 'directory') rmdirSync(from);
  else if (entry.kind !== 'absent') unlinkSync(from);
}

function errorOf(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
