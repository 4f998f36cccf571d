import type { Entry } from '../core/entry.ts';
import { Failure } from '../core/failure.ts';
import type { Move } from '../core/move.ts';
import type { ReplicaPath } from '../core/path.ts';
import { KnownBlocks } from '../files/blocks.ts';
import type { PeerRequest, RemoteVersion } from '../wire/message.ts';
import type { Answer, Session } from './session.ts';

/** What can be asked in a session, each with its answer. */

/** The entries of some paths on the peer, just read. Paths it could not look at are left out. */
export async function look(
  session: Session,
  paths: readonly ReplicaPath[],
): Promise<Map<ReplicaPath, Entry> | undefined> {
  const found = new Map<ReplicaPath, Entry>();
  if (paths.length === 0) return found;
  const answered = await session.ask(
    (id) => [{ t: 'look', id, paths: [...paths] }],
    (answer) => {
      if (answer.t === 'entries') for (const [path, entry] of answer.rows) found.set(path, entry);
      return 'last';
    },
  );
  return answered ? found : undefined;
}

/**
 * The content of a file on the peer, or of a version that it keeps, at most `maxBytes` of it; undefined when
 * there is none to be had.
 */
export async function fetchContent(
  session: Session,
  path: ReplicaPath,
  maxBytes: number,
  version?: string,
): Promise<Buffer | undefined> {
  const parts: Buffer[] = [];
  let bytes = 0;
  let found = false;
  const answered = await session.ask(
    (id) => [{ t: 'fetch', id, path, ...(version === undefined ? {} : { version }) }],
    (answer, body) => {
      if (answer.t !== 'content' || !answer.found) return 'last';
      found = true;
      if (bytes < maxBytes) parts.push(Buffer.from(body.subarray(0, maxBytes - bytes)));
      bytes += body.byteLength;
      return answer.last ? 'last' : 'more';
    },
  );
  return answered && found ? Buffer.concat(parts) : undefined;
}

/** The blocks of a file on the peer; none where there is no such file, undefined when the link ended. */
export async function askBlocks(session: Session, path: ReplicaPath): Promise<KnownBlocks | undefined> {
  const parts: Buffer[] = [];
  const answered = await session.ask(
    (id) => [{ t: 'blocks', id, path }],
    (answer, body) => {
      parts.push(Buffer.from(body));
      return answer.t === 'blocks' && !answer.last ? 'more' : 'last';
    },
  );
  return answered ? new KnownBlocks(Buffer.concat(parts)) : undefined;
}

/** The versions of a path that the peer keeps, newest first; undefined when the link ended. */
export async function listVersions(
  session: Session,
  path: ReplicaPath,
): Promise<readonly RemoteVersion[] | undefined> {
  let rows: readonly RemoteVersion[] = [];
  const answered = await session.ask(
    (id) => [{ t: 'versions', id, path }],
    (answer) => {
      if (answer.t === 'versions') rows = answer.rows;
      return 'last';
    },
  );
  return answered ? rows : undefined;
}

/**
 * Asks the peer to do something; answers what it answers, whose shape is the caller's to check. Throws the
 * Failure that it answered, or Failure `peer-unreachable` when the link ended.
 */
export async function askPeer(session: Session, request: PeerRequest): Promise<unknown> {
  let outcome: Extract<Answer, { t: 'answer' }>['outcome'] | undefined;
  await session.ask(
    (id) => [{ t: 'request', id, request }],
    (answer) => {
      if (answer.t === 'answer') outcome = answer.outcome;
      return 'last';
    },
  );
  if (outcome?.kind === 'value') return outcome.value;
  if (outcome?.kind === 'error') throw new Failure(outcome.error);
  throw new Failure({
    code: 'peer-unreachable',
    exit: 'unreachable',
    message: `expected an answer of the peer to the request ${request.do}, but the link ended before`,
    hint: 'see `bm-confsync status` on both nodes for what was done, and run the command again',
  });
}

/**
 * Has the peer move a directory with all that is agreed at and below it, which `paths` counts and `digest` tells. What became of
 * it where the link ended before nobody knows.
 */
export async function askToMove(
  session: Session,
  { from, to }: Move,
  { paths, digest }: { readonly paths: number; readonly digest: string },
): Promise<{ readonly kind: 'moved' | 'lost' } | { readonly kind: 'declined'; readonly why: string }> {
  let declined: string | undefined;
  const answered = await session.ask(
    (id) => [{ t: 'move', id, epoch: session.epoch, from, to, paths, digest }],
    (answer) => {
      declined = answer.t === 'moved' ? answer.declined : `it answered ${answer.t}`;
      return 'last';
    },
  );
  if (!answered) return { kind: 'lost' };
  return declined === undefined ? { kind: 'moved' } : { kind: 'declined', why: declined };
}

/** One round trip, milliseconds; undefined when the link ended. */
export async function ping(session: Session): Promise<number | undefined> {
  const start = performance.now();
  const answered = await session.ask(
    (id) => [{ t: 'ping', id }],
    () => 'last',
  );
  return answered ? performance.now() - start : undefined;
}
