import type { Event } from '../core/event.ts';

/** Between two summaries of the same failure, milliseconds. */
const summaryMs = 60_000;
/** Failures that are remembered at once; beyond it the oldest counts as new again. */
const maxRemembered = 10_000;

/** `times`: how often it happened since it was last shown, this time included. */
export type Showing = { readonly kind: 'show'; readonly times: number } | { readonly kind: 'hide' };

type Remembered = { shownAt: number; hidden: number };

/**
 * Thins out identical failures: the first is shown, then at most one a minute with the count of those in
 * between. A failure that comes back after it was overcome is shown at once.
 */
export class Repeats {
  /** By subject (peer and path), then by what failed there. */
  readonly #subjects = new Map<string, Map<string, Remembered>>();

  /** `now`: milliseconds since 1970. */
  judge(event: Event, now: number): Showing {
    const overcome = overcomeSubject(event);
    if (overcome !== undefined) this.#subjects.delete(overcome);
    const failure = failureOf(event);
    if (failure === undefined) return { kind: 'show', times: 1 };

    const known = this.#subjects.get(failure.subject) ?? this.#remember(failure.subject);
    const before = known.get(failure.what);
    if (before === undefined) {
      known.set(failure.what, { shownAt: now, hidden: 0 });
      return { kind: 'show', times: 1 };
    }
    before.hidden += 1;
    if (now - before.shownAt < summaryMs) return { kind: 'hide' };
    const times = before.hidden;
    before.shownAt = now;
    before.hidden = 0;
    return { kind: 'show', times };
  }

  #remember(subject: string): Map<string, Remembered> {
    const oldest = this.#subjects.keys().next();
    if (this.#subjects.size >= maxRemembered && !oldest.done) this.#subjects.delete(oldest.value);
    const fresh = new Map<string, Remembered>();
    this.#subjects.set(subject, fresh);
    return fresh;
  }
}

function failureOf(event: Event): { readonly subject: string; readonly what: string } | undefined {
  switch (event.kind) {
    case 'path-failed':
      return { subject: pathSubject(event.peer, event.path), what: event.reason };
    case 'disconnected':
      return { subject: peerSubject(event.peer), what: `${event.kind} ${event.detail}` };
    case 'refused':
      return { subject: peerSubject(event.peer), what: `${event.kind} ${event.reason}` };
    default:
      return undefined;
  }
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
