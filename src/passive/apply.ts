import { isCanary } from '../core/canary.ts';
import type { Entry } from '../core/entry.ts';
import type { PathFailure } from '../core/failure.ts';
import { parentOf, type ReplicaPath } from '../core/path.ts';
import { Directories } from '../files/confined.ts';
import { errnoFailure } from '../files/errno.ts';
import { kernelRenames, type Renames } from '../files/place.ts';
import { passed, tracing } from '../log/trace.ts';
import type { GroupJournal } from '../state/journal.ts';
import type { AckResult, FromActive, PushMessage } from '../wire/message.ts';
import { type KeepVersions, keepOneBy } from './displaced.ts';
import { syncFiles } from './durable.ts';
import { placeGroup } from './group.ts';
import { Keeper, type KeeperOptions } from './keeper.ts';
import {
  answer,
  isReady,
  isRefusedAlready,
  noBase,
  type Operation,
  type Ready,
  type Receiving,
  refused,
  type StagedOperation,
  tooMuch,
} from './operation.ts';
import { inOrder } from './order.ts';
import { type PushSet, PushSets } from './sets.ts';
import { Sightings } from './sightings.ts';
import { Stager, type StagerOptions } from './stage.ts';
import { Swapper } from './swap.ts';
import { discardAll } from './temporary.ts';

/** What the applier needs of the rest of the node. */
export type ApplierOptions = Omit<StagerOptions, 'sightings'> &
  KeeperOptions & {
    readonly keepVersions: KeepVersions;
    /** Makes names in open directories, and all that was kept, survive a power cut. */
    readonly settle: (directories: readonly number[]) => void;
    /** Where groups are noted while they are placed, with the sender and its epoch. Default: sets cannot be placed. */
    readonly groups?: { readonly journal: GroupJournal; readonly peer: string; readonly epoch: number };
    readonly renames?: Renames;
  };

type Chunk = Pick<Extract<FromActive, { t: 'chunk' }>, 'last' | 'copy'>;

export type Applied = { readonly push: PushMessage; readonly result: AckResult };

/**
 * Applies pushes on the passive in batches: `begin` admits and stages, `commit` makes the batch durable,
 * puts everything in place by compare-and-swap, and makes that durable. Synchronous throughout: the
 * receiver has nothing else to do, and the thread pool costs more than the calls.
 */
export class Applier {
  readonly #options: ApplierOptions;
  readonly #directories: Directories;
  readonly #stager: Stager;
  readonly #swapper: Swapper;
  readonly #keeper: Keeper;
  readonly #sets: PushSets;
  #batch: Operation[] = [];
  #complete: PushSet[] = [];
  #stagedBytes = 0;
  #journaled: string[] = [];
  /** What was placed last, whose directories are open until what it displaced is kept. */
  #placed: readonly Operation[] | undefined;

  constructor(options: ApplierOptions) {
    this.#options = options;
    this.#directories = new Directories(options.root);
    const sightings = new Sightings();
    this.#stager = new Stager({ ...options, sightings });
    this.#sets = new PushSets(options.root);
    const { keepVersions, renames = kernelRenames } = options;
    const keepsRefused = options.keepRefused !== undefined;
    const directories = this.#directories;
    this.#swapper = new Swapper({ directories, keepVersions, keepsRefused, renames, sightings });
    this.#keeper = new Keeper(this.#swapper, options);
  }

