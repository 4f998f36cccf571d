import { absent, type Entry, entryKey, identicalEntry } from '../core/entry.ts';
import type { Move, MovedPath } from '../core/move.ts';
import type { Packed } from '../core/packed.ts';
import type { ReplicaPath } from '../core/path.ts';
import type { ConflictKind } from '../core/plan.ts';
import type { PushOutcome } from './session.ts';
import { Unacked } from './unacked.ts';

/** What both nodes last knew to be the same. `record` is buffered until `commit`. */
export type AgreedEntries = {
  readonly size: number;
  get(path: ReplicaPath): Entry | undefined;
  /** Whether exactly this is agreed, a file's mtime included. */
  holds(path: ReplicaPath, packed: Packed): boolean;
  record(path: ReplicaPath, entry: Entry): void;
  below(path: ReplicaPath): ReplicaPath[];
  /** As below, with what is agreed to be there. */
  packedBelow(path: ReplicaPath): [ReplicaPath, Packed][];
  /** Both renamed a directory, with all that is agreed to be below it. Written down when it returns. */
  move(move: Move): void;
  commit(): void;
};

/** Whether both nodes last knew the path to hold nothing, or never agreed on it. */
export function agreesOnNothing(ledger: Pick<AgreedEntries, 'get'>, path: ReplicaPath): boolean {
  return (ledger.get(path) ?? absent).kind === 'absent';
}

/** So many agreements in one turn of the event loop are a part of many. */
const bulkRecords = 50;
/** How long those of the next turns are waited for, milliseconds. */
const bulkRestMs = 25;

export type FoundConflict = {
  readonly path: ReplicaPath;
  readonly kind: ConflictKind;
  readonly active: Entry;
  readonly passive: Entry;
  /** What both last knew to be the same; not there where they never did. */
  readonly agreed?: Entry;
};

/** The ledger of one peer as the sender uses it: what was agreed, and what is on its way without an ack. */
export class Agreements {
  readonly unacked = new Unacked();
  readonly #ledger: AgreedEntries;
  /** Conflicts that the peer knows of since this session began, by path. */
  readonly #conflicts = new Map<ReplicaPath, string>();
  /** While a full reconcile is under way: what was answered since it began, which its manifests may be older than. */
  #answered: Map<ReplicaPath, PushOutcome> | undefined;
  #commitPlanned = false;
  /** Records since the last commit. */
  #recorded = 0;

  constructor(ledger: AgreedEntries) {
    this.#ledger = ledger;
  }

  /** Whether an entry of this node is news for the peer. */
  differs(path: ReplicaPath, entry: Entry): boolean {
    return !identicalEntry(this.#ledger.get(path) ?? absent, entry);
  }

  /** Remembers that both nodes hold this. */
  agree(path: ReplicaPath, entry: Entry): void {
    const known = this.#ledger.get(path);
    const news = known === undefined ? entry.kind !== 'absent' : !identicalEntry(known, entry);
    if (news) this.#record(path, entry);
  }

  /** Both nodes renamed a directory, with all that is below it. */
  move(moved: readonly MovedPath[]): void {
    const [top] = moved;
    if (top === undefined) return;
    for (const { from, to } of moved)
      for (const path of [from, to]) this.noteAnswer(path, { kind: 'applied' });
    this.#ledger.move(top);
  }

  /** Whether what the peer holds came from here without an ack having come back: then it is agreed after all. */
  takeOwn(path: ReplicaPath, passive: Entry): boolean {
    const sent = this.unacked.take(path, passive);
    if (sent !== undefined) this.#record(path, sent);
    return sent !== undefined;
  }

  /**
   * A full reconcile begins. What it goes by says nothing of the paths that this map comes to hold, each with the last answer
   * to a push of it.
   */
  beginReconcile(): ReadonlyMap<ReplicaPath, PushOutcome> {
    this.#answered = new Map();
    return this.#answered;
  }

  endReconcile(): void {
    this.#answered = undefined;
  }

  /** The peer answered a push of this path, whatever it said. */
  noteAnswer(path: ReplicaPath, outcome: PushOutcome): void {
    this.#answered?.set(path, outcome);
  }

  /** What the peer's answer to a push means; it knows of the conflict from here on. */
  conflictOf(
    path: ReplicaPath,
    active: Entry,
    answer: { readonly conflict: ConflictKind; readonly found: Entry },
  ): FoundConflict {
    this.#conflicts.set(path, conflictKey(active, answer.found));
    const agreed = this.#ledger.get(path);
    const known = agreed === undefined ? {} : { agreed };
    return { path, kind: answer.conflict, active, passive: answer.found, ...known };
  }

  /** Whether the peer knows of exactly this conflict, so that it need not be offered again. */
  isKnownConflict(path: ReplicaPath, active: Entry, passive: Entry): boolean {
    return this.#conflicts.get(path) === conflictKey(active, passive);
  }

  /** A new session: the peer may have forgotten. */
  begin(): void {
    this.#conflicts.clear();
  }

  commit(): void {
    this.#commitPlanned = false;
    this.#recorded = 0;
    this.#ledger.commit();
  }

  /**
   * Acks of one turn of the event loop are remembered in one transaction, and those of a bulk, which come in many turns, in
   * one for a moment. A crash before it costs a second look.
   */
  #record(path: ReplicaPath, entry: Entry): void {
    this.#ledger.record(path, entry);
    this.#recorded += 1;
    if (this.#commitPlanned) return;
    this.#commitPlanned = true;
    setImmediate(() => {
      if (this.#recorded < bulkRecords) this.commit();
      else setTimeout(() => this.commit(), bulkRestMs);
    });
  }
}

function conflictKey(active: Entry, passive: Entry): string {
  return `${entryKey(active)} ${entryKey(passive)}`;
}
