/**
 * Which paths have to be looked at, and when. Knows no clock: time is an argument, milliseconds on any
 * scale that does not run backwards.
 *
 *                     takeDue                settled, not hinted meanwhile
 *   hint ──► due ──────────────► looking ─────────────────────────────────► forgotten
 *             ▲                     │
 *             │◄─ hinted meanwhile ─┤
 *             │                     │ unstable | gone (held) | retry
 *             └──── its time ──── waiting
 *
 * Every path that was taken has to be answered by exactly one of settled, unstable, gone or retry; until
 * then it is not given out again, so no two looks at one path run at a time. A hint that comes meanwhile
 * is kept and makes the path due when the answer comes.
 *
 * A hint makes a waiting path due at once, with one exception: a path that waits because it is being
 * written is not looked at for each further write, its next look comes anyway.
 */
import { ancestorsOf, parentOf, type ReplicaPath } from './path.ts';

/** What kind of event told of the path: a name was created, removed or moved; or what it names changed. */
export type Change = 'rename' | 'write';

export type DirtyOptions = {
  /** How long a path has to be absent before its deletion may be acted on, milliseconds. */
  readonly deleteHoldMs: number;
  /** How long a path may stay unstable before it counts as overdue, milliseconds. */
  readonly maxWaitMs: number;
  /** First pause before an unstable path is looked at again, milliseconds; default 5. Doubles up to 200. */
  readonly firstRetryMs?: number;
};

/** Longest pause between two looks at an unstable path, before and after it is overdue. */
const longestRetryMs = 200;
const overdueRetryMs = 1000;

type Place = 'due' | 'looking' | 'waiting';

type Dirty = {
  /** When the oldest hint came that no settled look has covered. */
  readonly since: number;
  place: Place;
  /** When it became due, or comes due. */
  at: number;
  /** The strongest hint that came during the look in progress, and when the first of them came. */
  again: { change: Change; readonly at: number } | undefined;
  /** Since when it is found unstable, and how often. */
  unstable: { readonly since: number; times: number } | undefined;
  /** Since when it is known to be absent. */
  goneSince: number | undefined;
};

type Alarm = { readonly at: number; readonly path: ReplicaPath; readonly dirty: Dirty };

/** The dirty paths of one node. Memory is bounded by the number of distinct paths. */
export class DirtyPaths {
  readonly #deleteHoldMs: number;
  readonly #maxWaitMs: number;
  readonly #firstRetryMs: number;
  readonly #paths = new Map<ReplicaPath, Dirty>();
  /** In the order in which they became due. */
  readonly #due = new Set<ReplicaPath>();
  /** A binary heap by time. An alarm whose path has moved on meanwhile is stale and skipped. */
  #alarms: Alarm[] = [];

  constructor(options: DirtyOptions) {
    this.#deleteHoldMs = options.deleteHoldMs;
    this.#maxWaitMs = options.maxWaitMs;
    this.#firstRetryMs = options.firstRetryMs ?? 5;
  }

  /** How many paths are due, waiting or being looked at. */
  get size(): number {
    return this.#paths.size;
  }

  has(path: ReplicaPath): boolean {
    return this.#paths.has(path);
  }

  /** When the oldest hint came that is not yet settled, for any path. Reads all paths: for status. */
  oldestSince(): number | undefined {
    let oldest: number | undefined;
    for (const { since } of this.#paths.values()) {
      if (oldest === undefined || since < oldest) oldest = since;
    }
    return oldest;
  }

  /** When the oldest hint for this path came that is not yet settled. */
  sinceOf(path: ReplicaPath): number | undefined {
    return this.#paths.get(path)?.since;
  }

  /** Something happened at the path: it is due at once, see above for the exception. */
  hint(path: ReplicaPath, change: Change, now: number): void {
    const dirty = this.#paths.get(path);
    if (dirty === undefined) {
      this.#makeDue(path, this.#start(path, now), now);
      return;
    }
    switch (dirty.place) {
      case 'due':
        return;
      case 'looking':
        if (dirty.again === undefined) dirty.again = { change, at: now };
        else if (change === 'rename') dirty.again.change = 'rename';
        return;
      case 'waiting':
        if (dirty.unstable !== undefined && change === 'write') return;
        this.#makeDue(path, dirty, now);
    }
  }