  /** Operations that can be committed, and bytes staged for them. */
  get waiting(): { readonly operations: number; readonly bytes: number } {
    let operations = this.#batch.length;
    for (const set of this.#complete) operations += set.of;
    return { operations, bytes: this.#stagedBytes };
  }

  /** What about a push breaks the protocol, if anything. To be asked before `begin`. */
  faultOf(push: PushMessage): string | undefined {
    return this.#sets.faultOf(push);
  }

  /**
   * Admits one push and stages its content, or takes its answer as given. Returns the operation while chunks
   * are awaited; otherwise it has joined the batch, or its set.
   */
  begin(push: PushMessage, body: Buffer, answered?: AckResult): Receiving | undefined {
    this.keepDisplaced();
    const set = this.#sets.of(push);
    const where = { directories: set?.directories ?? this.#directories, grouped: set !== undefined };
    let operation = answered === undefined ? this.#stager.admit(push, body, where) : answer(push, answered);
    if (operation.kind === 'receiving') return operation;
    if (operation.kind === 'staged') {
      this.#stagedBytes += body.byteLength;
      // One that replaces something goes in place at once, since what follows in the same batch may lie in it.
      if (push.put.kind === 'directory' && operation.tree === undefined)
        operation = this.#makeDirectory(operation);
    }
    this.#join(operation);
    return undefined;
  }

  /** Adds a chunk; with the last one the push joins the batch. A failure joins it as a refusal: returns false. */
  continue(operation: Receiving, chunk: Chunk, body: Buffer): boolean {
    const { push, file, base, verdict } = operation;
    const { last, copy } = chunk;
    const bytes = body.byteLength + (copy?.bytes ?? 0);
    this.#stagedBytes += bytes;
    operation.left -= bytes;
    // A sender that does not stop must not fill the disk.
    let failure = operation.left < 0 ? tooMuch(push) : file.write(body);
    if (failure === undefined && copy !== undefined) failure = base?.copy(copy, file) ?? noBase(base);
    if (failure === undefined && !last) return true;
    base?.close();
    if (failure === undefined && push.put.kind === 'file') failure = file.finish(push.put);
    if (failure !== undefined) this.#discardContent(operation);
    else if (verdict !== undefined) this.#keepStaged(operation);
    if (verdict !== undefined) this.#join(answer(push, verdict));
    else if (failure !== undefined) this.#join(answer(push, refused(failure)));
    else this.#join({ ...operation, kind: 'staged', staged: file.names });
    return failure === undefined;
  }

  /** Drops a push whose content will not come. Its set, if any, cannot be placed then. */
  abort(operation: Receiving): void {
    operation.base?.close();
    this.#discardContent(operation);
    const { push } = operation;
    if (push.set === undefined) return;
    this.#join(answer(push, refused({ reason: 'unstable', detail: 'it changed while it was sent' })));
  }

  /** Files under their temporary names that `commit` would place. */
  *stagedFiles(): Generator<StagedOperation> {
    for (const operations of [this.#batch, ...this.#complete.map((set) => set.operations)]) {
      if (operations !== this.#batch && operations.some(isRefusedAlready)) continue;
      for (const operation of operations)
        if (operation.kind === 'staged' && operation.push.put.kind === 'file') yield operation;
    }
  }

  /** Refuses a staged file before `commit`; what it holds is kept as a version. */
  refuse(operation: StagedOperation, failure: PathFailure): void {
    const { path, put } = operation.push;
    this.#keep(operation.staged.temporary, { path, entry: put });
    const own = operation.push.set === undefined && operation.directories !== this.#directories;
    if (own) operation.directories.close();
    for (const operations of [this.#batch, ...this.#complete.map((set) => set.operations)]) {
      const at = operations.indexOf(operation);
      if (at >= 0) operations[at] = answer(operation.push, refused(failure));
    }
  }

  /** Makes the batch visible and durable. `halted` refuses all that is not yet in place. `keepDisplaced` has to follow. */
  commit(halted: AckResult | undefined): Applied[] {
    this.keepDisplaced();
    const batch = this.#batch;
    const sets = this.#complete;
    this.#batch = [];
    this.#complete = [];
    this.#stagedBytes = 0;
    if (halted === undefined) this.#prepare([batch, ...sets.map((set) => set.operations)]);
    if (tracing) for (const { push } of batch) passed('synced', push.path);
    const ordered = inOrder(batch);
    const ready = halted === undefined ? ordered.filter(isReady) : [];
    const placed = this.#keeper.place(ready);
    if (halted !== undefined) discardAll(ordered);
    const results = ordered.map((operation) => ({
      push: operation.push,
      result: halted === undefined ? resultOf(operation, placed) : haltedResult(operation, halted),
    }));
    const isAnyApplied = results.some(({ result }) => result.kind === 'applied');
    for (const set of sets) results.push(...this.#placeSet(set, halted));
    this.#options.settle(isAnyApplied ? this.#directoriesOf(batch) : []);
    this.#placed = batch;
    return results;
  }

  /** The other half of `commit`: keeps what was displaced, where that waits. Does nothing where it was done. */
  keepDisplaced(): void {
    const placed = this.#placed;
    if (placed === undefined) return;
    this.#placed = undefined;
    this.#keeper.keep();
    for (const operation of placed) if (operation.kind === 'staged') operation.directories.close();
    this.#directories.close();
    this.#stager.ended();
  }

  /** To be called once the results of `commit` are remembered. */
  remembered(): void {
    for (const id of this.#journaled) this.#options.groups?.journal.close(id);
    this.#journaled = [];
  }

  /** Drops everything that is not in place, sets that never became complete among it. */
  drop(): void {
    this.keepDisplaced();
    const sets = [...this.#sets.takeIncomplete(), ...this.#complete];
    const operations = [...this.#batch, ...sets.flatMap((set) => set.operations)];
    // Several are reached through the same descriptors, which close together.
    discardAll(operations);
    for (const operation of operations) if (operation.kind === 'staged') operation.directories.close();
    for (const set of sets) set.directories.close();
    this.#directories.close();
    this.#stager.ended();
    this.#batch = [];
    this.#complete = [];
    this.#stagedBytes = 0;
  }

  #join(operation: Operation): void {
    if (operation.push.set === undefined) {
      this.#batch.push(operation);
      return;
    }
    const complete = this.#sets.join(operation);
    if (complete !== undefined) this.#complete.push(complete);
  }

  #makeDirectory(operation: StagedOperation): Operation {
    this.#options.intend?.([operation.push]);
    return answer(operation.push, resultOf(operation, this.#swapper.place([operation], 'now').results));
  }

  /** The last step before anything is in place: contents are durable, and what is placed is noted. */
  #prepare(all: readonly (readonly Operation[])[]): void {
    const ready = all.flatMap((operations) => operations.filter(isReady));
    if (ready.length === 0) return;
    const files = ready.flatMap((operation) =>
      operation.kind === 'staged' && operation.push.put.kind === 'file'
        ? [{ path: operation.staged.temporary, parentFd: operation.parentFd }]
        : [],
    );
    syncFiles(files);
    const lasting = ready.flatMap(({ push }) => (isCanary(push.path) ? [] : [push]));
    if (lasting.length > 0) this.#options.intend?.(lasting);
  }

  /** Descriptors of the directories that hold the names of a batch. */
  #directoriesOf(batch: readonly Operation[]): number[] {
    const parents = new Set(batch.map((operation) => parentOf(operation.push.path)));
    return [...parents]
      .map((path) => this.#directories.open(path))
      .flatMap((directory) => (directory.ok ? [directory.fd] : []));
  }

  #placeSet(set: PushSet, halted: AckResult | undefined): Applied[] {
    const { operations } = set;
    const { keepVersions, groups, nonce, renames = kernelRenames } = this.#options;
    let results = operations.map((operation) => ({ push: operation.push, result: halted }));
    if (halted !== undefined) discardAll(operations);
    else {
      if (groups === undefined) throw new Error('sets cannot be placed without a journal');
      const tools = {
        ...groups,
        swapper: this.#swapper,
        keepVersion: keepOneBy(keepVersions),
        nonce,
        renames,
      };
      const placed = placeGroup(operations, tools);
      if (placed.journaled !== undefined) this.#journaled.push(placed.journaled);
      results = operations.map((operation) => ({
        push: operation.push,
        result: placed.results.get(operation),
      }));
    }
    for (const operation of operations) if (operation.kind === 'staged') operation.directories.close();
    set.directories.close();
    return results.flatMap(({ push, result }) => (result === undefined ? [] : [{ push, result }]));
  }

  #discardContent({ file, directories }: Receiving): void {
    file.discard();
    directories.close();
  }

  #keepStaged({ push, file, directories }: Receiving): void {
    this.#keep(file.names.temporary, { path: push.path, entry: push.put });
    directories.close();
  }

  /** A content that was refused is kept if it can be; that it cannot changes nothing about the answer. */
  #keep(from: string, { path, entry }: { path: ReplicaPath; entry: Entry }): void {
    try {
      if (entry.kind !== 'absent')
        keepOneBy(this.#options.keepVersions)({ from, path, entry, reason: 'refused' });
    } catch (error) {
      this.#options.onNotKept?.(path, errnoFailure(error, path));
    }
  }
}

function resultOf(operation: Operation, placed: ReadonlyMap<Ready, AckResult>): AckResult {
  if (operation.kind === 'answered') return operation.result;
  const result = operation.kind === 'receiving' ? undefined : placed.get(operation);
  if (result === undefined) throw new Error('a push whose content is incomplete is never in a batch');
  return result;
}

function haltedResult(operation: Operation, halted: AckResult): AckResult {
  return operation.kind === 'answered' ? operation.result : halted;
}
