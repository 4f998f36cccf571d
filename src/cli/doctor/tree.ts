import { lstatSync, readdirSync, readlinkSync, type Stats } from 'node:fs';
import { join, posix } from 'node:path';
import type { Literal, Watchlists } from '../../config/watchlist.ts';
import { childOf, isAtOrBelow, parentOf, parseReplicaPath, type ReplicaPath } from '../../core/path.ts';
import { groupName, ownerName } from '../../files/owners.ts';
import { type Check, listed, ok, warning } from './check.ts';

/** What is in the watched tree, as far as the checks ask for it. No file is opened. */
export type Survey = {
  /** Replicated paths that exist. */
  readonly paths: number;
  /** Directories that the daemon watches. */
  readonly directories: number;
  /** Names that replicated paths belong to, with one such path. */
  readonly owners: ReadonlyMap<string, ReplicaPath>;
  readonly groups: ReadonlyMap<string, ReplicaPath>;
  /** A directory of this machine on each file system that the tree is on. */
  readonly places: readonly string[];
  readonly links: readonly Link[];
  readonly missing: readonly Literal[];
  /** Paths that each watchlist brings in. */
  readonly perList: ReadonlyMap<string, number>;
};

export type Link = { readonly path: ReplicaPath; readonly target: string };

/** Walks the tree by names and metadata alone, links not followed. */
export function surveyTree(root: string, watchlists: Watchlists): Survey {
  const walk = new SurveyWalk(root, watchlists);
  for (const start of watchlists.roots) walk.look(start);
  return walk.survey();
}

class SurveyWalk {
  readonly #root: string;
  readonly #watchlists: Watchlists;
  readonly #owners = new Map<number, ReplicaPath>();
  readonly #groups = new Map<number, ReplicaPath>();
  readonly #places = new Map<number, string>();
  readonly #links: Link[] = [];
  readonly #perList: Map<string, number>;
  #paths = 0;
  #directories = 0;

  constructor(root: string, watchlists: Watchlists) {
    this.#root = root;
    this.#watchlists = watchlists;
    this.#perList = new Map(watchlists.names.map((name) => [name, 0]));
  }

  look(path: ReplicaPath): void {
    const full = join(this.#root, path);
    const stats = statOf(full);
    if (stats === undefined) return;
    if (this.#watchlists.includes(path)) this.#count(path, full, stats);
    if (!stats.isDirectory() || !this.#watchlists.mayContain(path)) return;
    this.#directories += 1;
    if (!this.#places.has(stats.dev)) this.#places.set(stats.dev, full);
    for (const name of namesIn(full)) this.look(childOf(path, name));
  }

  #count(path: ReplicaPath, full: string, stats: Stats): void {
    this.#paths += 1;
    if (!this.#owners.has(stats.uid)) this.#owners.set(stats.uid, path);
    if (!this.#groups.has(stats.gid)) this.#groups.set(stats.gid, path);
    if (stats.isSymbolicLink()) {
      const target = targetOf(full);
      if (target !== undefined) this.#links.push({ path, target });
    }
    for (const name of this.#listsOf(path)) this.#perList.set(name, (this.#perList.get(name) ?? 0) + 1);
  }

  #listsOf(path: ReplicaPath): readonly string[] {
    const { names } = this.#watchlists;
    if (names.length === 1) return names;
    return [this.#watchlists.decide(path).rule?.watchlist ?? ''];
  }

  survey(): Survey {
    const named = (ids: ReadonlyMap<number, ReplicaPath>, nameOf: (id: number) => string) =>
      new Map([...ids].map(([id, path]) => [nameOf(id), path]));
    return {
      paths: this.#paths,
      directories: this.#directories,
      owners: named(this.#owners, ownerName),
      groups: named(this.#groups, groupName),
      places: [...this.#places.values()],
      links: this.#links,
      missing: this.#watchlists.literals.filter(
        ({ path }) => this.#watchlists.includes(path) && statOf(join(this.#root, path)) === undefined,
      ),
      perList: this.#perList,
    };
  }
}

/** What goes away during the walk, or hides, is not counted: the daemon tells of what cannot be read. */
function statOf(full: string): Stats | undefined {
  return quietly(() => lstatSync(full, { throwIfNoEntry: false }));
}

function namesIn(full: string): readonly string[] {
  return quietly(() => readdirSync(full)) ?? [];
}

function targetOf(full: string): string | undefined {
  return quietly(() => readlinkSync(full));
}

function quietly<Value>(look: () => Value): Value | undefined {
  try {
    return look();
  } catch (problem) {
    if ((problem as NodeJS.ErrnoException).code === undefined) throw problem;
    return undefined;
  }
}

/** Paths that a watchlist names one by one, and that are not there. */
export function judgeListedFiles({ missing }: Survey, literals: number): Check {
  if (missing.length === 0)
    return ok('listed-files', `all ${literals} files that are named one by one are there`);
  const which = missing.map(({ path, watchlist, line }) => `${path} (${watchlist}:${line})`);
  const found = `named in a watchlist and not on this node: ${listed(which, 10)}`;
  const [first] = missing;
  const mend = `nothing, if this node has no such file; else create it, or see: bm-confsync explain ${first?.path ?? ''}`;
  return warning('listed-files', found, mend);
}

/** Below these, both nodes have what packages and the kernel bring. */
const brought = ['/usr', '/lib', '/lib32', '/lib64', '/bin', '/sbin', '/dev', '/proc', '/sys', '/run'];

/** Where a link leads that leaves the replicated tree; undefined for one that stays, or leads to what packages bring. */
export function leavesFor({ path, target }: Link, roots: readonly ReplicaPath[]): string | undefined {
  const parsed = parseReplicaPath(posix.resolve(parentOf(path), target));
  if (!parsed.ok) return target;
  const within = (top: string): boolean => isAtOrBelow(parsed.path, top as ReplicaPath);
  return roots.some(within) || brought.some(within) ? undefined : parsed.path;
}

export function judgeLinks({ links }: Survey, roots: readonly ReplicaPath[]): Check {
  const leaving = links.flatMap((link) => {
    const to = leavesFor(link, roots);
    return to === undefined ? [] : [{ path: link.path, to }];
  });
  const [first] = leaving;
  if (first === undefined)
    return ok('links', `none of ${links.length} leads to files that only this node may have`);
  const found = `links are replicated, what they lead to is not: ${listed(leaving.map(({ path, to }) => `${path} -> ${to}`))}`;
  const mend = `add ${first.to} to a watchlist of both nodes, or make sure that both have it`;
  return warning('links', found, mend);
}
