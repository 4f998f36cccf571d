import { Failure } from '../core/failure.ts';
import type { Role, Seat } from '../core/seat.ts';
import type { Database } from './database.ts';
import { countColumn, wordColumn } from './rows.ts';

const roles: readonly Role[] = ['active', 'passive'];

type Row =
  | { readonly kind: 'none' }
  | { readonly kind: 'seat'; readonly seat: Seat }
  | { readonly kind: 'damaged'; readonly found: string };

/** The node's seat and the highest epoch it heard of. Writes survive a power cut. */
export class SeatStore {
  readonly #database: Database;
  #cached: { readonly version: string; readonly seat: Seat | undefined } | undefined;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * The seat; undefined before `init`. Cheap: the row is read again only after somebody committed.
   * Throws Failure `state-corrupt` when the row is not a seat: a guess could make two nodes active.
   */
  read(): Seat | undefined {
    // Asked before the row: a commit in between shows as a change at the next read.
    const version = this.#database.version();
    if (this.#cached?.version !== version) this.#cached = { version, seat: this.#load() };
    return this.#cached.seat;
  }

  /**
   * Throws Failure `epoch-goes-back` when the epoch is lower than the seat's own, or when the node would
   * be active with an epoch lower than one that it heard of.
   */
  write(seat: Seat): void {
    this.#database.durably(() => {
      // A damaged row is no hindrance: writing is how a person mends it, and the epochs heard of still count.
      const before = this.#row();
      const heard = this.#highest();
      const least =
        seat.role === 'active'
          ? Math.max(heard, before.kind === 'seat' ? before.seat.epoch : 0)
          : before.kind === 'seat'
            ? before.seat.epoch
            : 0;
      if (seat.epoch < least) throw goesBack(seat, least);
      this.#put(seat);
    });
  }

  /**
   * Makes the node passive under a newer epoch that was met. Answers the role that it had; undefined, and nothing is written,
   * where the seat's own epoch is that one or newer by now: this node may just have been promoted by another process.
   */
  yieldTo(epoch: number): Role | undefined {
    if (epoch <= (this.read()?.epoch ?? -1)) return undefined;
    return this.#database.durably(() => {
      const before = this.#row();
      if (before.kind !== 'seat' || epoch <= before.seat.epoch) return undefined;
      this.#put({ role: 'passive', epoch });
      return before.seat.role;
    });
  }

  /**
   * Makes the node passive, under `epoch` where one is told and else its own. Answers the role that it had; undefined
   * before `init`. Throws Failure `epoch-goes-back` where it is active with that epoch or a newer one: who asks has been overtaken.
   */
  giveUp(epoch: number | undefined): Role | undefined {
    return this.#database.durably(() => {
      const before = this.#row();
      if (before.kind !== 'seat') return undefined;
      const { seat } = before;
      if (epoch !== undefined && seat.role === 'active' && epoch <= seat.epoch)
        throw goesBack({ role: 'passive', epoch }, seat.epoch + 1);
      this.#put({ role: 'passive', epoch: Math.max(seat.epoch, epoch ?? 0) });
      return seat.role;
    });
  }

  /** Remembers an epoch that was seen anywhere. Never lowers what is known. */
  learnEpoch(epoch: number): void {
    if (epoch <= this.highestEpoch()) return;
    this.#database.durably(() => this.#raise(epoch));
  }

  /** The highest epoch seen anywhere, this node's own included; 0 when none was. */
  highestEpoch(): number {
    return this.#database.read(() => this.#highest());
  }

  #load(): Seat | undefined {
    const row = this.#database.read(() => this.#row());
    if (row.kind === 'none') return undefined;
    if (row.kind === 'seat') return row.seat;
    throw new Failure({
      code: 'state-corrupt',
      exit: 'usage',
      message: `expected a role and an epoch in the state, found ${row.found}`,
      hint: 'see which node holds the service address, then set the seat with `bm-confsync demote` or `promote`',
    });
  }

  #row(): Row {
    const row = this.#database.statement('SELECT role, epoch FROM seat').get();
    if (row === undefined) return { kind: 'none' };
    const role = wordColumn(row['role'], roles);
    const epoch = countColumn(row['epoch']);
    if (role !== undefined && epoch !== undefined) return { kind: 'seat', seat: { role, epoch } };
    return { kind: 'damaged', found: JSON.stringify(row) };
  }

  #put({ role, epoch }: Seat): void {
    this.#database
      .statement(
        `INSERT INTO seat (one, role, epoch) VALUES (1, ?, ?)
         ON CONFLICT (one) DO UPDATE SET role = excluded.role, epoch = excluded.epoch`,
      )
      .run(role, epoch);
    this.#raise(epoch);
  }

  #highest(): number {
    const statement = this.#database.statement("SELECT value FROM counter WHERE name = 'epoch'");
    return countColumn(statement.get()?.['value']) ?? 0;
  }

  #raise(epoch: number): void {
    this.#database.statement("UPDATE counter SET value = max(value, ?) WHERE name = 'epoch'").run(epoch);
  }
}

function goesBack(seat: Seat, least: number): Failure {
  return new Failure({
    code: 'epoch-goes-back',
    exit: 'refused',
    message: `expected an epoch of ${least} or more for the role ${seat.role}, found ${seat.epoch}`,
    hint: 'another node was promoted since; see `bm-confsync status` on both nodes',
  });
}
