import { type Packed, packEntry } from '../core/packed.ts';
import { childOf, isTemporaryName, type ReplicaPath } from '../core/path.ts';
import { faultOf, notUtf8 } from './bad-path.ts';
import type { Directories, OpenDirectory } from './confined.ts';
import type { Folder } from './folder.ts';
import { FolderDraft } from './folder-draft.ts';
import { byBytes, escaped, inOrder, listed, notListed } from './listing.ts';
import type { Observation } from './observation.ts';
import { type LookOptions, observe, observeChild, racyMs } from './observe.ts';
import { type InodeType, Statx } from './statx.ts';
import { isPlain, Unchanged, UnreadFile, unchanged } from './unchanged.ts';

export type Watched = {
  includes(path: ReplicaPath): boolean;
  mayContain(directory: ReplicaPath): boolean;
};

export type WalkOptions = LookOptions & {
  readonly watchlists: Watched;
  /** Default false: of a file that has to be read only the name is told, until its observation is asked for. */
  readonly lazy?: boolean;
  /** Default false: children that are as they were come one by one. True: as one folder, before the others. */
  readonly folders?: boolean;
  /** Called for each temporary name of ours, which is never yielded. */
  readonly onLeftover?: (path: ReplicaPath) => void;
};

export type Scanned = {
  readonly path: ReplicaPath;
  readonly observation: Observation;
  /** The entry of the observation where it need not be unpacked to be known. */
  readonly packed?: Packed;
  /** To ask for the observation, before the walk goes on, is to read the file. */
  readonly unread?: true;
};

/** Undefined: nothing to yield, but time has passed. */
export type Step = Scanned | Folder | undefined;

/** A directory that is being walked. `known`: from before. `draft`: what will be; undefined once it cannot be known. */
type Walked = {
  readonly path: ReplicaPath;
  readonly directory: OpenDirectory;
  readonly known: Folder | undefined;
  /** Whether a child that has the state which is known needs no further look. */
  readonly knowsChildren: boolean;
  draft: FolderDraft | undefined;
  /** Whether what the draft comes to hold is yielded as its folder, and not one by one. */
  collects: boolean;
  /** Names that were listed as those of files; undefined where more has to be asked of a file anyway. */
  readonly files: ReadonlySet<string> | undefined;
};

/** A directory that changed less than this before it was listed may be changing, milliseconds. More than a listing takes. */
const recentlyMs = 1000;
/** Names that are not replicated are not remembered without end. */
const mostPassedOver = 1000;

/** One walk. Descriptors of finished directories are given up, so it holds as many as the tree is deep. */
export class Walk {
  readonly #directories: Directories;
  readonly #options: WalkOptions;
  readonly #seen = new Statx();

  constructor(directories: Directories, options: WalkOptions) {
    this.#directories = directories;
    this.#options = options;
  }

