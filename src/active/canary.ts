import { canaryPath } from '../core/canary.ts';
import { absent, type FileEntry } from '../core/entry.ts';
import type { Peer } from './peer.ts';
import { pushEntry } from './push.ts';
import type { Session } from './session.ts';
import type { Tree } from './tree.ts';

export type CanariesOptions = {
  readonly tree: Tree;
  /** A canary is durable on a peer. */
  readonly onDurable: (peer: string, put: FileEntry) => void;
};

/**
 * Sends the canary to each peer that a session is open with, as a change is sent. It waits for nothing: the next one
 * comes soon, and that one did not arrive is what it is there to tell.
 */
export class Canaries {
  readonly #options: CanariesOptions;
  /** Sessions with a version of the program that knows no canaries. */
  readonly #strangers = new WeakSet<Session>();

  constructor(options: CanariesOptions) {
    this.#options = options;
  }

  /** Whether a canary would reach the peer now, were all well. */
  expectedBy({ state, session, replicator }: Peer): boolean {
    const open = state.kind === 'live' && session !== undefined && replicator.halt === undefined;
    return open && !this.#strangers.has(session);
  }

  /** The watcher told of the canary. Must not reject: a rejection is a bug, and ends the process. */
  async carry(peer: Peer): Promise<void> {
    const { session } = peer;
    if (session === undefined || !this.expectedBy(peer)) return;
    const { tree, onDurable } = this.#options;
    const seen = tree.observe(canaryPath);
    if (seen.kind !== 'entry' || seen.entry.kind !== 'file') return;
    const put = seen.entry;
    const outcome = await pushEntry(session, tree, { path: canaryPath, expect: absent, put });
    if (outcome.kind === 'applied' || outcome.kind === 'already-there') onDurable(peer.name, put);
    if (outcome.kind === 'refused' && outcome.reason === 'outside-watchlist') this.#strangers.add(session);
  }
}
