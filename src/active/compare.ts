import { setImmediate as nextTurn } from 'node:timers/promises';
import { absent, type Entry, identicalEntry, sameEntry } from '../core/entry.ts';
import type { Reason } from '../core/failure.ts';
import type { ReplicaPath } from '../core/path.ts';
import type { Manifest } from '../files/manifest.ts';
import { inChunks } from '../wire/chunks.ts';
import { inBodies, sumsIn } from '../wire/sums.ts';
import type { Answer, Session } from './session.ts';

export type Difference = { readonly path: ReplicaPath; readonly active: Entry; readonly passive: Entry };

export type Comparison = {
  readonly id: number;
  /** Paths whose entries are not the same on both, in order. */
  readonly differences: Difference[];
  /** Paths that could not be observed on one node or the other. */
  readonly problems: {
    readonly path: string;
    readonly where: 'active' | 'passive';
    readonly reason: Reason;
    readonly detail: string;
  }[];
  /** Replicated paths on both nodes together, equal or not. */
  readonly checked: number;
};

export type CompareOptions = {
  /** Read every file again on both nodes. */
  readonly fresh: boolean;
  /** Whether a different mtime of a file is a difference. */
  readonly mtime: boolean;
  /** Whether more than the digests over all will be needed for sure, so that it is made while the peer is waited for. */
  readonly isDifferenceLikely?: boolean;
  /** This node's watchlists: what the peer has beyond them is no concern of ours. */
  readonly includes: (path: ReplicaPath) => boolean;
};

/**
 * Compares this node's manifest with the peer's tree: one digest over all first; where it differs, a
 * digest a directory; then a sum a child of those that differ, and the entries of these. The cost follows what differs.
 * `own` makes this node's, at the same time as the peer makes its own; with nothing of it the comparison is given up.
 * Undefined then, and when the link ended.
 */
export async function compare(
  session: Session,
  own: () => Promise<Manifest | undefined>,
  options: CompareOptions,
): Promise<Comparison | undefined> {
  let theirs: { readonly id: number; readonly digest: string } | undefined;
  const [, ready] = await Promise.all([
    session.ask(
      (id) => [{ t: 'manifest', id, fresh: options.fresh, mtime: options.mtime }],
      (answer) => {
        if (answer.t === 'manifest') theirs = answer;
        return 'last';
      },
    ),
    madeReady(own, () => options.isDifferenceLikely === true && theirs === undefined && session.speaksAlike),
  ]);
  if (theirs === undefined || ready === undefined) return undefined;
  const { manifest, sums } = ready;
  const problems = ownProblems(manifest);
  if (theirs.digest === manifest.digest()) {
    return { id: theirs.id, differences: [], problems, checked: manifest.size };
  }
  const differing = session.speaksAlike
    ? await bySums(session, theirs.id, manifest, sums)
    : await inDirectories(session, theirs.id, manifest);
  if (differing === undefined) return undefined;
  return { id: theirs.id, ...collect(manifest, differing, problems, options) };
}

/** This node's half: its manifest with its digest, and sums for the case that the peer's is another one. */
async function madeReady(
  own: () => Promise<Manifest | undefined>,
  wantsSums: () => boolean,
): Promise<{ manifest: Manifest; sums: Map<bigint, ReplicaPath> | undefined } | undefined> {
  // What was asked leaves in this turn: a walk that began at once would keep it here for as long as one of its slices.
  await nextTurn();
  const manifest = await own();
  if (manifest === undefined) return undefined;
  manifest.digest();
  // As long as the peer is not ready there is nothing else to do here.
  await nextTurn();
  return { manifest, sums: wantsSums() ? bySum(manifest.directorySums()) : undefined };
}

function ownProblems(manifest: Manifest): Comparison['problems'] {
  return [...manifest.problems].map(([path, failure]) => ({ path, where: 'active' as const, ...failure }));
}

type Differing = {
  /** Paths that may differ. */
  candidates: Set<ReplicaPath>;
  /** What the peer has there, of all that is not absent there. */
  entries: Map<ReplicaPath, Entry>;
  problems: Map<string, [Reason, string]>;
};

