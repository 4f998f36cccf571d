import { judgeEdit, type KnownConflict } from '../core/conflict.ts';
import { DirtyPaths } from '../core/dirty.ts';
import { type Entry, sameEntry } from '../core/entry.ts';
import { isBelow, type ReplicaPath } from '../core/path.ts';
import type { Observation } from '../files/observation.ts';
import { racyMs } from '../files/observe.ts';
import type { Slice } from '../files/scan.ts';
import type { Scanned } from '../files/walk.ts';
import type { Hint } from '../watch/hint.ts';
import { topmost } from '../watch/second-looks.ts';

/** What this node and the active agreed on, as receivers write it while this process runs. */
export type AgreedHere = {
  /** How many paths are agreed to hold something; 0 before the first sync. */
  readonly size: number;
  /** Brings in what other processes committed. */
  refresh(): void;
  get(path: ReplicaPath): Entry | undefined;
  /** What a receiver is about to place there. */
  intended(path: ReplicaPath): Entry | undefined;
  below(path: ReplicaPath): ReplicaPath[];
};

export type EditsOptions = {
  readonly agreed: AgreedHere;
  readonly includes: (path: ReplicaPath) => boolean;
  readonly look: (
    paths: Iterable<ReplicaPath>,
    onSeen: (path: ReplicaPath, observation: Observation) => void,
  ) => void;
  /** Whether the path shows the entry at first sight, without being read. */
  readonly resembles: (path: ReplicaPath, entry: Entry) => boolean;
  readonly walk: (options: { from?: ReplicaPath; lazy?: boolean }) => AsyncIterable<Slice<Scanned>>;
  readonly known: (path: ReplicaPath) => KnownConflict | undefined;
  readonly onRecord: (path: ReplicaPath, conflict: KnownConflict) => void;
  readonly onClear: (path: ReplicaPath) => void;
  /** All that was hinted at is judged. */
  readonly onRest: () => void;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly deleteHoldMs: number;
  readonly maxWaitMs: number;
};

/** Looks at this many paths before the event loop gets its turn. */
const looksPerTurn = 200;
/** A path whose ledger moved while it was looked at is looked at again so often before it waits for its turn. */
const looksAtOnce = 5;
const lookAgainMs = 100;
/**
 * How long nothing happens before what happened is judged, as long as a second allows. Nearly all of it is a receiver's doing: when
 * it has placed and remembered a batch, one look is enough, and until then it has the processors for itself. What is read sooner
 * after it changed may not be remembered, and would be read once more. Milliseconds.
 */
const restMs = racyMs + 10;
/**
 * So many paths at once are a receiver's doing for sure. While more come, they wait for it to finish, as long as a
 * second allows: an edit among them is to be told within one. Then they are glanced at: what shows by size and time what
 * was placed, or is about to be, is read later, when the receiver does not need the processor. Milliseconds.
 */
const burstPaths = 100;
const burstRestMs = 100;
/** A receiver says nothing while it makes a batch durable, which takes so long on a slow disk. Milliseconds. */
const batchMs = 300;
const longestBurstRestMs = 500;
const readLaterMs = 3000;
/** What was changed so long ago is read in any case, milliseconds. */
const longestUnreadMs = 10_000;
/**
 * Directories that come or move ask for walks, several times each, and nearly all of them are a receiver's doing too.
 * One walk takes up what was asked for since the first; one that takes long is not begun again at once. Milliseconds.
 */
const walkRestMs = 500;
const longestWalkRestMs = 5000;
/** At most this share of the time is spent on walks that were asked for by events. */
const walkShare = 1 / 5;

/**
 * Notices edits on the passive node: what its disk holds and no active put there. Changes nothing on disk;
 * what receivers place is told apart by the ledger and by what they intend.
 */
export class Edits {
  readonly #options: EditsOptions;
  readonly #dirty: DirtyPaths;
  #timer: NodeJS.Timeout | undefined;
  #dueAt = 0;
  #hintedAt = 0;
  #burstSince = 0;
  #walks: Promise<void> = Promise.resolve();
  #wanted = new Set<ReplicaPath>();
  #wantedSince = 0;
  #walkTimer: NodeJS.Timeout | undefined;
  #walkRestMs = walkRestMs;
  #stopped = false;

