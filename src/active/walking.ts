import type { Entry } from '../core/entry.ts';
import { identicalEntry } from '../core/entry.ts';
import { isAtOrBelow, type ReplicaPath } from '../core/path.ts';
import type { Observation } from '../files/observation.ts';
import type { Scanned } from '../files/walk.ts';
import { topmost } from '../watch/second-looks.ts';
import type { Peer } from './peer.ts';
import type { Tree } from './tree.ts';

export type WalkingOptions = {
  readonly tree: Tree;
  readonly peers: () => readonly Peer[];
  /** It is to be looked at, and sent if it is news. */
  readonly onNews: (path: ReplicaPath) => void;
  /** It was agreed on and is not there. */
  readonly onMissing: (path: ReplicaPath) => void;
  readonly onUnstable: (path: ReplicaPath) => void;
  /** It is there and cannot be replicated, or it could not be looked at. */
  readonly onTrouble: (path: ReplicaPath, seen: Exclude<Observation, { kind: 'entry' | 'unstable' }>) => void;
  /** All walks that were asked for are over. */
  readonly onDone: () => void;
};

/** More paths than this on their way to one peer are a bulk. */
const bulkPaths = 200;
/**
 * A walk in the midst of many changes meets little but what is on its way already, and each directory that comes asks for
 * one: they are gathered until the most is sent, or for so long at most. Milliseconds.
 */
const longestRestMs = 1000;
/** How often is asked whether the most is sent, milliseconds. */
const restMs = 25;

/** Walks over the active's tree for what differs from a ledger and is not on its way yet. */
export class Walking {
  readonly #options: WalkingOptions;
  #wanted = new Set<ReplicaPath>();
  #all: Promise<void> = Promise.resolve();
  #walking = false;
  #stopped = false;

  constructor(options: WalkingOptions) {
    this.#options = options;
  }

  get underWay(): boolean {
    return this.#walking;
  }

  /**
   * Walks everything at or below a path. Walks that are asked for while one is under way are taken together: one over a
   * tree covers those of its parts.
   */
  walk(from: ReplicaPath): void {
    this.#wanted.add(from);
    if (this.#walking) return;
    this.#walking = true;
    this.#all = this.#walkAll();
  }

  /** Resolves when no walk is under way any more. */
  stop(): Promise<void> {
    this.#stopped = true;
    return this.#all;
  }

  async #walkAll(): Promise<void> {
    while (this.#wanted.size > 0 && !this.#stopped) {
      await this.#rest();
      const wanted = topmost(this.#wanted);
      this.#wanted = new Set();
      for (const from of wanted) await this.#walkNow(from);
    }
    this.#walking = false;
    this.#options.onDone();
  }

  async #rest(): Promise<void> {
    for (let rested = 0; rested < longestRestMs && this.#isBulk(); rested += restMs) {
      if (this.#stopped) return;
      await new Promise((resolve) => setTimeout(resolve, restMs));
    }
  }

  #isBulk(): boolean {
    return this.#options.peers().some(({ replicator }) => replicator.pending > bulkPaths);
  }

  async #walkNow(from: ReplicaPath): Promise<void> {
    const { tree, onMissing } = this.#options;
    const peers = this.#options.peers();
    const seen = new Set<ReplicaPath>();
    const unknown: ReplicaPath[] = [];
    for await (const slice of tree.walk({ from, lazy: true })) {
      if (this.#stopped) return;
      for (const scanned of slice) {
        seen.add(scanned.path);
        if (this.#judge(scanned, peers) === 'unknown') unknown.push(scanned.path);
      }
    }
    for (const { replicator } of peers) {
      for (const path of replicator.ledger.below(from)) {
        const hidden = unknown.some((directory) => isAtOrBelow(path, directory));
        if (!seen.has(path) && !hidden && !replicator.isRemoving(path)) onMissing(path);
      }
    }
  }

  /** `unknown`: nothing can be told of the path, nor of what is below it. */
  #judge(scanned: Scanned, peers: readonly Peer[]): 'unknown' | undefined {
    const { onNews, onUnstable, onTrouble } = this.#options;
    const { path } = scanned;
    if (peers.every(({ replicator }) => replicator.willLook(path))) return undefined;
    // What has to be read is read when it is looked at to be sent, and not twice.
    if (scanned.unread === true && !peers.some(({ replicator }) => replicator.sending(path))) {
      onNews(path);
      return undefined;
    }
    const { observation } = scanned;
    if (observation.kind === 'unstable') onUnstable(path);
    else if (observation.kind !== 'entry') {
      onTrouble(path, observation);
      return 'unknown';
    } else if (peers.some((peer) => isNews(peer, path, observation.entry))) onNews(path);
    return undefined;
  }
}

function isNews({ replicator }: Peer, path: ReplicaPath, entry: Entry): boolean {
  const sending = replicator.sending(path);
  if (sending !== undefined && identicalEntry(sending, entry)) return false;
  return replicator.agreements.differs(path, entry);
}
