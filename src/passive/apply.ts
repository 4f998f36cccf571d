import { closeSync, constants, openSync } from 'node:fs';
import { admitPush } from '../core/admit.ts';
import { type Entry, sameContent, sameEntry } from '../core/entry.ts';
import type { PathFailure } from '../core/failure.ts';
import { ancestorsOf, nameOf, parentOf, type ReplicaPath } from '../core/path.ts';
import { Directories, type OpenDirectory } from '../files/confined.ts';
import { errnoFailure } from '../files/errno.ts';
import type { EntryCache, Observation } from '../files/observation.ts';
import { observe } from '../files/observe.ts';
import {
  changeDirectory,
  changeMode,
  changeTime,
  kernelRenames,
  type Outcome,
  type Renames,
  type Staged,
  StagedFile,
  stageDirectory,
  stagedNames,
  stageSymlink,
} from '../files/place.ts';
import type { AckResult, PushMessage } from '../wire/message.ts';
import { syncDirectories, syncFiles } from './durable.ts';
import { answer, failureOf, type Operation, refused, tooMuch } from './operation.ts';
import { lackOfSpace } from './space.ts';
import { type KeepVersion, removeTemporary, Swapper } from './swap.ts';

/** What the applier needs of the rest of the node. */
export type ApplierOptions = {
  readonly root: string;
  readonly watchlists: { includes(path: ReplicaPath): boolean; impliedDirectory(path: ReplicaPath): boolean };
  readonly cache: EntryCache;
  /** This node's own agreed entries with the sender. */
  readonly agreed: (path: ReplicaPath) => Entry | undefined;
  /** Keeps what was displaced as a version and consumes it. `from` is a full path. */
  readonly keepVersion: KeepVersion;
  readonly maxFileSizeBytes: number;
  readonly minFreeDiskBytes: number;
  /** A fresh name part: 12 hexadecimal digits. */
  readonly nonce: () => string;
  readonly renames?: Renames;
};

/**
 * Applies pushes on the passive in batches: `begin` admits and stages, `commit` makes the batch durable,
 * puts everything in place by compare-and-swap, and makes that durable. Synchronous throughout: the
 * receiver has nothing else to do, and the thread pool costs more than the calls.
 */
export class Applier {
  readonly #options: ApplierOptions;
  readonly #directories: Directories;
  readonly #buffer = Buffer.allocUnsafe(256 * 1024);
  readonly #swapper: Swapper;
  #batch: Operation[] = [];
  #stagedBytes = 0;

  constructor(options: ApplierOptions) {
    this.#options = options;
    this.#directories = new Directories(options.root);
    const { keepVersion, renames = kernelRenames } = options;
    this.#swapper = new Swapper({ directories: this.#directories, keepVersion, renames });
  }

  /** Operations of the batch, and bytes staged for it. */
  get waiting(): { readonly operations: number; readonly bytes: number } {
    return { operations: this.#batch.length, bytes: this.#stagedBytes };
  }

  /**
   * Admits one push and stages its content. Returns the operation while chunks are awaited; otherwise it
   * has joined the batch.
   */
  begin(push: PushMessage, body: Buffer): Extract<Operation, { kind: 'receiving' }> | undefined {
    const operation = this.#admit(push, body);
    if (operation.kind === 'receiving') return operation;
    this.#batch.push(operation);
    return undefined;
  }

  /** Adds a chunk; with the last one the push joins the batch. A failure joins it as a refusal: returns false. */
  continue(operation: Extract<Operation, { kind: 'receiving' }>, chunk: Buffer, last: boolean): boolean {
    const { push, file } = operation;
    this.#stagedBytes += chunk.byteLength;
    operation.left -= chunk.byteLength;
    // A sender that does not stop must not fill the disk.
    let failure = operation.left < 0 ? tooMuch(push) : file.write(chunk);
    if (failure === undefined && !last) return true;
    if (failure === undefined && push.put.kind === 'file') failure = file.finish(push.put);
    this.#batch.push(
      failure === undefined
        ? { ...operation, kind: 'staged', staged: file.names }
        : answer(push, refused(failure)),
    );
    if (failure !== undefined) this.abort(operation);
    return failure === undefined;
  }

  /** Drops a push whose content will not come. */
  abort(operation: Extract<Operation, { kind: 'receiving' }>): void {
    operation.file.discard();
    operation.directories.close();
  }

