import type { ReadinessFacts } from '../core/readiness.ts';
import type { Node } from './node.ts';

/** A standing older than this many full reconciles of the active is stale. */
const reconcilesUntilStale = 3;
/** Paths in conflict that are named. */
const namedConflicts = 5;

/** What this node knows of its readiness. `connected`: a session of the active is open, as only the daemon knows. */
export function readinessFacts(
  node: Node,
  { daemonRunning, connected }: { readonly daemonRunning: boolean; readonly connected: boolean },
): ReadinessFacts {
  const { config, facts } = node;
  const standing = facts.get('standing');
  const conflicts = node.conflicts.list();
  return {
    role: node.seat().role,
    ha: node.haSwitch(),
    now: Date.now(),
    daemonRunning,
    standing: standing === undefined ? undefined : { ...standing.value, at: standing.at },
    connected,
    staleAfterMs: reconcilesUntilStale * config.reconcileMinutes * 60_000,
    conflicts: {
      count: conflicts.length,
      paths: conflicts.slice(0, namedConflicts).map(({ path }) => path),
    },
    watchlistsAgree: facts.get('watchlistsAgree')?.value,
  };
}
