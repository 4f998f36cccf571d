import { type DriftKind, driftKind } from '../core/drift.ts';
import type { Entry } from '../core/entry.ts';
import type { ReplicaPath } from '../core/path.ts';
import { inChunks } from '../wire/chunks.ts';
import { type Comparison, compare, type Difference } from './compare.ts';
import { look } from './questions.ts';
import type { Session } from './session.ts';
import type { Tree } from './tree.ts';

export type Drift = {
  readonly path: ReplicaPath;
  readonly kind: DriftKind;
  readonly active: Entry;
  readonly passive: Entry;
};

export type PeerDrift = {
  readonly checked: number;
  readonly drift: Drift[];
  readonly problems: Comparison['problems'];
};

export type VerifyOptions = {
  readonly session: Session;
  readonly tree: Tree;
  /** Read every file again on both nodes and compare mtimes too. */
  readonly full: boolean;
  /** Called before what differed is looked at once more; lets what is on its way arrive. */
  readonly settle: () => Promise<void>;
};

/** Compares with one peer and changes nothing. Undefined when the link ended. */
export async function verifyPeer(options: VerifyOptions): Promise<PeerDrift | undefined> {
  const { session, tree, full } = options;
  const includes = (path: ReplicaPath): boolean => tree.watchlists.includes(path);
  const manifest = () => tree.manifest({ mtime: full, fresh: full });
  const comparison = await compare(session, manifest, { fresh: full, mtime: full, includes });
  if (comparison === undefined) return undefined;
  const { checked, problems } = comparison;
  if (comparison.differences.length === 0) return { checked, problems, drift: [] };
  await options.settle();
  const again = await lookAgain(session, tree, comparison.differences);
  if (again === undefined) return undefined;
  return { checked, problems, drift: again.flatMap((difference) => asDrift(difference, full)) };
}

function asDrift(difference: Difference, mtime: boolean): Drift[] {
  const kind = driftKind(difference.active, difference.passive, { mtime });
  return kind === undefined ? [] : [{ ...difference, kind }];
}

/** The two walks are not of one instant, so only what differs in a second look counts. */
async function lookAgain(
  session: Session,
  tree: Tree,
  differences: readonly Difference[],
): Promise<Difference[] | undefined> {
  const known = new Map(differences.map((difference) => [difference.path, difference]));
  const confirmed: Difference[] = [];
  for (const { rows } of inChunks(known.keys())) {
    const passive = await look(session, rows);
    if (passive === undefined) return undefined;
    tree.look(rows, (path, seen) => {
      const before = known.get(path);
      if (before === undefined) return;
      const active = seen.kind === 'entry' ? seen.entry : before.active;
      confirmed.push({ path, active, passive: passive.get(path) ?? before.passive });
    });
  }
  return confirmed;
}
