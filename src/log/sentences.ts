import type { Event } from '../core/event.ts';

/** From the one that always shows to the one that seldom does. */
export const logLevels = ['error', 'warn', 'notice', 'info', 'debug'] as const;
export type LogLevel = (typeof logLevels)[number];

export type Sentence = { readonly level: LogLevel; readonly text: string };

type Described<Kind> = Extract<Event, { readonly kind: Kind }>;
type Sentences = { readonly [Kind in Event['kind']]: (event: Described<Kind>) => Sentence };

/** How each event reads. The compiler asks for the ones that are missing. */
const sentences = {
  started: (event) => at('notice', `${event.node} is ${event.role} with epoch ${event.epoch}`),
  passive: (event) =>
    at(
      'warn',
      `${event.node} gave up its seat, epoch ${event.epoch}: this node is passive now; what it had not sent shows as conflicts once another node is active`,
    ),
  active: (event) => at('notice', `${event.node} sends with epoch ${event.epoch}`),
  stopped: () => at('notice', 'stopped'),
  watching: (event) => at('info', `${event.paths} paths in ${event.directories} directories`),
  'watch-failed': (event) => at('error', `${event.detail}; ${event.hint}`),
  'listed-path-missing': (event) =>
    at('warn', `${event.path} is named in watchlist ${event.watchlist} and is not there`),
  connecting: (event) => at('debug', `to ${event.peer}`),
  connected: (event) =>
    at('notice', `to ${event.peer}, which holds epoch ${event.epoch} and runs ${event.version}`),
  disconnected: (event) =>
    at('warn', `from ${event.peer}: ${event.detail}; trying again in ${seconds(event.retryMs)}`),
  'watchlists-differ': (event) =>
    at('warn', `this node and ${event.peer} replicate different paths; compare: bm-confsync watchlist list`),
  reconciled: (event) =>
    at(
      event.conflicts > 0 ? 'warn' : 'info',
      `with ${event.peer} (${event.why}): ${event.checked} paths checked, ${event.pushed} to push, ` +
        `${event.conflicts} conflicts, in ${seconds(event.durationMs)}`,
    ),
  pushed: (event) =>
    at(
      'info',
      `${event.path} (${event.what}) to ${event.peer}: ${event.result}, ${Math.round(event.lagMs)} ms`,
    ),
  moved: ({ peer, from, to, paths, lagMs = 0 }) =>
    at(
      'info',
      peer === undefined
        ? `${from} is ${to} (${paths} paths)`
        : `${from} to ${to} on ${peer} (${paths} paths), ${Math.round(lagMs)} ms`,
    ),
  'move-declined': ({ peer, from, to, detail }) =>
    at('info', `${from} to ${to} by ${peer}, path by path instead: ${detail}`),
  placed: (event) => at('info', `${event.path} (${event.what})`),
  'path-failed': (event) =>
    at('warn', `${event.path}${onPeer(event.peer)}: ${event.reason}: ${event.detail}`),
  refused: (event) => at('warn', `by ${event.peer}: ${event.reason}: ${event.detail}`),
  conflict: (event) =>
    at('error', `${event.path} with ${event.peer}: ${event.conflict}; see: bm-confsync conflicts`),
  'hook-failed': (event) =>
    at(
      'warn',
      `${event.path ?? ''}${onPeer(event.peer)}${commandText(event.command)}: ${event.detail}`.trim(),
    ),
  step: (event) =>
    at('notice', `${event.what}: ${event.step}${event.path === undefined ? '' : ` ${event.path}`}`),
  suspended: (event) => at('notice', `nothing is sent: ${event.detail}`),
  adopted: (event) => at('notice', `${event.path} from ${event.peer}; what was here is kept as a version`),
  pruned: (event) => at('info', `${event.versions} versions, ${event.bytes} bytes`),
  'seat-refused': (event) => at('error', event.detail),
  'stepped-down': (event) =>
    at(
      'error',
      `${event.peer} holds epoch ${event.epoch}, which is newer: this node is passive now; what it had not sent shows as conflicts`,
    ),
  halted: (event) =>
    at('error', `${event.reason}: ${event.detail}; nothing is replicated until: bm-confsync resume`),
  resumed: () => at('notice', 'replication goes on'),
  'overflow-suspected': (event) =>
    at('info', `${event.events} events in a burst: everything is looked at again`),
  'canary-silent': ({ peer, silentMs, cause, detail }) => {
    const none = `no canary reached ${peer} for ${seconds(silentMs)}`;
    if (cause === 'refused') return at('error', `${none}: it refuses them: ${detail ?? 'without a reason'}`);
    if (cause === 'unanswered')
      return at(
        'error',
        `${none}: it is connected and does not answer; look at bm-confsync and the disk there`,
      );
    return at(
      'error',
      `${none}: changes are not noticed on this node, and found only by looking at everything now and then; systemctl restart bm-confsync`,
    );
  },
  'canary-heard': (event) =>
    at('notice', `a canary reached ${event.peer} again, within ${seconds(event.latencyMs)}`),
  'canary-failed': (event) => at('warn', `${event.detail}; a dead watcher would go unnoticed`),
  'metrics-failed': (event) => at('warn', `nobody can read them at ${event.where}: ${event.detail}`),
  'leftover-swept': (event) =>
    at('notice', `${event.path}, left by an interrupted write${event.kept ? '; its content is kept' : ''}`),
  'validator-skipped': (event) =>
    at(
      'info',
      `${event.command}: the program is not installed here, so what it would check or do is left out`,
    ),
} satisfies Sentences;

/** The stable names of all events. */
export const eventNames: readonly string[] = Object.keys(sentences);

/** The level and the sentence of an event. Not escaped yet. */
export function sentenceOf(event: Event): Sentence {
  // The table pairs each kind with its own event; the compiler cannot follow that through an index.
  const describe = sentences[event.kind] as (event: Event) => Sentence;
  return describe(event);
}

function at(level: LogLevel, text: string): Sentence {
  return { level, text };
}

function commandText(command: string | undefined): string {
  return command === undefined ? '' : ` ${command}`;
}

function onPeer(peer: string | undefined): string {
  return peer === undefined ? '' : ` on ${peer}`;
}

function seconds(milliseconds: number): string {
  return milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}