  /**
   * It was looked at and is being written. The next look comes after 5, 10, 20 ... 200 ms, the last of
   * them when maxWaitMs are over since it was first found unstable. From then on the answer is
   * `overdue`, and a look comes every second.
   */
  unstable(path: ReplicaPath, now: number): 'soon' | 'overdue' {
    const dirty = this.#paths.get(path) ?? this.#start(path, now);
    dirty.goneSince = undefined;
    dirty.unstable ??= { since: now, times: 0 };
    const pause = Math.min(longestRetryMs, this.#firstRetryMs * 2 ** Math.min(dirty.unstable.times, 30));
    dirty.unstable.times += 1;
    const deadline = dirty.unstable.since + this.#maxWaitMs;
    const overdue = now >= deadline;

    // A write during the look is what made it unstable. Another file under that name is news.
    const replaced = dirty.again?.change === 'rename';
    dirty.again = undefined;
    if (replaced) this.#makeDue(path, dirty, now);
    else this.#wait(path, dirty, overdue ? now + overdueRetryMs : Math.min(now + pause, deadline));
    return overdue ? 'overdue' : 'soon';
  }

  /**
   * It was looked at and is absent. True: it has been absent at every look for deleteHoldMs, act on it
   * and answer with settled or retry. False: the deletion is held, and the path comes due when the hold ends.
   */
  gone(path: ReplicaPath, now: number): boolean {
    const dirty = this.#paths.get(path) ?? this.#start(path, now);
    dirty.unstable = undefined;
    dirty.goneSince ??= now;

    // It may be back already: what was seen is old news, look again.
    if (this.#hintedMeanwhile(path, dirty, now)) return false;
    if (now - dirty.goneSince >= this.#deleteHoldMs) {
      this.#leave(path, dirty, 'looking');
      return true;
    }
    this.#wait(path, dirty, dirty.goneSince + this.#deleteHoldMs);
    return false;
  }

  /** It was looked at, but could not be handled: look again in `pauseMs`, or at the next hint. */
  retry(path: ReplicaPath, now: number, pauseMs: number): void {
    const dirty = this.#paths.get(path) ?? this.#start(path, now);
    dirty.unstable = undefined;
    if (!this.#hintedMeanwhile(path, dirty, now)) this.#wait(path, dirty, now + pauseMs);
  }

  /** It was looked at and handled. Only a hint that came since the look began remains. */
  settled(path: ReplicaPath): void {
    const dirty = this.#paths.get(path);
    // Due but not taken: that hint came after the look which is now settled.
    if (dirty === undefined || dirty.place === 'due') return;
    this.#paths.delete(path);
    dirty.place = 'looking';
    if (dirty.again === undefined) return;
    this.#makeDue(path, this.#start(path, dirty.again.at), dirty.again.at);
  }

  /**
   * Takes paths that are due, at most `most`, those first that waited longest; sorted, so that parents
   * come before their children. A parent that is due never comes in a later take than its child.
   */
  takeDue(now: number, most = Number.POSITIVE_INFINITY): ReplicaPath[] {
    this.#ring(now);
    const taken: ReplicaPath[] = [];
    let above: ReplicaPath | undefined;
    for (const path of this.#due) {
      if (taken.length >= most) break;
      // Of neighbours the first one has taken what is above them all.
      if (above === undefined || parentOf(path) !== above) this.#takeAncestors(path, taken, most);
      above = parentOf(path);
      if (taken.length < most) this.#take(path, taken);
    }
    return taken.sort(byCodeUnits);
  }

  /** When a take will next find something; a time that is past if there is something already. */
  nextAt(): number | undefined {
    for (const path of this.#due) return this.#paths.get(path)?.at;
    for (let alarm = this.#alarms[0]; alarm !== undefined; alarm = this.#alarms[0]) {
      if (isLive(alarm)) return alarm.at;
      removeFirst(this.#alarms);
    }
    return undefined;
  }

  #start(path: ReplicaPath, now: number): Dirty {
    const dirty: Dirty = {
      since: now,
      place: 'looking',
      at: now,
      again: undefined,
      unstable: undefined,
      goneSince: undefined,
    };
    this.#paths.set(path, dirty);
    return dirty;
  }

  #hintedMeanwhile(path: ReplicaPath, dirty: Dirty, now: number): boolean {
    // Due but not taken: a look of somebody else's. The hint that made it due stays.
    if (dirty.place === 'due') return true;
    if (dirty.again === undefined) return false;
    dirty.again = undefined;
    this.#makeDue(path, dirty, now);
    return true;
  }

  #makeDue(path: ReplicaPath, dirty: Dirty, now: number): void {
    dirty.place = 'due';
    dirty.at = now;
    this.#due.add(path);
  }

  #takeAncestors(path: ReplicaPath, taken: ReplicaPath[], most: number): void {
    for (const ancestor of ancestorsOf(path))
      if (taken.length < most && this.#due.has(ancestor)) this.#take(ancestor, taken);
  }

  #take(path: ReplicaPath, taken: ReplicaPath[]): void {
    const dirty = this.#paths.get(path);
    if (dirty !== undefined) this.#leave(path, dirty, 'looking');
    taken.push(path);
  }

  #leave(path: ReplicaPath, dirty: Dirty, place: 'looking' | 'waiting'): void {
    this.#due.delete(path);
    dirty.place = place;
  }

  #wait(path: ReplicaPath, dirty: Dirty, at: number): void {
    if (dirty.place === 'due') return;
    this.#leave(path, dirty, 'waiting');
    dirty.at = at;
    // Stale alarms of long pauses must not pile up under many hints.
    if (this.#alarms.length > 2 * this.#paths.size + 64) {
      this.#alarms = this.#alarms.filter(isLive).sort((a, b) => a.at - b.at);
    }
    insert(this.#alarms, { at, path, dirty });
  }

  #ring(now: number): void {
    for (let alarm = this.#alarms[0]; alarm !== undefined && alarm.at <= now; alarm = this.#alarms[0]) {
      removeFirst(this.#alarms);
      if (isLive(alarm)) this.#makeDue(alarm.path, alarm.dirty, alarm.at);
    }
  }
}

/** Whether the path still waits for this alarm. Settled paths and moved times leave stale ones behind. */
function isLive(alarm: Alarm): boolean {
  return alarm.dirty.place === 'waiting' && alarm.dirty.at === alarm.at;
}

function byCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function insert(heap: Alarm[], alarm: Alarm): void {
  let at = heap.length;
  heap.push(alarm);
  while (at > 0) {
    const up = (at - 1) >> 1;
    const parent = heap[up];
    if (parent === undefined || parent.at <= alarm.at) break;
    heap[at] = parent;
    at = up;
  }
  heap[at] = alarm;
}

function removeFirst(heap: Alarm[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  let at = 0;
  for (let down = 1; down < heap.length; down = 2 * at + 1) {
    let child = heap[down];
    const right = heap[down + 1];
    if (child !== undefined && right !== undefined && right.at < child.at) {
      child = right;
      down += 1;
    }
    if (child === undefined || child.at >= last.at) break;
    heap[at] = child;
    at = down;
  }
  heap[at] = last;
}
