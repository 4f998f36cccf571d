import { closeSync } from 'node:fs';
import * as z from 'zod';
import { fetchContent, listVersions } from '../active/questions.ts';
import type { Peer } from '../config/load.ts';
import type { Entry, FileEntry } from '../core/entry.ts';
import { Failure, type Reason } from '../core/failure.ts';
import type { ReplicaPath } from '../core/path.ts';
import { failureOf } from '../passive/operation.ts';
import { path } from '../wire/entry.ts';
import type { AckResult, RemoteVersion } from '../wire/message.ts';
import { openInspection } from './connect.ts';
import { digestOf, lookHere } from './content.ts';
import { type Node, requireActive, requireEnabled } from './node.ts';
import { type LocalContent, placeLocally } from './place-locally.ts';

/** What the daemon is asked for. `from`: the name of the node that keeps the version; default, wherever it is. */
export const restoreArgs = z.strictObject({
  path,
  id: z.string().min(1).max(64),
  from: z.string().max(256).optional(),
});
export type RestoreArgs = {
  readonly path: ReplicaPath;
  readonly id: string;
  readonly from?: string | undefined;
};

export type Restored = {
  readonly path: string;
  readonly id: string;
  /** The node that kept the version. */
  readonly from: string;
  readonly result: 'applied' | 'already-there';
  /** What was at the path before. Unless it was absent or a directory, it is kept as a version on this node. */
  readonly replaced: Entry;
  readonly put: Entry;
};

/** A version that was found, on this node or on a peer. Holds a descriptor or a link until it is disposed of. */
export type Kept = Disposable & {
  readonly node: string;
  readonly version: Omit<RemoteVersion, 'path'>;
  /** The bytes of a file, checked against its digest. Throws Failure `version-damaged`. */
  content(): Promise<LocalContent>;
};

/**
 * Puts a version back on this node, durably, if what is there now stays what it is until then. What it replaces
 * is kept as a version. Throws a Failure: `not-active`, `ha-disabled`, `no-such-version`, `version-damaged`,
 * `too-large`, `changed-meanwhile`, or the reason why it cannot be placed.
 */
export async function restoreVersion(node: Node, args: RestoreArgs): Promise<Restored> {
  requireActive(node, 'restore');
  requireEnabled(node, 'restore');
  using kept = await findKept(node, args);
  const { entry: put } = kept.version;
  const content = put.kind === 'file' ? await contentWithin(node, kept, put) : undefined;
  node.log({ kind: 'step', what: 'restore', step: 'fetched', path: args.path });
  const seen = lookHere(node, args.path);
  if (seen.kind !== 'entry') {
    const { reason, detail } = failureOf(seen);
    throw notPlaced(args.path, reason, detail);
  }
  // The switch may have turned while the content was on its way.
  requireEnabled(node, 'restore');
  const result = await placeLocally(node, {
    path: args.path,
    expect: seen.entry,
    put,
    ...(content === undefined ? {} : { content }),
    epoch: node.seat().epoch,
    peer: node.config.node,
  });
  refuseUnlessPlaced(args.path, result);
  node.log({ kind: 'step', what: 'restore', step: 'placed', path: args.path });
  return { path: args.path, id: args.id, from: kept.node, result: result.kind, replaced: seen.entry, put };
}

/** Throws Failure `no-such-version`, or `peer-unreachable` where a peer that may have it could not be asked. */
export async function findKept(node: Node, { path: at, id, from }: RestoreArgs): Promise<Kept> {
  const silent: Failure[] = [];
  if (from === undefined || from === node.config.node) {
    const version = node.versions.get(id);
    if (version !== undefined && version.path === at) return keptHere(node, version);
    if (version !== undefined) throw ofAnotherPath(id, version.path, at);
  }
  for (const peer of node.config.peers) {
    if (from !== undefined && from !== peer.name) continue;
    try {
      const kept = await askForKept(node, peer, { at, id });
      if (kept !== undefined) return kept;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      silent.push(error);
    }
  }
  throw notFound(at, id, silent);
}

type About = { readonly at: ReplicaPath; readonly id: string };

/** The link stays open only if the version is there. Throws a Failure when the peer does not answer. */
async function askForKept(node: Node, peer: Peer, { at, id }: About): Promise<Kept | undefined> {
  const inspection = await openInspection(node, peer);
  const versions = await listVersions(inspection.session, at);
  const version = versions?.find((one) => one.id === id);
  if (version !== undefined) return keptThere(peer.name, at, version, inspection);
  inspection.close();
  if (versions === undefined) throw lost(peer.name);
  return undefined;
}

