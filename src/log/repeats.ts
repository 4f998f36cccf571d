import type { Event } from '../core/event.ts';

/** Between two summaries of a failure that is new, milliseconds. */
const summaryMs = 60_000;
/** A failure that lasts longer is old: who wanted to know has seen it. Milliseconds. */
const newForMs = 5 * 60_000;
/** Between two summaries of an old failure, milliseconds. */
const oldSummaryMs = 10 * 60_000;
/** Failures that are remembered at once; beyond it the oldest counts as new again. */
const maxRemembered = 10_000;
/** Lines of one sort, such as all paths that one peer refuses for one reason, within `summaryMs`. */
const maxOfASort = 100;

/**
 * `times`: how often it happened since it was last shown, this time included. `others`: how many like it, about other
 * paths, were left out before it.
 */
export type Showing =
  | { readonly kind: 'show'; readonly times: number; readonly others: number }
  | { readonly kind: 'hide' };

type Remembered = { readonly firstAt: number; shownAt: number; hidden: number };
type Failing = { readonly subject: string; readonly what: string; readonly sort: string };

/**
 * Thins out failures. The same one again: the first is shown, then at most one a minute, after five minutes one in ten
 * minutes, with the count of those in between. Many alike about different paths: a hundred a minute, and then how many
 * more. A failure that comes back after it was overcome is shown at once.
 */
export class Repeats {
  /** By subject (peer and path), then by what failed there. */
  readonly #subjects = new Map<string, Map<string, Remembered>>();
  readonly #sorts = new Map<string, { since: number; shown: number; left: number }>();

  /** `now`: milliseconds since 1970. */
  judge(event: Event, now: number): Showing {
    const overcome = this.#subjects.size === 0 ? undefined : overcomeSubject(event);
    if (overcome !== undefined) this.#subjects.delete(overcome);
    const failure = failureOf(event);
    if (failure === undefined) return { kind: 'show', times: 1, others: 0 };

    const known = this.#subjects.get(failure.subject) ?? this.#remember(failure.subject);
    const before = known.get(failure.what);
    if (before === undefined) {
      known.set(failure.what, { firstAt: now, shownAt: now, hidden: 0 });
      return this.#unlessTooMany(failure, 1, now);
    }
    before.hidden += 1;
    const pauseMs = now - before.firstAt <= newForMs ? summaryMs : oldSummaryMs;
    if (now - before.shownAt < pauseMs) return { kind: 'hide' };
    const times = before.hidden;
    before.shownAt = now;
    before.hidden = 0;
    return this.#unlessTooMany(failure, times, now);
  }

  #unlessTooMany({ sort }: Failing, times: number, now: number): Showing {
    const known = this.#sorts.get(sort);
    if (known === undefined || now - known.since >= summaryMs) {
      this.#sorts.set(sort, { since: now, shown: 1, left: 0 });
      return { kind: 'show', times, others: known?.left ?? 0 };
    }
    if (known.shown >= maxOfASort) {
      known.left += 1;
      return { kind: 'hide' };
    }
    known.shown += 1;
    return { kind: 'show', times, others: 0 };
  }

  #remember(subject: string): Map<string, Remembered> {
    const oldest = this.#subjects.keys().next();
    if (this.#subjects.size >= maxRemembered && !oldest.done) this.#subjects.delete(oldest.value);
    const fresh = new Map<string, Remembered>();
    this.#subjects.set(subject, fresh);
    return fresh;
  }
}

function failureOf(event: Event): Failing | undefined {
  const failing = (subject: string, what: string): Failing => ({
    subject,
    what,
    sort: `${event.kind} ${what}`,
  });
  switch (event.kind) {
    case 'path-failed':
      return failing(pathSubject(event.peer, event.path), event.reason);
    case 'conflict':
      // Each is news, but a first sync of two different trees has thousands.
      return { ...failing(`conflict\0${event.peer}\0${event.path}`, event.conflict), sort: event.kind };
    case 'hook-failed':
      return failing(`hook\0${event.peer ?? ''}`, event.command ?? alike(event.detail));
    case 'disconnected':
      return failing(peerSubject(event.peer), `${event.kind} ${alike(event.detail)}`);
    case 'refused':
      return failing(peerSubject(event.peer), `${event.kind} ${event.reason}`);
    default:
      return undefined;
  }
}

/** Sentences that differ in a number alone, as in a port or a duration, say the same. */
function alike(detail: string): string {
  return detail.replace(/\d+/g, '#');
}

/** What an event shows to work again. */
function overcomeSubject(event: Event): string | undefined {
  switch (event.kind) {
    case 'pushed':
      return pathSubject(event.peer, event.path);
    case 'placed':
      return pathSubject(undefined, event.path);
    case 'reconciled':
      return peerSubject(event.peer);
    default:
      return undefined;
  }
}

function pathSubject(peer: string | undefined, path: string): string {
  return `path\0${peer ?? ''}\0${path}`;
}

function peerSubject(peer: string): string {
  return `peer\0${peer}`;
}
