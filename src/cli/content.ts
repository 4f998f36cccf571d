import { createHash } from 'node:crypto';
import { closeSync, constants, openSync, readFileSync } from 'node:fs';
import { fetchContent, listVersions } from '../active/questions.ts';
import type { Session } from '../active/session.ts';
import type { Peer } from '../config/load.ts';
import type { FileEntry } from '../core/entry.ts';
import { Failure } from '../core/failure.ts';
import { nameOf, type ReplicaPath } from '../core/path.ts';
import { Directories } from '../files/confined.ts';
import type { Observation } from '../files/observation.ts';
import { observe } from '../files/observe.ts';
import type { VersionStore } from '../state/versions.ts';
import { openConversation } from './connect.ts';
import type { Node } from './node.ts';

/** Where the commands find what is at a path, here and on a peer. */

/** Content beyond this is not read for a diff, bytes. */
export const maxDiffBytes = 1024 * 1024;

/** How long a peer gets to answer a question that the command can do without, milliseconds. */
const patienceMs = 5000;

/** What is at a path of this node now, whatever its size and whoever has it open. */
export function lookHere(node: Node, path: ReplicaPath): Observation {
  using directories = new Directories(node.config.root);
  return observe({ directories, path, maxFileSizeBytes: Number.MAX_SAFE_INTEGER, checkWriters: false });
}

/** The content of a file of this node, at most maxDiffBytes of it; undefined where there is none. */
export function readOwn(node: Node, path: ReplicaPath): Buffer | undefined {
  using directories = new Directories(node.config.root);
  const parent = directories.parentOf(path);
  if (!parent.ok) return undefined;
  try {
    const fd = openSync(
      parent.child(nameOf(path)),
      constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
    );
    try {
      return readFileSync(fd).subarray(0, maxDiffBytes);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

export type Heard<Value> =
  | { readonly kind: 'heard'; readonly value: Value }
  | { readonly kind: 'silent'; readonly detail: string };

/**
 * Asks a peer in a session that only looks. `silent`, with why, when it does not answer within 5 s or `ask`
 * answers undefined because the link ended.
 */
export async function hear<Value>(
  node: Node,
  peerName: string,
  ask: (session: Session) => Promise<Value | undefined>,
): Promise<Heard<Value>> {
  const peer = node.config.peers.find(({ name }) => name === peerName);
  if (peer === undefined)
    return { kind: 'silent', detail: `${peerName} is not among the peers of this node’s configuration` };
  const late = Promise.withResolvers<Heard<Value>>();
  const giveUp = new AbortController();
  const timer = setTimeout(() => {
    giveUp.abort();
    late.resolve({ kind: 'silent', detail: `${peerName} did not answer within ${patienceMs / 1000} s` });
  }, patienceMs);
  try {
    return await Promise.race([hearing(node, peer, ask, giveUp.signal), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

async function hearing<Value>(
  node: Node,
  peer: Peer,
  ask: (session: Session) => Promise<Value | undefined>,
  giveUp: AbortSignal,
): Promise<Heard<Value>> {
  try {
    const { session, close } = await openConversation(node, peer, 'inspect', patienceMs);
    giveUp.addEventListener('abort', close, { once: true });
    const value = giveUp.aborted ? undefined : await ask(session);
    close();
    return value === undefined
      ? { kind: 'silent', detail: `the link to ${peer.name} was lost` }
      : { kind: 'heard', value };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { kind: 'silent', detail: error.message };
  }
}

/** The very content that an entry names, wherever in this node it is: at the path now, or kept as a version. */
export function findHere(node: Node, path: ReplicaPath, wanted: FileEntry): Buffer | undefined {
  const now = lookHere(node, path);
  if (now.kind === 'entry' && now.entry.kind === 'file' && now.entry.digest === wanted.digest) {
    const bytes = readOwn(node, path);
    if (bytes !== undefined && digestOf(bytes) === wanted.digest) return bytes;
  }
  const kept = node.versions
    .list(path)
    .find(({ entry }) => entry.kind === 'file' && entry.digest === wanted.digest);
  return kept === undefined ? undefined : readKept(node.versions, kept.id);
}

/** A version whose bytes are damaged is as good as none here. */
function readKept(versions: VersionStore, id: string): Buffer | undefined {
  try {
    const fd = versions.read(id).openContent();
    try {
      return readFileSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
}

/** The same on a peer. */
export async function findThere(
  session: Session,
  path: ReplicaPath,
  wanted: FileEntry,
): Promise<Buffer | undefined> {
  const now = await fetchContent(session, path, wanted.size + 1);
  if (now !== undefined && digestOf(now) === wanted.digest) return now;
  const versions = await listVersions(session, path);
  const kept = versions?.find(({ entry }) => entry.kind === 'file' && entry.digest === wanted.digest);
  if (kept === undefined) return undefined;
  const content = await fetchContent(session, path, wanted.size + 1, kept.id);
  return content !== undefined && digestOf(content) === wanted.digest ? content : undefined;
}

/** SHA-256, 64 hexadecimal digits. */
export function digestOf(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}