function lost(peer: string): Failure {
  return new Failure({
    code: 'peer-unreachable',
    exit: 'unreachable',
    message: `the link to ${peer} was lost before it answered`,
    hint: 'run it again; see `bm-confsync status` for the link',
  });
}

function keptHere(node: Node, version: RemoteVersion): Kept {
  let fd: number | undefined;
  return {
    node: node.config.node,
    version,
    content: async () => {
      fd ??= node.versions.read(version.id).openContent();
      return { fd };
    },
    [Symbol.dispose]: () => {
      if (fd !== undefined) closeSync(fd);
      fd = undefined;
    },
  };
}

type Inspection = Awaited<ReturnType<typeof openInspection>>;

function keptThere(
  node: string,
  at: ReplicaPath,
  version: RemoteVersion,
  { session, close }: Inspection,
): Kept {
  return {
    node,
    version,
    content: async () => {
      const { entry, id } = version;
      if (entry.kind !== 'file') throw damaged(node, at, id, `it is a ${entry.kind}, without content`);
      const content = await fetchContent(session, at, entry.size + 1, id);
      if (content === undefined) throw damaged(node, at, id, 'its content there is gone or damaged');
      if (content.byteLength !== entry.size || digestOf(content) !== entry.digest)
        throw damaged(node, at, id, 'the content that it gave is not the one that was kept');
      return content;
    },
    [Symbol.dispose]: close,
  };
}

/** A file beyond the limit would stay on this node alone. */
async function contentWithin(node: Node, kept: Kept, put: FileEntry): Promise<LocalContent> {
  const limit = node.config.limits.maxFileSizeBytes;
  if (put.size <= limit) return kept.content();
  throw new Failure({
    code: 'too-large',
    exit: 'refused',
    message: `expected a version of at most ${limit} bytes (limits.maxFileSize), found ${put.size}: it would not be replicated`,
    hint: 'raise limits.maxFileSize on both nodes, and run it again',
  });
}

function refuseUnlessPlaced(
  at: ReplicaPath,
  result: AckResult,
): asserts result is Extract<AckResult, { kind: 'applied' | 'already-there' }> {
  if (result.kind === 'refused') throw notPlaced(at, result.reason, result.detail);
  if (result.kind !== 'conflict') return;
  throw new Failure({
    code: 'changed-meanwhile',
    exit: 'refused',
    message: `${at} changed on this node while it was restored; nothing was overwritten`,
    hint: `look at it with \`bm-confsync restore ${at} --version ID --diff\`, then run it again`,
  });
}

const hints: Partial<Record<Reason, string>> = {
  'parent-missing': 'make its directory first, with the owner and mode it had, then run it again',
  'outside-watchlist': 'see `bm-confsync watchlist test` for the rule that leaves it out',
  'unknown-owner': 'make the account that owned it, then run it again',
  'not-empty': 'the directory there has content: move that away first',
  busy: 'wait until the process that writes it is done, then run it again',
};

function notPlaced(at: ReplicaPath, reason: Reason, detail: string): Failure {
  return new Failure({
    code: reason,
    exit: 'refused',
    message: `${at} was not restored, and is as it was: ${reason}, ${detail}`,
    hint: hints[reason] ?? 'put right what is said above, then run it again',
  });
}

function damaged(node: string, at: ReplicaPath, id: string, what: string): Failure {
  return new Failure({
    code: 'version-damaged',
    exit: 'usage',
    message: `expected ${node} to give the content of version ${id} of ${at}, but ${what}`,
    hint: `choose another one: bm-confsync history ${at}`,
  });
}

function ofAnotherPath(id: string, found: ReplicaPath, at: ReplicaPath): Failure {
  return new Failure({
    code: 'no-such-version',
    exit: 'usage',
    message: `expected a version of ${at}, found that ${id} is one of ${found}`,
    hint: `see \`bm-confsync history ${at}\` for the ids`,
  });
}

function notFound(at: ReplicaPath, id: string, silent: readonly Failure[]): Failure {
  const [first] = silent;
  if (first !== undefined) {
    return new Failure({
      code: first.code,
      exit: first.exit,
      message: `${id} is no version of ${at} on this node, and a peer that may have it could not be asked: ${first.message}`,
      hint: first.hint,
    });
  }
  return new Failure({
    code: 'no-such-version',
    exit: 'usage',
    message: `expected the id of a kept version of ${at}, found ${JSON.stringify(id)}, which no node has`,
    hint: `see \`bm-confsync history ${at}\` for the ids`,
  });
}
