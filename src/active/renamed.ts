import { afterMove, type Move } from '../core/move.ts';
import { isAtOrBelow, isBelow, parentOf, type ReplicaPath } from '../core/path.ts';
import { topmost } from '../watch/second-looks.ts';
import { type AgreedEntries, agreesOnNothing } from './agreement.ts';
import type { Peer } from './peer.ts';
import type { Tree } from './tree.ts';

/** So many files are tried, of which one has to be known and have stayed as it is. */
const mostTried = 8;

/** `come`: directories that are there; `gone`: paths whose deletion is held; `since`: milliseconds since 1970. */
type Seen = {
  readonly come: readonly ReplicaPath[];
  readonly gone: ReadonlySet<ReplicaPath>;
  readonly since: number;
};

/** What only has another name need not be sent: peers are asked to rename it as well. */
export function followRenamed({ come, gone, since }: Seen, peers: readonly Peer[], tree: Tree): void {
  if (come.length === 0) return;
  for (const { replicator } of peers) {
    const { ledger } = replicator;
    const unknown = come.filter((path) => agreesOnNothing(ledger, path) && !replicator.isBusy(path));
    // What is in a new directory moved with it, or is new.
    const highest = unknown.filter((path) => {
      const above = parentOf(path);
      return !agreesOnNothing(ledger, above) || !tree.watchlists.includes(above);
    });
    for (const move of findRenamed({ come: highest, gone }, { ledger, tree })) {
      tree.moved(move);
      replicator.move(move, since);
    }
  }
}

/**
 * Those of the paths that are at or below a directory that came and has gone again since it was looked at, as one that was
 * renamed twice within a moment: what was read there is not there any more, and nobody needs it under that name.
 */
export function goneAgain(
  come: readonly ReplicaPath[],
  paths: Iterable<ReplicaPath>,
  tree: Pick<Tree, 'shows'>,
): ReplicaPath[] {
  const gone = topmost(new Set(come)).filter((path) => !tree.shows(path, 'd'));
  return gone.length === 0 ? [] : [...paths].filter((path) => gone.some((top) => isAtOrBelow(path, top)));
}

/**
 * Directories that were renamed on this node, by what is on its disk: one that is agreed on is gone, another one has come, and
 * a file that was in the former is in the latter: the same inode in the same state.
 */
export function findRenamed(
  { come, gone }: Pick<Seen, 'come' | 'gone'>,
  { ledger, tree }: { readonly ledger: AgreedEntries; readonly tree: Pick<Tree, 'isFileOf'> },
): Move[] {
  if (come.length === 0) return [];
  const left = topmostDirectories(gone, ledger).map((from) => ({ from, files: someFiles(from, ledger) }));
  return come.flatMap((to) => {
    const found = left.find(
      ({ from, files }) =>
        !isBelow(to, from) && files.some((path) => tree.isFileOf(path, afterMove(path, { from, to }))),
    );
    return found === undefined ? [] : [{ from: found.from, to }];
  });
}

function topmostDirectories(gone: ReadonlySet<ReplicaPath>, ledger: AgreedEntries): ReplicaPath[] {
  return topmost(gone).filter((path) => ledger.get(path)?.kind === 'directory');
}

function someFiles(directory: ReplicaPath, ledger: AgreedEntries): ReplicaPath[] {
  const files: ReplicaPath[] = [];
  for (const path of ledger.below(directory)) {
    if (ledger.get(path)?.kind === 'file') files.push(path);
    if (files.length >= mostTried) break;
  }
  return files;
}
