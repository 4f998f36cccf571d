import type { Entry } from '../core/entry.ts';
import type { ReplicaPath } from '../core/path.ts';
import { blockBytes, type KnownBlocks } from '../files/blocks.ts';
import { askBlocks } from './questions.ts';
import type { Session } from './session.ts';

/** From this size on the content of a file that the peer has in another version is worth a question about it. Bytes. */
const deltaFromBytes = 1024 * 1024;

/** Whether a peer that has `expect` is asked for its blocks before a file of this size is sent. */
export function isWorthDelta(expect: Entry | undefined, size: number): boolean {
  return size >= deltaFromBytes && expect?.kind === 'file' && expect.size >= blockBytes;
}

/** Answers that wait in one session: whoever asked for more does not send what they are about. */
const mostWaiting = 8;

const early = new WeakMap<Session, Map<ReplicaPath, Promise<KnownBlocks | undefined>>>();

/** Asks for blocks that will be wanted in a moment, so that the peer reads its file while this node reads its own. */
function askBlocksEarly(session: Session, path: ReplicaPath): void {
  const waiting = early.get(session) ?? new Map<ReplicaPath, Promise<KnownBlocks | undefined>>();
  early.set(session, waiting);
  const [oldest] = waiting.keys();
  if (oldest !== undefined && waiting.size >= mostWaiting) waiting.delete(oldest);
  waiting.set(path, askBlocks(session, path));
}

/**
 * The blocks of a file on the peer, as they were when they were asked for: what is built of others has not the right digest, and
 * is sent again as a whole. Undefined when the link ended.
 */
export function blocksOf(session: Session, path: ReplicaPath): Promise<KnownBlocks | undefined> {
  const waiting = early.get(session);
  const asked = waiting?.get(path);
  waiting?.delete(path);
  return asked ?? askBlocks(session, path);
}

export type AnnouncerOptions = {
  readonly tree: { unreadBytes(path: ReplicaPath): number };
  readonly peers: () => readonly {
    readonly session: Session | undefined;
    readonly replicator: { readonly ledger: { get(path: ReplicaPath): Entry | undefined } };
  }[];
  /** The questions have left: it is time for the looks that were put off. */
  readonly onAnnounced: () => void;
};

/** So that the question leaves before this node reads, during which it sends nothing. Milliseconds. */
const pauseMs = 1;

/** Asks for the blocks of large files before they are read here. */
export class Announcer {
  readonly #options: AnnouncerOptions;
  readonly #asked: ReplicaPath[] = [];
  #announced: ReplicaPath[] = [];

  constructor(options: AnnouncerOptions) {
    this.#options = options;
  }

  /** Those of some paths that can be looked at now, and those that were put off until `onAnnounced`. */
  announce(paths: readonly ReplicaPath[]): ReplicaPath[] {
    const ready = this.#announced;
    this.#announced = [];
    for (const path of paths) (this.#ask(path) ? this.#asked : ready).push(path);
    if (this.#asked.length > 0) setTimeout(() => this.#onAsked(), pauseMs);
    return ready;
  }

  #onAsked(): void {
    const asked = this.#asked.splice(0);
    this.#announced.push(...asked);
    if (asked.length > 0) this.#options.onAnnounced();
  }

  #ask(path: ReplicaPath): boolean {
    const { tree, peers } = this.#options;
    let bytes: number | undefined;
    let asked = false;
    for (const { session, replicator } of peers()) {
      const expect = replicator.ledger.get(path);
      // Nearly every file is small: nothing more is asked about it.
      if (session === undefined || !isWorthDelta(expect, Number.POSITIVE_INFINITY)) continue;
      bytes ??= tree.unreadBytes(path);
      if (!isWorthDelta(expect, bytes)) continue;
      askBlocksEarly(session, path);
      asked = true;
    }
    return asked;
  }
}