  constructor(options: EditsOptions) {
    this.#options = options;
    this.#dirty = new DirtyPaths({ deleteHoldMs: options.deleteHoldMs, maxWaitMs: options.maxWaitMs });
  }

  /** Paths that were hinted at and not judged yet. */
  get waiting(): number {
    return this.#dirty.size;
  }

  hint(hint: Hint): void {
    switch (hint.kind) {
      case 'path':
        return this.#hintPath(hint.path, hint.change);
      case 'tree':
        return this.#walkSoon(hint.path);
      case 'everything':
        return this.walk('/' as ReplicaPath);
    }
  }

  /** Looks at everything at or below a path, as at the start, when nobody watched. */
  walk(from: ReplicaPath): void {
    this.#walks = this.#walks.then(() => this.#walkNow(from));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#walkTimer);
    await this.#walks;
  }

  #walkSoon(from: ReplicaPath): void {
    if (this.#stopped) return;
    if (this.#wanted.size === 0) this.#wantedSince = this.#options.now();
    this.#wanted.add(from);
    this.#walkTimer ??= setTimeout(() => this.#walkWanted(), this.#walkRestMs);
  }

  #walkWanted(): void {
    const begun = this.#options.now();
    if (this.#comesMore(begun) && begun - this.#wantedSince < longestWalkRestMs) {
      this.#walkTimer = setTimeout(() => this.#walkWanted(), burstRestMs);
      return;
    }
    this.#walkTimer = undefined;
    const wanted = topmost(this.#wanted);
    this.#wanted = new Set();
    for (const from of wanted) this.walk(from);
    void this.#walks.then(() => {
      const tookMs = Math.max(0, this.#options.now() - begun);
      this.#walkRestMs = Math.min(longestWalkRestMs, Math.max(walkRestMs, tookMs / walkShare));
    });
  }

