import { concerns, type Move, type MovedPath, planMove } from '../core/move.ts';
import type { Packed } from '../core/packed.ts';
import { isAtOrBelow, type ReplicaPath } from '../core/path.ts';
import { passed, tracing } from '../log/trace.ts';
import { agreedDigest } from '../wire/agreed-digest.ts';
import type { AgreedEntries } from './agreement.ts';
import { askToMove } from './questions.ts';
import type { Session } from './session.ts';

export type MovesOptions = {
  readonly ledger: AgreedEntries;
  readonly includes: (path: ReplicaPath) => boolean;
  /** Whether the path goes alone, nothing of it is on its way, and the peer is not known to hold something else. */
  readonly isAtRest: (path: ReplicaPath) => boolean;
  /** Whether something of the kind of the entry is at the path on this node. */
  readonly shows: (path: ReplicaPath, packed: Packed) => boolean;
  /** The peer has made the move, durably, which was first hinted at `since`. */
  readonly onMoved: (moved: readonly MovedPath[], since: number) => void;
  /** The link ended: the peer may have made the move or not. */
  readonly onLost: (moved: readonly MovedPath[]) => void;
  /** The peer would not: why. */
  readonly onDeclined: (move: Move, why: string) => void;
  /** A move is over, whatever became of it: all at and below both names, and these paths, are to be looked at anew. */
  readonly onOver: (move: Move, left: readonly ReplicaPath[]) => void;
};

/** The peer looks at all of a directory before it renames it, and does nothing else meanwhile. */
const mostPaths = 20_000;

/** A move that was declined is not asked for again for so long: each path is on its way by itself. Milliseconds. */
const declinedMs = 5000;

type UnderWay = {
  readonly move: Move;
  readonly paths: number;
  readonly since: number;
  /** Further names that the directory has got here since: what is there is not new, and waits for the answer too. */
  readonly later: ReplicaPath[];
  /** What was to be looked at meanwhile. */
  readonly left: Set<ReplicaPath>;
};

/**
 * Directories that were renamed here and are about to be on one peer. What is at or below their names is left alone until
 * the peer has answered: then it is looked at, so that a move that was declined is one lost round trip and no more.
 */
export class Moves {
  readonly #options: MovesOptions;
  readonly #underWay = new Set<UnderWay>();
  /** When the last move that a peer declined was first hinted at, by its names. */
  readonly #declined = new Map<string, number>();
  #idle: (() => void)[] = [];

  constructor(options: MovesOptions) {
    this.#options = options;
  }

  /** Paths that are moved just now. */
  get size(): number {
    let size = 0;
    for (const { paths } of this.#underWay) size += paths;
    return size;
  }

  /** Whether the path is left alone for now. */
  covers(path: ReplicaPath): boolean {
    for (const underWay of this.#underWay) if (isAbout(path, underWay)) return true;
    return false;
  }

  /** Whether the path is left alone for now, and looked at anew at the end of the move. */
  defers(path: ReplicaPath): boolean {
    for (const underWay of this.#underWay) {
      if (!isAbout(path, underWay)) continue;
      underWay.left.add(path);
      return true;
    }
    return false;
  }

  /** Resolves when nothing is moved. */
  async idle(): Promise<void> {
    while (this.#underWay.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /**
   * Asks the peer to follow, where that is the same as to send each path by itself. False where it is not. Of a directory
   * that is renamed once more while it is under way nothing is sent until then.
   */
  begin(session: Session, move: Move, since: number): boolean {
    const { ledger, includes, isAtRest, shows } = this.#options;
    if (!session.speaksAlike || this.covers(move.to)) return false;
    if (this.covers(move.from)) return this.#putOff(move);
    for (const [names, at] of this.#declined) if (since - at >= declinedMs) this.#declined.delete(names);
    if (this.#declined.has(namesOf(move))) return false;
    if (ledger.below(move.to).length > 0) return false;
    const agreed = ledger.packedBelow(move.from);
    if (agreed.length > mostPaths) return false;
    const planned = planMove(move, agreed, includes);
    if (typeof planned === 'string') return false;
    if (!planned.every(({ from, to }) => isAtRest(from) && isAtRest(to))) return false;
    // Nothing may appear on the peer under a name that it never had here.
    if (!planned.every(({ to, packed }) => shows(to, packed))) return false;
    const underWay = { move, paths: planned.length, since, later: [], left: new Set<ReplicaPath>() };
    this.#underWay.add(underWay);
    void this.#carry(session, underWay, planned);
    return true;
  }

  /** Renamed once more: its files are known under the name that both nodes still agree on. */
  #putOff({ from, to }: Move): boolean {
    for (const { move, later } of this.#underWay) {
      if (move.from !== from || this.#options.ledger.below(to).length > 0) continue;
      later.push(to);
      return true;
    }
    return false;
  }

  async #carry(session: Session, underWay: UnderWay, planned: readonly MovedPath[]): Promise<void> {
    const { onMoved, onLost, onDeclined, onOver } = this.#options;
    const { move, since } = underWay;
    const about = { paths: planned.length, digest: agreedDigest(planned) };
    passed('sent', move.to);
    const answer = await askToMove(session, move, about);
    this.#underWay.delete(underWay);
    if (answer.kind === 'moved') {
      onMoved(planned, since);
      if (tracing) for (const { from, to } of planned) for (const path of [from, to]) passed('acked', path);
    }
    if (answer.kind === 'lost') onLost(planned);
    if (answer.kind === 'declined') {
      this.#declined.set(namesOf(move), since);
      onDeclined(move, answer.why);
    }
    onOver(move, [...underWay.left]);
    for (const tell of this.#idle.splice(0)) tell();
  }
}

function isAbout(path: ReplicaPath, { move, later }: UnderWay): boolean {
  return concerns(path, move) || later.some((name) => isAtOrBelow(path, name));
}

function namesOf({ from, to }: Move): string {
  return `${from}\0${to}`;
}
