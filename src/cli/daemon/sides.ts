import { join } from 'node:path';
import type { ReplicaPath } from '../../core/path.ts';
import type { Seat } from '../../core/seat.ts';
import { placingRight } from '../../passive/placing.ts';
import { openTree } from '../compose-active.ts';
import { recoverGroups, sweepLeftovers } from '../compose-passive.ts';
import type { Node } from '../node.ts';
import { ActiveSide, type ActiveSideHooks } from './active-side.ts';
import { PassiveSide } from './passive-side.ts';

/**
 * What the daemon does in either seat, with the packages that it takes: ssh2, fast-glob and others. It loads this once it
 * watches, all of it, whatever its seat: a package manager may replace the program before the seat changes.
 */
export { giveUpSeat, promoteNode } from '../promotion.ts';

/** The side of an active node, not yet started. */
export async function becomeActive(node: Node, seat: Seat, hooks: ActiveSideHooks): Promise<ActiveSide> {
  // A receiver of the former active may be in the middle of a batch: it refuses from here on, and lets go.
  const right = await placingRight(join(node.config.state, 'placing.lock')).take(
    node.config.node,
    () => undefined,
  );
  // Nobody else places files here now, so whatever has a temporary name is from an earlier seat.
  if (right !== undefined) {
    recoverGroups(node);
    sweepLeftovers(node);
  }
  right?.release();
  return new ActiveSide(node, seat, hooks);
}

/** The side of a passive node, not yet started. `onEdits`: see PassiveSide. */
export function becomePassive(node: Node, onEdits: (paths: ReplicaPath[]) => void): PassiveSide {
  return new PassiveSide(node, onEdits);
}

/** Says which of the paths that the watchlists list by name are not there. */
export function warnOfMissing(node: Node): void {
  for (const { path, watchlist } of node.watchlists.literals) {
    const seen = openTree(node).observe(path);
    if (seen.kind === 'entry' && seen.entry.kind === 'absent')
      node.log({ kind: 'listed-path-missing', path, watchlist });
  }
}
