import { readFileSync } from 'node:fs';
import { openLink } from '../active/link.ts';
import { Session } from '../active/session.ts';
import type { Peer as PeerConfig } from '../config/load.ts';
import { Failure } from '../core/failure.ts';
import type { Welcome } from '../wire/message.ts';
import { mustBeClosedKey } from './closed.ts';
import type { Node } from './node.ts';
import { productVersion } from './product.ts';

/** How long an answer may take on a silent link, milliseconds. */
export const answerDeadlineMs = 30_000;

/**
 * Opens the SSH link to a peer of the configuration. `answerDeadlineMs`: for its machine to answer at all. Throws a
 * Failure when it cannot.
 */
export function connectTo(
  peer: PeerConfig,
  signal?: AbortSignal,
  answerDeadlineMs?: number,
): Promise<Awaited<ReturnType<typeof openLink>>> {
  if (peer.hostKey === undefined) {
    throw new Failure({
      code: 'not-paired',
      exit: 'usage',
      message: `expected peers.hostKey for ${peer.name}, found none: an unknown host is never trusted`,
      hint: 'set it to the first two words of /etc/ssh/ssh_host_ed25519_key.pub, read on the peer itself',
    });
  }
  const { name, host, port, user, hostKey } = peer;
  return openLink({
    peer: name,
    host,
    port,
    user,
    hostKey,
    privateKey: readKey(peer.identityFile),
    ...(signal === undefined ? {} : { signal }),
    ...(answerDeadlineMs === undefined ? {} : { answerDeadlineMs }),
  });
}

function readKey(file: string): Buffer {
  mustBeClosedKey(file);
  try {
    return readFileSync(file);
  } catch (error) {
    throw new Failure({
      code: 'no-identity',
      exit: 'usage',
      message: `expected our private key in ${file}, found: ${error instanceof Error ? error.message : String(error)}`,
      hint: 'run `bm-confsync init`, which makes what is missing and keeps what is there',
      cause: error,
    });
  }
}

export type Conversation = { readonly session: Session; readonly welcome: Welcome; close(): void };

/** Opens a session that only looks, for verify and explain. Throws a Failure when it cannot. */
export function openInspection(node: Node, peer: PeerConfig): Promise<Conversation> {
  return openConversation(node, peer, 'inspect');
}

/**
 * Opens a session that replicates nothing: `inspect` looks, `request` may also ask the peer for something. Gives up
 * after `timeoutMs`, default none. Throws a Failure when it cannot.
 */
export async function openConversation(
  node: Pick<Node, 'config' | 'seat'> & { readonly watchlists: { readonly digest: string } },
  peer: PeerConfig,
  purpose: 'inspect' | 'request',
  timeoutMs?: number,
): Promise<Conversation> {
  const link = await connectTo(peer, timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs));
  const opened = await Session.open({
    stream: link.stream,
    purpose,
    node: node.config.node,
    version: productVersion,
    seat: node.seat(),
    watchlists: node.watchlists.digest,
    answerDeadlineMs,
  });
  if (opened.kind === 'open') {
    const { session, welcome } = opened;
    return {
      session,
      welcome,
      close: () => {
        session.close();
        link.close();
      },
    };
  }
  const complaint = link.complaint();
  link.close();
  throw new Failure({
    code: opened.kind === 'refused' ? opened.reason : 'peer-unreachable',
    exit: opened.kind === 'refused' ? 'refused' : 'unreachable',
    message: `${peer.name} did not answer: ${opened.detail}${complaint === '' ? '' : `; it said: ${complaint}`}`,
    hint: `run \`bm-confsync receive\` by hand on ${peer.name} to see whether it starts there`,
  });
}