  async #walkNow(from: ReplicaPath): Promise<void> {
    const { agreed, walk } = this.#options;
    agreed.refresh();
    // Before the first sync nothing is agreed, and nothing can be told to be an edit.
    if (this.#stopped || agreed.size === 0) return;
    const seen = new Set<ReplicaPath>();
    for await (const slice of walk({ from, lazy: true })) {
      if (this.#stopped) return;
      for (const scanned of slice) {
        seen.add(scanned.path);
        this.#judgeScanned(scanned);
      }
    }
    for (const path of agreed.below(from)) if (!seen.has(path)) this.#hintPath(path, 'rename');
  }

  #judgeScanned(scanned: Scanned): void {
    const { path } = scanned;
    // It will be judged by a look of its own, for which it is read.
    if (this.#dirty.has(path)) return;
    if (scanned.unread === true) return this.#hintPath(path, 'rename');
    const { agreed, known } = this.#options;
    const { observation } = scanned;
    const entry = observation.kind === 'entry' ? observation.entry : undefined;
    const asAgreed = entry !== undefined && sameEntry(entry, agreed.get(path) ?? { kind: 'absent' });
    if (!asAgreed || known(path) !== undefined) this.#hintPath(path, 'rename');
  }

  #hintPath(path: ReplicaPath, change: 'rename' | 'write'): void {
    if (this.#stopped || !this.#options.includes(path)) return;
    this.#dirty.hint(path, change, this.#options.now());
    const now = this.#options.now();
    if (now - this.#hintedAt > batchMs) this.#burstSince = now;
    this.#hintedAt = now;
    this.#planLooks(restMs);
  }

  /** `leastMs`: how soon the next looks may come. */
  #planLooks(leastMs: number): void {
    const at = this.#dirty.nextAt();
    if (at === undefined || this.#stopped) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      return;
    }
    const due = Math.max(at, this.#options.now() + leastMs);
    if (this.#timer !== undefined && this.#dueAt <= due) return;
    clearTimeout(this.#timer);
    this.#dueAt = due;
    this.#timer = setTimeout(() => this.#lookNow(), due - this.#options.now());
  }

  #lookNow(): void {
    this.#timer = undefined;
    const now = this.#options.now();
    const comesMore = this.#comesMore(now);
    const restLeftMs = comesMore ? burstRestMs : restMs - (now - this.#hintedAt);
    if (restLeftMs > 0 && now - this.#burstSince < longestBurstRestMs) return this.#planLooks(restLeftMs);
    if (!comesMore) this.#burstSince = now;
    let due = this.#dirty.takeDue(now, looksPerTurn);
    // All that has gathered is looked at before the next rest begins.
    if (due.length < looksPerTurn) this.#burstSince = now;
    if (comesMore) due = this.#withoutPlaced(due, now);
    this.#options.agreed.refresh();
    this.#options.look(due, (path, seen) => this.#judge(path, seen, now));
    this.#planLooks(0);
    if (this.#dirty.size === 0) this.#options.onRest();
  }

  /** Whether a receiver is at work: much has changed, and the last of it a moment ago. */
  #comesMore(now: number): boolean {
    return this.#dirty.size >= burstPaths && now - this.#hintedAt <= batchMs;
  }

  /** Leaves for later what shows at first sight what the receiver put there. */
  #withoutPlaced(due: readonly ReplicaPath[], now: number): ReplicaPath[] {
    const { agreed, known, resembles } = this.#options;
    agreed.refresh();
    return due.filter((path) => {
      const isOld = now - (this.#dirty.sinceOf(path) ?? now) > longestUnreadMs;
      if (isOld || known(path) !== undefined) return true;
      const shows = (entry: Entry | undefined): boolean => entry !== undefined && resembles(path, entry);
      if (!shows(agreed.get(path)) && !shows(agreed.intended(path))) return true;
      this.#dirty.retry(path, now, readLaterMs);
      return false;
    });
  }

  #judge(path: ReplicaPath, first: Observation, now: number): void {
    let seen = first;
    const { agreed, known, look } = this.#options;
    for (let looks = 0; looks < looksAtOnce; looks += 1) {
      if (seen.kind === 'unstable') return void this.#dirty.unstable(path, now);
      if (seen.kind !== 'entry') return this.#dirty.settled(path);
      // By far the most: it is what was agreed when this turn began, and there is nothing to clear either. Should a receiver
      // have placed another one since, and somebody this one again, the events of that are still to be read.
      if (this.#isAgreed(path, seen.entry)) return this.#settle(path, seen.entry, now);
      agreed.refresh();
      const before = agreed.get(path);
      if (this.#isAgreed(path, seen.entry)) return this.#settle(path, seen.entry, now);
      const intended = agreed.intended(path);
      // The disk is read between two readings of the ledger: a receiver may place the path at this very moment.
      look([path], (_, again) => {
        seen = again;
      });
      agreed.refresh();
      if (seen.kind !== 'entry' || !sameOrBoth(before, agreed.get(path))) continue;
      if (intended !== undefined && sameEntry(seen.entry, intended)) return this.#dirty.settled(path);
      if (seen.entry.kind === 'absent' && before !== undefined && !this.#dirty.gone(path, now)) return;
      this.#settle(path, seen.entry, now);
      return this.#conclude(path, seen.entry, before, known(path));
    }
    this.#dirty.retry(path, now, lookAgainMs);
  }

  #isAgreed(path: ReplicaPath, entry: Entry): boolean {
    const agreed = this.#options.agreed.get(path);
    return agreed !== undefined && sameEntry(entry, agreed) && this.#options.known(path) === undefined;
  }

  #settle(path: ReplicaPath, entry: Entry, now: number): void {
    this.#dirty.settled(path);
    if (entry.kind !== 'directory') this.#hintBelow(path, now);
  }

  #conclude(
    path: ReplicaPath,
    disk: Entry,
    agreed: Entry | undefined,
    known: KnownConflict | undefined,
  ): void {
    if (agreed === undefined && this.#options.agreed.size === 0) return;
    const verdict = judgeEdit(agreed, disk, known);
    if (verdict.kind === 'record') this.#options.onRecord(path, verdict.conflict);
    if (verdict.kind === 'clear') this.#options.onClear(path);
  }

  /** What was below a directory that is none any more is gone with it. */
  #hintBelow(path: ReplicaPath, now: number): void {
    for (const below of this.#options.agreed.below(path)) {
      if (isBelow(below, path) && !this.#dirty.has(below)) this.#dirty.hint(below, 'rename', now);
    }
  }
}

function sameOrBoth(a: Entry | undefined, b: Entry | undefined): boolean {
  return a === undefined || b === undefined ? a === b : sameEntry(a, b);
}
