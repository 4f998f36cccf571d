import type { Event } from '../core/event.ts';

/** How a command ended, before what it said. What it was and how it ended comes from our own configuration. */
const ending =
  /^(.*?(?:ended with exit code \d+|was ended by SIG[A-Z0-9]+|took longer than \d+ ms and was killed)): .*$/s;

/**
 * The event without what a validator or a hook said: that may be a line of the file that it complains about. Who may
 * see it finds it in `status` and `explain`, which ask for root and keep nothing.
 */
export function discreet(event: Event): Event {
  if (event.kind !== 'path-failed' && event.kind !== 'hook-failed') return event;
  const [, how] = ending.exec(event.detail) ?? [];
  if (how === undefined) return event;
  return { ...event, detail: `${how}; what it said: bm-confsync status` };
}