function noneYet(): Differing {
  return { candidates: new Set(), entries: new Map(), problems: new Map() };
}

/** Takes the peer's entries and problems. */
function taken(found: Differing, answer: Answer): 'more' | 'last' {
  if (answer.t !== 'entries') return 'last';
  for (const [path, entry] of answer.rows) {
    found.entries.set(path, entry);
    found.candidates.add(path);
  }
  for (const [path, reason, detail] of answer.problems) found.problems.set(path, [reason, detail]);
  return answer.last ? 'last' : 'more';
}

/** Any peer tells all that is in the directories that differ. */
async function inDirectories(
  session: Session,
  id: number,
  manifest: Manifest,
): Promise<Differing | undefined> {
  const found = noneYet();
  const answered = await session.ask(
    () => [...inChunks(manifest.directories())].map((part) => ({ t: 'directories' as const, id, ...part })),
    (answer) => {
      if (answer.t === 'entries')
        for (const directory of answer.directories)
          for (const path of manifest.childrenOf(directory)) found.candidates.add(path);
      return taken(found, answer);
    },
    id,
  );
  return answered ? found : undefined;
}

/**
 * A peer of this very version is told sums, of the directories and then of the children of those that differ. It answers
 * what it has no sum like, and the sums that it has nothing for.
 */
async function bySums(
  session: Session,
  id: number,
  manifest: Manifest,
  sums = bySum(manifest.directorySums()),
): Promise<Differing | undefined> {
  const found = noneYet();
  const unknown = async (
    of: 'directories' | 'children',
    told: ReadonlyMap<bigint, ReplicaPath>,
  ): Promise<ReplicaPath[] | undefined> => {
    const paths: ReplicaPath[] = [];
    const answered = await session.ask(
      () =>
        [...inBodies([...told.keys()])].map(({ body, last }) => ({
          message: { t: 'sums', id, of, last },
          body,
        })),
      (answer, body) => {
        for (const sum of sumsIn(body)) {
          const path = told.get(sum);
          if (path !== undefined) paths.push(path);
        }
        return taken(found, answer);
      },
      id,
    );
    return answered ? paths : undefined;
  };
  const directories = await unknown('directories', sums);
  if (directories === undefined) return undefined;
  const children = directories.flatMap((directory) => [...manifest.childrenSums(directory)]);
  const paths = await unknown('children', bySum(children));
  for (const path of paths ?? []) found.candidates.add(path);
  return paths && found;
}

function bySum(sums: Iterable<[ReplicaPath, bigint]>): Map<bigint, ReplicaPath> {
  const known = new Map<bigint, ReplicaPath>();
  for (const [path, sum] of sums) known.set(sum, path);
  return known;
}

function collect(
  manifest: Manifest,
  differing: Differing,
  problems: Comparison['problems'],
  options: CompareOptions,
): Omit<Comparison, 'id'> {
  const same = options.mtime ? identicalEntry : sameEntry;
  const differences: Difference[] = [];
  let onlyThere = 0;
  for (const path of [...differing.candidates].sort()) {
    if (!options.includes(path)) continue;
    const passive = differing.entries.get(path) ?? absent;
    if (!manifest.has(path) && passive.kind !== 'absent') onlyThere += 1;
    if (manifest.isUnknown(path) || isUnknownThere(differing, path)) continue;
    const active = manifest.get(path);
    if (!same(active, passive)) differences.push({ path, active, passive });
  }
  for (const [path, [reason, detail]] of differing.problems)
    problems.push({ path, where: 'passive', reason, detail });
  return { differences, problems, checked: manifest.size + onlyThere };
}

function isUnknownThere(differing: Differing, path: ReplicaPath): boolean {
  if (differing.problems.size === 0) return false;
  for (let at: string = path; at !== ''; at = at.slice(0, at.lastIndexOf('/')))
    if (differing.problems.has(at)) return true;
  return false;
}
