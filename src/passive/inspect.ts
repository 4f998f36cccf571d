import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import type { Entry } from '../core/entry.ts';
import type { Reason } from '../core/failure.ts';
import { nameOf, type ReplicaPath } from '../core/path.ts';
import { blockRows } from '../files/blocks.ts';
import { Directories } from '../files/confined.ts';
import { errnoCode } from '../files/errno.ts';
import { Manifest } from '../files/manifest.ts';
import { observe } from '../files/observe.ts';
import { scanFolders } from '../files/scan.ts';
import { inChunks } from '../wire/chunks.ts';
import type { Connection } from '../wire/connection.ts';
import { maxBodyBytes } from '../wire/frame.ts';
import type { FromActive, FromPassive } from '../wire/message.ts';
import { inBodies, sumsIn } from '../wire/sums.ts';
import type { PassiveNode, PeerMemory } from './node.ts';
import { failureOf, shortened } from './operation.ts';

type Question = Extract<
  FromActive,
  { t: 'manifest' | 'directories' | 'sums' | 'agreed' | 'look' | 'fetch' | 'versions' | 'blocks' }
>;
type Manifested = {
  readonly manifest: Manifest;
  readonly theirs: Map<ReplicaPath, string>;
  /** Sums that the sender has told in this step, and the directories that the step before found to differ. */
  readonly sums: Set<bigint>;
  readonly differing: Set<ReplicaPath>;
  readonly except: Set<ReplicaPath>;
};
type Kept = {
  readonly ready: Promise<Manifested>;
  /** Paths of which a push was answered since the manifest was begun: it says nothing of them. */
  readonly answered: Set<ReplicaPath>;
};

/** Manifests that questions may still come about: those of a reconcile, a verify and a resync at once, and one more. */
const keptManifests = 4;
/** How long after the last question about one; longer than a sender's own first walk takes, which reads all. Milliseconds. */
const keptMs = 600_000;

/** Answers questions about this node's tree, for paths of its own watchlists only. Changes nothing on disk. */
export class Inspector {
  readonly #node: PassiveNode;
  readonly #connection: Connection<FromActive, FromPassive>;
  readonly #memory: PeerMemory | undefined;
  /** By the id of the question, oldest first: a verify may come while a reconcile is under way. */
  readonly #manifested = new Map<number, Kept>();
  #forgetting: NodeJS.Timeout | undefined;

  /** `memory`: where agreements are remembered; undefined in a session that only looks. */
  constructor(
    node: PassiveNode,
    connection: Connection<FromActive, FromPassive>,
    memory: PeerMemory | undefined,
  ) {
    this.#node = node;
    this.#connection = connection;
    this.#memory = memory;
  }

