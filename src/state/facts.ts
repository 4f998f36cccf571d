import * as z from 'zod';
import type { Database } from './database.ts';
import { countColumn, textColumn } from './rows.ts';

/** The last word of the active about how far behind this node is. */
const standing = z.object({
  pending: z.int().nonnegative(),
  conflicts: z.int().nonnegative(),
  halt: z.string().nullable(),
  held: z.array(z.tuple([z.string(), z.string()])),
});

const shapes = {
  /** Name of the node that last opened a session to replicate: the active, as far as this node knows. */
  active: z.string(),
  standing,
  /** Whether the active replicates the same paths as this node. */
  watchlistsAgree: z.boolean(),
} as const;

type Facts = { readonly [Name in keyof typeof shapes]: z.output<(typeof shapes)[Name]> };
export type Standing = Facts['standing'];

/** Single facts that outlive a process, each with the time when it was noted, milliseconds since 1970. */
export class FactStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Undefined where nothing was noted, or something that is not ours. */
  get<Name extends keyof Facts>(
    name: Name,
  ): { readonly value: Facts[Name]; readonly at: number } | undefined {
    const find = this.#database.statement('SELECT value, at FROM fact WHERE name = ?');
    const row = this.#database.read(() => find.get(name));
    const text = textColumn(row?.['value']);
    if (text === undefined) return undefined;
    const parsed = shapes[name].safeParse(parseJson(text));
    return parsed.success
      ? { value: parsed.data as Facts[Name], at: countColumn(row?.['at']) ?? 0 }
      : undefined;
  }

  set<Name extends keyof Facts>(name: Name, value: Facts[Name], now: number): void {
    const upsert = this.#database.statement(
      `INSERT INTO fact (name, value, at) VALUES (?, ?, ?)
       ON CONFLICT (name) DO UPDATE SET value = excluded.value, at = excluded.at`,
    );
    this.#database.write(() => upsert.run(name, JSON.stringify(value), now));
  }

  clear(name: keyof Facts): void {
    const remove = this.#database.statement('DELETE FROM fact WHERE name = ?');
    this.#database.write(() => remove.run(name));
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
