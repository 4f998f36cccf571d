import { closeSync } from 'node:fs';
import { admitPush } from '../core/admit.ts';
import { canaryFault, isCanary } from '../core/canary.ts';
import { absent, type Entry, type FileEntry, sameContent, sameEntry } from '../core/entry.ts';
import type { PathFailure } from '../core/failure.ts';
import { ancestorsOf, nameOf, parentOf, type ReplicaPath } from '../core/path.ts';
import { makeRoom } from '../files/canary.ts';
import { Directories, type OpenDirectory, type OpenParent } from '../files/confined.ts';
import type { EntryCache, Observation } from '../files/observation.ts';
import { observeIn } from '../files/observe.ts';
import {
  changeDirectory,
  changeMode,
  changeTime,
  type Outcome,
  type Staged,
  StagedFile,
  stageDirectory,
  stagedNames,
  stageSymlink,
} from '../files/place.ts';
import type { AckResult, PushMessage } from '../wire/message.ts';
import { type BaseFile, openBase, openExisting } from './base.ts';
import { NewTree, NewTrees } from './new-tree.ts';
import { answer, failureOf, type Operation, refused } from './operation.ts';
import type { Sightings } from './sightings.ts';
import { lackOfSpace, Space } from './space.ts';

/** What admitting and staging needs of the rest of the node. */
export type StagerOptions = {
  readonly root: string;
  readonly watchlists: { includes(path: ReplicaPath): boolean; impliedDirectory(path: ReplicaPath): boolean };
  readonly cache: EntryCache;
  readonly sightings: Sightings;
  /** This node's own agreed entries with the sender. */
  readonly agreed: (path: ReplicaPath) => Entry | undefined;
  /** Notes what is about to be changed or placed, right before it is. Default: a crash is not prepared for. */
  readonly intend?: (pushes: readonly { readonly path: ReplicaPath; readonly put: Entry }[]) => void;
  /** Keeps a content that is in conflict as a version. Default: no content that is refused is kept. */
  readonly keepRefused?: (kept: { content: Uint8Array; path: ReplicaPath; entry: FileEntry }) => void;
  readonly maxFileSizeBytes: number;
  readonly minFreeDiskBytes: number;
  /** A fresh name part: 12 hexadecimal digits. */
  readonly nonce: () => string;
};

/** Where an operation is staged. Nothing of a group is put in place before all of it is staged. */
export type Where = { readonly directories: Directories; readonly grouped: boolean };

/**
 * The first half of applying a push: admits it against the disk and prepares what is put under a temporary
 * name, or in a new tree. What one atomic call can change is changed right here, but for members of a group. A directory
 * that is new only comes back staged.
 */
export class Stager {
  readonly #options: StagerOptions;
  readonly #buffer = Buffer.allocUnsafe(256 * 1024);
  readonly #space = new Space();
  readonly #trees = new NewTrees();

  constructor(options: StagerOptions) {
    this.#options = options;
  }

  /** The batch is over: its directories are closed, and what was built is where it was to be, or gone. */
  ended(): void {
    this.#space.forget();
    this.#trees.clear();
  }

  admit(push: PushMessage, body: Buffer, where: Where): Operation {
    const { path, put } = push;
    if (isCanary(path)) return this.#admitCanary(push, body, where);
    const { watchlists } = this.#options;
    const implied =
      put.kind === 'directory' && push.expect.kind === 'absent' && watchlists.impliedDirectory(path);
    if (!watchlists.includes(path) && !implied) {
      return answer(push, refused(outside));
    }
    if (this.#trees.has(path)) return answer(push, refused(cameBefore));
    if (where.grouped) this.#trees.leadTo(path, where.directories);
    // To `observe` nothing is below a link, so a deletion there is done. Anything else has no place to go.
    const parent = where.directories.parentLately(path);
    if (!parent.ok && parent.reason === 'not-confined' && put.kind !== 'absent')
      return answer(push, refused(parent));
    const now = Date.now();
    const tree = where.grouped ? undefined : this.#trees.around(path, parent);
    const disk = tree === undefined ? this.#look(path, parent) : nothing;
    if (disk.kind !== 'entry') return answer(push, refused(failureOf(disk)));
    this.#options.sightings.admit(push, disk, now);
    // A directory that only leads to a listed file is made where it is missing and otherwise left alone.
    if (implied && disk.entry.kind === 'directory') return answer(push, { kind: 'already-there' });
    // Our own ledger counts only where the disk is neither what is put nor what the sender expects.
    const isKnown = sameEntry(disk.entry, put) || sameEntry(disk.entry, push.expect);
    const admission = admitPush(push, disk.entry, isKnown ? undefined : this.#options.agreed(path));
    if (admission.kind === 'already-there') return answer(push, admission);
    if (admission.kind === 'conflict') return this.#conflict(push, body, admission);
    if (where.grouped && (put.kind === 'directory' || disk.entry.kind === 'directory'))
      return answer(push, refused(directoryInGroup));
    if (admission.kind === 'touch' && !where.grouped)
      return this.#inPlace(push, where.directories, (target) =>
        put.kind === 'file' ? changeTime(target, put.mtime) : undefined,
      );
    if (!parent.ok) return answer(push, refused(parent));
    return this.#stage({ push, replaces: disk.entry, parent, where, tree }, body);
  }

  /** Whatever canary is here is one of an earlier moment, so that nobody has to expect it. */
  #admitCanary(push: PushMessage, body: Buffer, where: Where): Operation {
    const room = makeRoom(where.directories);
    if (typeof room === 'object') return answer(push, refused(room));
    const parent = where.directories.parentOf(push.path);
    const disk = this.#look(push.path, parent);
    if (disk.kind !== 'entry') return answer(push, refused(failureOf(disk)));
    const fault = canaryFault(push.put, disk.entry);
    if (fault !== undefined) return answer(push, refused(fault));
    if (push.content !== 'inline' || where.grouped) return answer(push, refused(notAlone));
    if (!parent.ok) return answer(push, refused(parent));
    return this.#stage({ push, replaces: disk.entry, parent, where, tree: undefined }, body);
  }