  /** Makes the batch durable and visible. `halted` refuses all that is not yet in place. */
  commit(halted: AckResult | undefined): { push: PushMessage; result: AckResult }[] {
    const batch = this.#batch;
    this.#batch = [];
    this.#stagedBytes = 0;
    if (halted === undefined) this.#syncContent(batch);
    const results = batch.map((operation) => ({
      push: operation.push,
      result: this.#place(operation, halted),
    }));
    if (results.some(({ result }) => result.kind === 'applied')) this.#syncNames(batch);
    for (const operation of batch) if (operation.kind === 'staged') operation.directories.close();
    this.#directories.close();
    return results;
  }

  #admit(push: PushMessage, body: Buffer): Operation {
    const { path } = push;
    const { watchlists } = this.#options;
    const implied =
      push.put.kind === 'directory' && push.expect.kind === 'absent' && watchlists.impliedDirectory(path);
    if (!watchlists.includes(path) && !implied) {
      return answer(
        push,
        refused({ reason: 'outside-watchlist', detail: 'this node’s own watchlists do not include it' }),
      );
    }
    // To `observe` nothing is below a link, so a deletion there is done. Anything else has no place to go.
    const parent = this.#directories.parentOf(path);
    if (!parent.ok && parent.reason === 'not-confined' && push.put.kind !== 'absent')
      return answer(push, refused(parent));
    const disk = this.#look(path);
    if (disk.kind !== 'entry') return answer(push, refused(failureOf(disk)));
    // A directory that only leads to a listed file is made where it is missing and otherwise left alone.
    if (implied && disk.entry.kind === 'directory') return answer(push, { kind: 'already-there' });
    const admission = admitPush(push, disk.entry, this.#options.agreed(path));
    switch (admission.kind) {
      case 'already-there':
        return answer(push, { kind: 'already-there' });
      case 'conflict':
        return answer(push, { kind: 'conflict', conflict: admission.conflict, found: admission.found });
      case 'touch':
        return this.#inPlace(push, (target) =>
          push.put.kind === 'file' ? changeTime(target, push.put.mtime) : undefined,
        );
      case 'apply':
        return this.#stage(push, body, admission.replaces);
    }
  }

  #look(path: ReplicaPath): Observation {
    const { cache } = this.#options;
    // The size limit guards what is sent; what is here already must be seen whatever its size.
    return observe({
      directories: this.#directories,
      path,
      cache,
      maxFileSizeBytes: Number.MAX_SAFE_INTEGER,
      checkWriters: true,
    });
  }

  /** One atomic change of the inode itself, for which no copy is needed. */
  #inPlace(push: PushMessage, change: (target: string) => PathFailure | undefined): Operation {
    const parent = this.#directories.parentOf(push.path);
    if (!parent.ok) return answer(push, refused(parent));
    const failure = change(parent.child(nameOf(push.path)));
    return answer(push, failure === undefined ? { kind: 'applied' } : refused(failure));
  }

  #stage(push: PushMessage, body: Buffer, replaces: Entry): Operation {
    const { put, path } = push;
    const parent = this.#directories.parentOf(path);
    if (!parent.ok) return answer(push, refused(parent));
    const name = nameOf(path);
    if (put.kind === 'absent') {
      const names = stagedNames(parent, name, this.#options.nonce());
      return { kind: 'remove', push, replaces, names, parentFd: parent.fd, directories: this.#directories };
    }
    if (put.kind === 'directory') {
      if (replaces.kind === 'directory') return this.#inPlace(push, (target) => changeDirectory(target, put));
      return this.#makeDirectory(push, replaces, parent);
    }
    if (put.kind === 'symlink') {
      const staged = stageSymlink(parent, name, put, this.#options.nonce());
      return staged.ok
        ? this.#staged(push, replaces, staged.value, parent)
        : answer(push, refused(staged.failure));
    }
    const lack = lackOfSpace(parent.fd, put.size, this.#options.minFreeDiskBytes);
    if (lack !== undefined) return answer(push, refused(lack));
    if (push.content === 'local') return this.#stageLocal(push, replaces, parent);
    if (push.content === 'none')
      return answer(push, refused({ reason: 'need-content', detail: 'the push came without content' }));
    if (push.content === 'stream') return this.#receive(push, replaces, put.size);
    const file = StagedFile.create(parent, name, this.#options.nonce());
    if (!file.ok) return answer(push, refused(file.failure));
    this.#stagedBytes += body.byteLength;
    return this.#finishFile({ push, replaces, parent }, file.value, file.value.write(body));
  }

  /** Begins a file that outlives this batch. */
  #receive(push: PushMessage, replaces: Entry, size: number): Operation {
    const directories = new Directories(this.#options.root);
    const parent = directories.parentOf(push.path);
    if (!parent.ok) {
      directories.close();
      return answer(push, refused(parent));
    }
    const file = StagedFile.create(parent, nameOf(push.path), this.#options.nonce());
    if (!file.ok) {
      directories.close();
      return answer(push, refused(file.failure));
    }
    for (const ancestor of ancestorsOf(parentOf(push.path))) directories.release(ancestor);
    return {
      kind: 'receiving',
      push,
      replaces,
      file: file.value,
      directories,
      parentFd: parent.fd,
      left: size,
    };
  }

  /** Only attributes change: the content is taken from the file that is here already. */
  #stageLocal(push: PushMessage, replaces: Entry, parent: OpenDirectory): Operation {
    const { put, path } = push;
    if (put.kind !== 'file' || replaces.kind !== 'file' || !sameContent(put, replaces)) {
      return answer(push, refused({ reason: 'need-content', detail: 'the content is not on this node' }));
    }
    const name = nameOf(path);
    if (sameEntry({ ...replaces, mode: put.mode }, put) && replaces.mtime === put.mtime) {
      return this.#inPlace(push, (target) => changeMode(target, put.mode));
    }
    const source = openExisting(parent.child(name));
    if (!source.ok) return answer(push, refused(source.failure));
    try {
      const file = StagedFile.create(parent, name, this.#options.nonce());
      if (!file.ok) return answer(push, refused(file.failure));
      return this.#finishFile(
        { push, replaces, parent },
        file.value,
        file.value.copyFrom(source.value, this.#buffer),
      );
    } finally {
      closeSync(source.value);
    }
  }

  #finishFile(
    { push, replaces, parent }: { push: PushMessage; replaces: Entry; parent: OpenDirectory },
    file: StagedFile,
    written: PathFailure | undefined,
  ): Operation {
    const failure = written ?? (push.put.kind === 'file' ? file.finish(push.put) : undefined);
    if (failure === undefined) return this.#staged(push, replaces, file.names, parent);
    file.discard();
    return answer(push, refused(failure));
  }

  #staged(push: PushMessage, replaces: Entry, staged: Staged, { fd }: OpenDirectory): Operation {
    return { kind: 'staged', push, replaces, staged, parentFd: fd, directories: this.#directories };
  }

  /** Directories go in place at once, since what follows in the same batch may lie in them. */
  #makeDirectory(push: PushMessage, replaces: Entry, parent: OpenDirectory): Operation {
    if (push.put.kind !== 'directory') throw new Error('only a directory is made here');
    const staged = stageDirectory(parent, nameOf(push.path), push.put, this.#options.nonce());
    if (!staged.ok) return answer(push, refused(staged.failure));
    return answer(push, this.#place(this.#staged(push, replaces, staged.value, parent), undefined));
  }

  #syncContent(batch: readonly Operation[]): void {
    const files = batch.flatMap((operation) => {
      if (operation.kind !== 'staged' || operation.push.put.kind !== 'file') return [];
      return [{ path: operation.staged.temporary, parentFd: operation.parentFd }];
    });
    syncFiles(files);
  }

  #syncNames(batch: readonly Operation[]): void {
    const parents = new Set(batch.map((operation) => parentOf(operation.push.path)));
    const opened = [...parents]
      .map((path) => this.#directories.open(path))
      .filter((directory) => directory.ok);
    syncDirectories(opened.map((directory) => directory.fd));
  }

  #place(operation: Operation, halted: AckResult | undefined): AckResult {
    if (operation.kind === 'answered') return operation.result;
    if (operation.kind === 'receiving')
      throw new Error('a push whose content is incomplete is never in a batch');
    if (halted !== undefined) {
      if (operation.kind === 'staged') removeTemporary(operation.staged.temporary);
      return halted;
    }
    return this.#swapper.place(operation);
  }
}

function openExisting(path: string): Outcome<number> {
  try {
    return {
      ok: true,
      value: openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK),
    };
  } catch (error) {
    return { ok: false, failure: errnoFailure(error) };
  }
}