  /** A push of this path was answered, whatever was said. */
  noteAnswer(path: ReplicaPath): void {
    for (const { answered } of this.#manifested.values()) answered.add(path);
  }

  handle(question: Question, body: Buffer): void {
    this.#answer(question, body).catch((error: unknown) => {
      this.#connection.destroy(
        `a question about the tree failed: ${error instanceof Error ? error.message : String(error)}`,
      );
    });
  }

  async #answer(question: Question, body: Buffer): Promise<void> {
    switch (question.t) {
      case 'manifest': {
        const ready = this.#scan(question);
        this.#keep(question.id, { ready, answered: new Set() });
        const { manifest } = await ready;
        this.#forgetLater();
        this.#connection.send({
          t: 'manifest',
          id: question.id,
          digest: manifest.digest(),
          paths: manifest.size,
        });
        return;
      }
      case 'directories': {
        const manifested = await this.#current(question.id).ready;
        for (const [path, digest] of question.rows) manifested.theirs.set(path, digest);
        if (!question.last) return;
        return this.#answerDirectories(question.id, manifested);
      }
      case 'sums': {
        const manifested = await this.#current(question.id).ready;
        for (const sum of sumsIn(body)) manifested.sums.add(sum);
        return question.last ? this.#answerSums(question.id, question.of, manifested) : undefined;
      }
      case 'agreed': {
        const { ready, answered } = this.#current(question.id);
        const manifested = await ready;
        for (const path of question.except) manifested.except.add(path);
        if (question.last) {
          for (const path of answered) manifested.except.add(path);
          this.#rememberAgreed(manifested);
          this.#manifested.delete(question.id);
        }
        this.#connection.send({ t: 'done', id: question.id });
        return;
      }
      case 'look':
        return this.#look(question.id, question.paths);
      case 'fetch':
        return this.#fetch(question.id, question.path, question.version);
      case 'blocks':
        return this.#blocks(question.id, question.path);
      case 'versions': {
        const known = this.#node.watchlists.includes(question.path) ? this.#node.versions(question.path) : [];
        // One answer, so that of very many only the newest are told.
        const [newest] = inChunks(known);
        return this.#connection.send({ t: 'versions', id: question.id, rows: newest?.rows ?? [] });
      }
    }
  }

  async #scan(question: { fresh: boolean; mtime: boolean }): Promise<Manifested> {
    const { root, watchlists, cache } = this.#node;
    const manifest = new Manifest({ mtime: question.mtime });
    const { fresh } = question;
    const limits = { maxFileSizeBytes: Number.MAX_SAFE_INTEGER };
    const found = scanFolders({ root, watchlists, cache, fresh, ...limits });
    for await (const slice of found) for (const scanned of slice) manifest.take(scanned);
    cache.retain(manifest.size, (path) => manifest.has(path) || manifest.isUnknown(path));
    cache.commit();
    return { manifest, theirs: new Map(), differing: new Set(), sums: new Set(), except: new Set() };
  }

  #keep(id: number, kept: Kept): void {
    // A walk may take longer than what is made by it is kept.
    clearTimeout(this.#forgetting);
    this.#manifested.set(id, kept);
    for (const oldest of this.#manifested.keys()) {
      if (this.#manifested.size <= keptManifests) break;
      this.#manifested.delete(oldest);
    }
  }

  /** Where both trees are the same nothing more is asked, and a manifest is too large to be kept for nothing. */
  #forgetLater(): void {
    clearTimeout(this.#forgetting);
    this.#forgetting = setTimeout(() => this.#manifested.clear(), keptMs);
    this.#forgetting.unref();
  }

  #current(id: number): Kept {
    const manifested = this.#manifested.get(id);
    if (manifested === undefined) throw new Error('a question about a manifest that was not asked for');
    this.#forgetLater();
    return manifested;
  }

  /** Those whose digests are not the sender's, and all that is in them. */
  async #answerDirectories(id: number, { manifest, theirs }: Manifested): Promise<void> {
    const mine = manifest.directories();
    const differing = [...new Set([...mine.keys(), ...theirs.keys()])].filter(
      (path) => mine.get(path) !== theirs.get(path),
    );
    for (const { rows } of inChunks(differing)) {
      this.#connection.send({ t: 'entries', id, directories: rows, rows: [], problems: [], last: false });
      await this.#connection.writable();
    }
    await this.#sendEntries(
      id,
      differing.flatMap((at) => entriesIn(manifest, at)),
    );
    this.#sendProblems(id, manifest.problems);
  }

  /** What adds other sums here than there, and the sums of which there is nothing here. */
  async #answerSums(id: number, of: 'directories' | 'children', manifested: Manifested): Promise<void> {
    const { manifest, sums, differing } = manifested;
    if (of === 'directories') {
      for (const [path, sum] of manifest.directorySums()) if (!sums.delete(sum)) differing.add(path);
    } else await this.#sendEntries(id, differingChildren(manifested));
    const unknown = [...sums];
    sums.clear();
    for (const { body } of inBodies(unknown)) {
      this.#connection.send({ t: 'entries', id, directories: [], rows: [], problems: [], last: false }, body);
      await this.#connection.writable();
    }
    this.#sendProblems(id, of === 'directories' ? manifest.problems : new Map());
  }

  async #sendEntries(id: number, entries: Iterable<[ReplicaPath, Entry]>): Promise<void> {
    for (const { rows } of inChunks(entries)) {
      this.#connection.send({ t: 'entries', id, directories: [], rows, problems: [], last: false });
      await this.#connection.writable();
    }
  }

  /** The end of an answer. */
  #sendProblems(id: number, problems: Manifest['problems']): void {
    const told = [...problems].map(([path, failure]): [string, Reason, string] => [
      path,
      failure.reason,
      shortened(failure.detail),
    ]);
    for (const { rows, last } of inChunks(told))
      this.#connection.send({ t: 'entries', id, directories: [], rows: [], problems: rows, last });
  }

  #rememberAgreed({ manifest, except }: Manifested): void {
    const memory = this.#memory;
    if (memory === undefined) return;
    memory.recordAll(manifest.entriesBut(except));
    // Both nodes hold the same: what this node alone knew to be in conflict is not any more.
    memory.resolved(memory.inConflict().filter((path) => !except.has(path) && !manifest.isUnknown(path)));
    memory.commit();
  }

  #look(id: number, paths: readonly ReplicaPath[]): void {
    using directories = new Directories(this.#node.root);
    const rows: [ReplicaPath, Entry][] = [];
    const problems: [string, Reason, string][] = [];
    for (const path of paths) {
      if (!this.#node.watchlists.includes(path)) {
        problems.push([path, 'outside-watchlist', 'this node’s own watchlists do not include it']);
        continue;
      }
      const seen = observe({
        directories,
        path,
        maxFileSizeBytes: Number.MAX_SAFE_INTEGER,
        checkWriters: false,
      });
      if (seen.kind === 'entry') rows.push([path, seen.entry]);
      else {
        const failure = failureOf(seen);
        problems.push([path, failure.reason, shortened(failure.detail)]);
      }
    }
    this.#connection.send({ t: 'entries', id, directories: [], rows, problems, last: true });
  }

  async #fetch(id: number, path: ReplicaPath, version: string | undefined): Promise<void> {
    const fd = this.#node.watchlists.includes(path) ? this.#open(path, version) : undefined;
    if (fd === undefined) return this.#connection.send({ t: 'content', id, found: false, last: true });
    try {
      for (;;) {
        const chunk = Buffer.allocUnsafe(maxBodyBytes);
        const size = readSync(fd, chunk);
        const last = size < chunk.byteLength;
        this.#connection.send({ t: 'content', id, found: true, last }, chunk.subarray(0, size));
        if (last) return;
        await this.#connection.writable();
      }
    } finally {
      closeSync(fd);
    }
  }

  /** Others get their turn between two parts: reading and hashing a large file takes a while. */
  async #blocks(id: number, path: ReplicaPath): Promise<void> {
    const fd = this.#node.watchlists.includes(path) ? this.#open(path, undefined) : undefined;
    try {
      const stats = fd === undefined ? undefined : fstatSync(fd);
      for (const rows of fd === undefined || stats?.isFile() !== true ? [] : blockRows(fd, stats.size)) {
        this.#connection.send({ t: 'blocks', id, last: false }, rows);
        await this.#connection.writable();
        await new Promise((resolve) => setImmediate(resolve));
      }
    } catch (error) {
      // What cannot be read is not told, and comes as a whole.
      errnoCode(error);
    } finally {
      if (fd !== undefined) closeSync(fd);
    }
    this.#connection.send({ t: 'blocks', id, last: true });
    await new Promise((resolve) => setImmediate(resolve));
    this.#foresee(path);
  }

  /** Who asks for blocks will soon push: by then this file is known. Changes meanwhile show in its stamp. */
  #foresee(path: ReplicaPath): void {
    const { root, watchlists, cache } = this.#node;
    if (this.#memory === undefined || !watchlists.includes(path)) return;
    using directories = new Directories(root);
    observe({ directories, path, cache, maxFileSizeBytes: Number.MAX_SAFE_INTEGER, checkWriters: true });
  }

  #open(path: ReplicaPath, version: string | undefined): number | undefined {
    if (version !== undefined) return this.#node.openVersion(version, path);
    using directories = new Directories(this.#node.root);
    const parent = directories.parentOf(path);
    return parent.ok ? openRegular(parent.child(nameOf(path))) : undefined;
  }
}

function entriesIn(manifest: Manifest, directory: ReplicaPath): [ReplicaPath, Entry][] {
  return manifest.childrenOf(directory).map((path) => [path, manifest.get(path)]);
}

/** Children of the directories that differ, which add something else to the digests than any does there. */
function* differingChildren({ manifest, differing, sums }: Manifested): Generator<[ReplicaPath, Entry]> {
  for (const directory of differing)
    for (const [path, sum] of manifest.childrenSums(directory))
      if (!sums.delete(sum)) yield [path, manifest.get(path)];
}

function openRegular(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (['ENOENT', 'ELOOP', 'EACCES', 'ENXIO'].includes(errnoCode(error))) return undefined;
    throw error;
  }
}