  #look(path: ReplicaPath, parent: OpenParent): Observation {
    const { cache } = this.#options;
    // The size limit guards what is sent; what is here already must be seen whatever its size.
    return observeIn(parent, path, { cache, maxFileSizeBytes: Number.MAX_SAFE_INTEGER, checkWriters: true });
  }

  /** Nothing is overwritten. A content that came with the push is kept, so that a person can choose it. */
  #conflict(
    push: PushMessage,
    body: Buffer,
    { conflict, found }: Omit<Extract<AckResult, { kind: 'conflict' }>, 'kind'>,
  ): Operation {
    const result: AckResult = { kind: 'conflict', conflict, found };
    const { put, path, content } = push;
    const { keepRefused, maxFileSizeBytes } = this.#options;
    const wanted = keepRefused !== undefined && put.kind === 'file' && put.size <= maxFileSizeBytes;
    if (!wanted || sameContent(put, found)) return answer(push, result);
    if (content === 'inline' && body.byteLength === put.size)
      keepRefused({ content: body, path, entry: put });
    if (content !== 'stream' && content !== 'delta') return answer(push, result);
    const receiving = this.#receive(push, found, put.size, result);
    return receiving.kind === 'receiving' ? receiving : answer(push, result);
  }

  /** One atomic change of the inode itself, for which no copy is needed. */
  #inPlace(
    push: PushMessage,
    directories: Directories,
    change: (target: string) => PathFailure | undefined,
  ): Operation {
    const parent = directories.parentOf(push.path);
    if (!parent.ok) return answer(push, refused(parent));
    this.#options.intend?.([push]);
    const failure = change(parent.child(nameOf(push.path)));
    return answer(push, failure === undefined ? { kind: 'applied' } : refused(failure));
  }

  #stage(at: Staging, body: Buffer): Operation {
    const { push, replaces, parent, where } = at;
    const { put, path } = push;
    const { directories } = where;
    const name = nameOf(path);
    switch (put.kind) {
      case 'absent': {
        const names = stagedNames(parent, name, this.#options.nonce());
        return { kind: 'remove', push, replaces, names, parentFd: parent.fd, directories };
      }
      case 'directory':
        if (replaces.kind === 'directory')
          return this.#inPlace(push, directories, (target) => changeDirectory(target, put));
        return this.#buildIn(staged(at, stageDirectory(parent, name, put, this.#nonceIn(at))), at);
      case 'symlink':
        return staged(at, stageSymlink(parent, name, put, this.#nonceIn(at)));
      case 'file':
        return this.#stageFile(at, put, body);
    }
  }

  #nonceIn({ tree }: Staging): string | undefined {
    return tree === undefined ? this.#options.nonce() : undefined;
  }

  /** Has what comes below a new directory be put into it. Where that fails it is one of its own. */
  #buildIn(operation: Operation, { push, replaces, where, tree: around }: Staging): Operation {
    if (operation.kind !== 'staged' || replaces.kind !== 'absent') return operation;
    const { temporaryName } = operation.staged;
    const tree = around ?? new NewTree(push.path, temporaryName);
    const opened = around === undefined ? tree.lead(where.directories) : where.directories.open(push.path);
    if (opened.ok) this.#trees.add(push.path, tree, opened.fd);
    return opened.ok || around !== undefined ? { ...operation, tree } : operation;
  }

  #stageFile(at: Staging, put: FileEntry, body: Buffer): Operation {
    const { push, replaces, parent, where } = at;
    const { maxFileSizeBytes, minFreeDiskBytes } = this.#options;
    if (put.size > maxFileSizeBytes) {
      const detail = `expected at most ${maxFileSizeBytes} bytes (limits.maxFileSize of this node), found ${put.size}`;
      return answer(push, refused({ reason: 'too-large', detail }));
    }
    const lack = this.#space.lack(parent.fd, put.size, minFreeDiskBytes);
    if (lack !== undefined) return answer(push, refused(lack));
    // In a group also a file of which only the time changes is staged, for which no content need come.
    const here = push.content === 'none' && where.grouped && sameContent(put, replaces);
    if (push.content === 'local' || here) return this.#stageLocal(at, put);
    if (push.content === 'none')
      return answer(push, refused({ reason: 'need-content', detail: 'the push came without content' }));
    if (push.content === 'stream' || push.content === 'delta') return this.#receive(push, replaces, put.size);
    const file = StagedFile.create(parent, nameOf(push.path), this.#nonceIn(at));
    if (!file.ok) return answer(push, refused(file.failure));
    return finishFile(at, put, file.value, file.value.writeWhole(body));
  }

  /** Begins a file that outlives this batch. */
  #receive(push: PushMessage, replaces: Entry, size: number, verdict?: AckResult): Operation {
    const directories = new Directories(this.#options.root);
    this.#trees.leadTo(push.path, directories);
    const begun = this.#begin(push, size, directories);
    if (!begun.ok) {
      directories.close();
      return answer(push, refused(begun.failure));
    }
    const { file, parentFd, base } = begun.value;
    for (const ancestor of ancestorsOf(parentOf(push.path))) directories.release(ancestor);
    const receiving = { push, replaces, file, directories, parentFd, left: size };
    const more = { ...(base === undefined ? {} : { base }), ...(verdict === undefined ? {} : { verdict }) };
    return { kind: 'receiving', ...receiving, ...more };
  }

  #begin(
    push: PushMessage,
    size: number,
    directories: Directories,
  ): Outcome<{ file: StagedFile; parentFd: number; base: BaseFile | undefined }> {
    const parent = directories.parentOf(push.path);
    if (!parent.ok) return { ok: false, failure: parent };
    const lack = lackOfSpace(parent.fd, size, this.#options.minFreeDiskBytes);
    if (lack !== undefined) return { ok: false, failure: lack };
    const base = push.content === 'delta' ? openBase(parent.child(nameOf(push.path))) : undefined;
    if (base?.ok === false) return base;
    const file = StagedFile.create(parent, nameOf(push.path), this.#options.nonce());
    if (file.ok) return { ok: true, value: { file: file.value, parentFd: parent.fd, base: base?.value } };
    base?.value.close();
    return file;
  }

  /** Only attributes change: the content is taken from the file that is here already. */
  #stageLocal(at: Staging, put: FileEntry): Operation {
    const { push, replaces, parent, where } = at;
    if (replaces.kind !== 'file' || !sameContent(put, replaces)) {
      return answer(push, refused({ reason: 'need-content', detail: 'the content is not on this node' }));
    }
    const name = nameOf(push.path);
    const modeOnly = sameEntry({ ...replaces, mode: put.mode }, put) && replaces.mtime === put.mtime;
    if (modeOnly && !where.grouped)
      return this.#inPlace(push, where.directories, (target) => changeMode(target, put.mode));
    const source = openExisting(parent.child(name));
    if (!source.ok) return answer(push, refused(source.failure));
    try {
      const file = StagedFile.create(parent, name, this.#options.nonce());
      if (!file.ok) return answer(push, refused(file.failure));
      return finishFile(at, put, file.value, file.value.copyFrom(source.value, this.#buffer));
    } finally {
      closeSync(source.value);
    }
  }
}

const outside: PathFailure = {
  reason: 'outside-watchlist',
  detail: 'this node’s own watchlists do not include it',
};

const notAlone: PathFailure = {
  reason: 'unsupported-type',
  detail: 'expected the canary with its content and alone, found it in parts or in a group',
};

const cameBefore: PathFailure = { reason: 'busy', detail: 'the same directory is being placed already' };

const directoryInGroup: PathFailure = {
  reason: 'unsupported-type',
  detail: 'expected the files of a group to be files or links, found a directory',
};

type Staging = {
  readonly push: PushMessage;
  readonly replaces: Entry;
  readonly parent: OpenDirectory;
  readonly where: Where;
  /** The new tree in which it comes to lie. */
  readonly tree: NewTree | undefined;
};

const nothing: Observation = { kind: 'entry', entry: absent, stamp: '' };

function finishFile(
  at: Staging,
  put: FileEntry,
  file: StagedFile,
  written: PathFailure | undefined,
): Operation {
  const failure = written ?? file.finish(put);
  if (failure === undefined) return staged(at, { ok: true, value: file.names });
  file.discard();
  return answer(at.push, refused(failure));
}

function staged({ push, replaces, parent, where, tree }: Staging, outcome: Outcome<Staged>): Operation {
  if (!outcome.ok) return answer(push, refused(outcome.failure));
  const at = { parentFd: parent.fd, directories: where.directories, ...(tree === undefined ? {} : { tree }) };
  return { kind: 'staged', push, replaces, staged: outcome.value, ...at };
}
