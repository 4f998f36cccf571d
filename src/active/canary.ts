import { canaryPath, type SilenceCause } from '../core/canary.ts';
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

/** What became of the last canary of a session. */
type Sent = { readonly kind: 'under-way' } | { readonly kind: 'refused'; readonly detail: string };

/**
 * Sends the canary to each peer that a session is open with, as a change is sent. It waits for nothing: the next one
 * comes soon, and that one did not arrive is what it is there to tell.
 */
export class Canaries {
  readonly #options: CanariesOptions;
  readonly #sent = new WeakMap<Session, Sent>();
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

  /** Why the peer has none, if it has none. */
  causeOf({ session }: Peer): { readonly cause: SilenceCause; readonly detail?: string } {
    const sent = session === undefined ? undefined : this.#sent.get(session);
    if (sent === undefined) return { cause: 'unnoticed' };
    return sent.kind === 'refused' ? { cause: 'refused', detail: sent.detail } : { cause: 'unanswered' };
  }

  /** The watcher told of the canary. Must not reject: a rejection is a bug, and ends the process. */
  async carry(peer: Peer): Promise<void> {
    const { session } = peer;
    if (session === undefined || !this.expectedBy(peer)) return;
    // A peer that does not answer is not sent more and more of them.
    if (this.#sent.get(session)?.kind === 'under-way') return;
    const { tree, onDurable } = this.#options;
    const seen = tree.observe(canaryPath);
    if (seen.kind !== 'entry' || seen.entry.kind !== 'file') return;
    const put = seen.entry;
    this.#sent.set(session, { kind: 'under-way' });
    const outcome = await pushEntry(session, tree, { path: canaryPath, expect: absent, put });
    this.#sent.delete(session);
    if (outcome.kind === 'applied' || outcome.kind === 'already-there') onDurable(peer.name, put);
    if (outcome.kind !== 'refused') return;
    this.#sent.set(session, { kind: 'refused', detail: outcome.detail });
    if (outcome.reason === 'outside-watchlist') this.#strangers.add(session);
  }
}