  #now(): number {
    return this.#options.now?.() ?? Date.now();
  }

  *from(start: ReplicaPath): Generator<Step> {
    yield* this.#at(start, observe({ ...this.#options, directories: this.#directories, path: start }));
  }

  *#at(path: ReplicaPath, observation: Observation): Generator<Step> {
    const { watchlists } = this.#options;
    const descends = watchlists.mayContain(path);
    if (observation.kind === 'entry' && observation.entry.kind === 'directory' && descends) {
      yield* this.#directory({ path, observation }, watchlists.includes(path));
    } else if (watchlists.includes(path) || (descends && hidesWhatIsBelow(observation))) {
      yield { path, observation };
    }
  }

  /** A directory is listed before it is yielded, so that it is either seen or failed, and never both. */
  *#directory(self: Scanned, included: boolean): Generator<Step> {
    const { path } = self;
    const { watchlists, cache, fresh, lazy, folders, maxFileSizeBytes } = this.#options;
    const directory = this.#directories.open(path);
    if (!directory.ok) return void (yield { path, observation: notListed(directory) });
    const known = cache?.folder(path);
    // To list is a third of a walk. Who wants the disk read lists all the same.
    const remembered =
      known !== undefined && fresh !== true && this.#isSettled(directory)
        ? known.listingAsSeen(this.#seen)
        : undefined;
    const files = lazy === true && fresh !== true && known === undefined ? new Set<string>() : undefined;
    const listing = remembered ?? listed(directory, path, files);
    if ('kind' in listing) return void (yield { path, observation: listing });
    const settled = remembered !== undefined || this.#isSettled(directory);
    const knowsChildren = fresh !== true && known?.knowsChildren(watchlists) === true;
    const walked: Walked = {
      path,
      directory,
      known,
      knowsChildren,
      files,
      draft: undefined,
      collects: false,
    };
    const own = included ? self : undefined;
    const isKnown =
      settled && known?.isListed(this.#seen, { watchlists, listing, maxFileSizeBytes }) === true;
    if (isKnown && (yield* known.looksUnchanged(directory.fd, this.#seen, fresh === true))) {
      yield own;
      yield* this.#asKnown(walked, known);
      return this.#directories.release(path);
    }
    const names = inOrder({ directory, path, listing, changedLately: !settled });
    if ('kind' in names) return void (yield { path, observation: names });
    yield own;
    if (settled && cache !== undefined && fresh !== true && names.undecodable.length === 0)
      walked.draft = this.#beginDraft(directory, self);
    walked.collects = walked.draft !== undefined && folders === true && lazy !== true;
    for (const name of names.names) {
      const child = this.#child(walked, name);
      if (isSteps(child)) yield* child;
      else yield child;
    }
    for (const bytes of names.undecodable) yield this.#undecodable(path, bytes);
    const folder = walked.draft?.folder(listing, { watchlists, included });
    if (walked.collects) yield folder;
    if (folder !== undefined && listing.length <= 4 * folder.size + mostPassedOver) cache?.keep(folder);
    this.#directories.release(path);
  }

  /** A look at the directory, and whether it has not changed lately. */
  #isSettled({ fd }: OpenDirectory): boolean {
    const seen = this.#seen;
    return seen.look(fd, '.') === 'directory' && this.#now() - seen.changedAtMs >= recentlyMs;
  }

  #beginDraft({ fd }: OpenDirectory, { path, packed, observation }: Scanned): FolderDraft {
    const draft = new FolderDraft(path);
    const seen = this.#seen;
    if (observation.kind !== 'entry' || seen.look(fd, '.') !== 'directory') return draft;
    if (seen.stamp !== observation.stamp || this.#now() - seen.changedAtMs < recentlyMs) return draft;
    const own = packed ?? packEntry(observation.entry);
    if (isPlain(own, 'directory', seen)) draft.rememberSelf(own, seen);
    return draft;
  }

  *#asKnown(walked: Walked, known: Folder): Generator<Step> {
    const others = known.walked?.others ?? [];
    const isCollected = this.#options.folders === true;
    let outdated = false;
    if (isCollected) yield known;
    const names = isCollected
      ? others
      : others.length === 0
        ? known.names
        : byBytes([...known.names, ...others]);
    for (const name of names) {
      const place = isCollected ? -1 : known.placeOf(name);
      const child = place >= 0 ? known.childAt(place) : this.#child(walked, name);
      if (isSteps(child)) yield* child;
      else yield child;
      outdated ||= child instanceof Unchanged;
    }
    // What could not be remembered can be by now: the next walk puts all of it together.
    if (outdated) this.#options.cache?.keep(known.unwalked());
  }

  /** What is remembered of a child that has the very state which was remembered, and is to be yielded. */
  #stillKnown({ known, directory, draft, knowsChildren }: Walked, name: string): Scanned | undefined {
    const place = knowsChildren && known !== undefined ? known.placeOf(name) : -1;
    if (known === undefined || place < 0) return undefined;
    const seen = this.#seen;
    if (seen.look(directory.fd, name) === undefined || !known.isSame(place, seen)) return undefined;
    if (seen.size > this.#options.maxFileSizeBytes) return undefined;
    draft?.keep(known, place, seen);
    return known.childAt(place);
  }

  /** What is to be yielded of a child; the steps of a walk where it is a directory, since a generator for each file would take most of the time. */
  #child(walked: Walked, name: string): Step | Generator<Step> {
    const still = this.#stillKnown(walked, name);
    if (still !== undefined) return walked.collects ? undefined : still;
    const path = childOf(walked.path, name);
    const { watchlists, cache, fresh, lazy, onLeftover } = this.#options;
    if (isTemporaryName(name)) {
      walked.draft?.lookAgain(name);
      onLeftover?.(path);
      return undefined;
    }
    const isFile = walked.files?.has(name) === true;
    const folder = isFile ? undefined : this.#asItWas(walked.directory, { name, path });
    const own = folder?.own;
    if (own !== undefined) {
      walked.draft?.lookAgain(name);
      return this.#directory(own, folder?.walked?.included === true);
    }
    const included = watchlists.includes(path);
    if (!included && !watchlists.mayContain(path)) return undefined;
    const seen = this.#seen;
    if (!included && (isFile || holdsNothing(seen.look(walked.directory.fd, name)))) return undefined;
    const fault = faultOf(path);
    if (fault !== undefined) {
      walked.draft?.lookAgain(name);
      return { path, observation: fault };
    }
    if (isFile && included && cache?.knows(path) === false) return this.#unread(walked, name, path);
    const type = cache === undefined || fresh === true ? undefined : seen.look(walked.directory.fd, name);
    if (
      included &&
      cache !== undefined &&
      type !== undefined &&
      seen.size <= this.#options.maxFileSizeBytes
    ) {
      const found = unchanged({ name, path, type, seen }, walked.known, cache);
      if (found === 'unread' && lazy === true) return this.#unread(walked, name, path);
      if (found instanceof Unchanged) {
        walked.draft?.remember(name, found.packed, seen);
        return walked.collects ? undefined : found;
      }
    }
    return this.#lookedAt(walked, { name, path, included });
  }

  /** A file that is read when its observation is asked for: its directory cannot be remembered as a whole before. */
  #unread(walked: Walked, name: string, path: ReplicaPath): Step {
    walked.draft = undefined;
    return new UnreadFile(path, () => observeChild(walked.directory, name, path, this.#options));
  }

  /** A directory that was walked for the same watchlists and is as it was then, by its own state: there is nothing else to read. */
  #asItWas({ fd }: OpenDirectory, { name, path }: { name: string; path: ReplicaPath }): Folder | undefined {
    const { watchlists, cache } = this.#options;
    const folder = cache?.folder(path);
    if (folder?.walked?.self === undefined || folder.walked.watchlists !== watchlists) return undefined;
    return this.#seen.look(fd, name) === 'directory' && folder.isSelf(this.#seen) ? folder : undefined;
  }

  #lookedAt(
    walked: Walked,
    { name, path, included }: { name: string; path: ReplicaPath; included: boolean },
  ): Step | Generator<Step> {
    const observation = observeChild(walked.directory, name, path, this.#options);
    const { draft } = walked;
    if (!included) draft?.lookAgain(name);
    const noted =
      draft === undefined || !included
        ? undefined
        : this.#note(draft, walked.directory, { name, path, observation });
    const isDirectory = observation.kind === 'entry' && observation.entry.kind === 'directory';
    // The text that is remembered serves whoever keeps it: there may be very many.
    if (noted !== undefined) return walked.collects ? undefined : { path, observation, packed: noted };
    return included && !isDirectory ? { path, observation } : this.#at(path, observation);
  }

  /** What was just looked at closely can be known by its state from now on: its entry then. Or it is looked at each time. */
  #note(
    draft: FolderDraft,
    directory: OpenDirectory,
    { name, path, observation }: { name: string; path: ReplicaPath; observation: Observation },
  ): Packed | undefined {
    const seen = this.#seen;
    const packed = this.#packedOf(observation, path);
    const type = packed === undefined ? undefined : seen.look(directory.fd, name);
    const stamp = observation.kind === 'entry' ? observation.stamp : '';
    // Links are never read, so that nothing but their age tells that they rest. A file is remembered where it does.
    const isFit =
      type === 'file' || (type === 'link' && this.#now() - seen.changedAtMs > racyMs) ? type : undefined;
    if (
      packed === undefined ||
      isFit === undefined ||
      seen.stamp !== stamp ||
      !isPlain(packed, isFit, seen)
    ) {
      draft.lookAgain(name);
      return undefined;
    }
    draft.remember(name, packed, seen);
    return packed;
  }

  /** Of a file as the cache remembers it: undefined where it does not. */
  #packedOf(observation: Observation, path: ReplicaPath): Packed | undefined {
    if (observation.kind !== 'entry') return undefined;
    const { entry } = observation;
    if (entry.kind === 'file') return this.#options.cache?.packed(path, observation);
    return entry.kind === 'symlink' ? packEntry(entry) : undefined;
  }

  #undecodable(parent: ReplicaPath, bytes: Buffer): Step {
    const isIncluded = this.#options.watchlists.includes(childOf(parent, bytes.toString('utf8')));
    return isIncluded ? { path: childOf(parent, escaped(bytes)), observation: notUtf8(bytes) } : undefined;
  }
}

function isSteps(child: Step | Generator<Step>): child is Generator<Step> {
  return child !== undefined && 'next' in child;
}

/** Whether there is something for sure in which nothing can be. */
function holdsNothing(type: InodeType | undefined): boolean {
  return type === 'file' || type === 'link';
}

/** Whether there may be a directory that could not be looked at. */
function hidesWhatIsBelow(observation: Observation): boolean {
  return observation.kind === 'failed' || observation.kind === 'unstable';
}
