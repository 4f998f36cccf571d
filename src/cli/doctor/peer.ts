import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { askPeer, ping } from '../../active/questions.ts';
import type { Config, Peer } from '../../config/load.ts';
import { Failure } from '../../core/failure.ts';
import type { Seat } from '../../core/seat.ts';
import { type DoctorAnswer, doctorAnswer, type Welcome } from '../../wire/message.ts';
import { type Conversation, openConversation } from '../connect.ts';

/** What was learned of one peer. */
export type PeerFacts = {
  readonly peer: Peer;
  /** As far as a name service knows it; else what stands in the configuration. */
  readonly address: string;
  readonly talk: Talk;
};

export type Talk =
  | { readonly kind: 'failed'; readonly failure: Failure }
  | {
      readonly kind: 'talked';
      /** Until the peer's receiver answered, and one question and its answer after that. Milliseconds. */
      readonly connectMs: number;
      readonly roundTripMs: number;
      readonly welcome: Welcome;
      /** A Failure where the peer does not know the request. */
      readonly told: (DoctorAnswer & { readonly skewMs: number }) | Failure;
    };

export type Asking = {
  readonly config: Config;
  readonly seat: Seat | undefined;
  /** Undefined: the watchlists could not be read. */
  readonly digest: string | undefined;
  readonly owners: readonly string[];
  readonly groups: readonly string[];
};

/** A peer that is up and silent is given up after this, milliseconds. */
const connectTimeoutMs = 10_000;
const pings = 3;

/** Connects once, as the daemon would, and asks. Changes nothing on either node. */
export async function seePeer(peer: Peer, asking: Asking): Promise<PeerFacts> {
  const [address, talk] = await Promise.all([addressOf(peer.host), talkTo(peer, asking)]);
  return { peer, address, talk };
}

async function addressOf(host: string): Promise<string> {
  if (isIP(host) !== 0) return host;
  try {
    return (await lookup(host)).address;
  } catch (problem) {
    // The connection failed by the same, and tells of it.
    if ((problem as NodeJS.ErrnoException).code === undefined) throw problem;
    return '0.0.0.0';
  }
}

async function talkTo(peer: Peer, asking: Asking): Promise<Talk> {
  try {
    const start = performance.now();
    const conversation = await open(peer, asking);
    const connectMs = performance.now() - start;
    try {
      return await converse(conversation, connectMs, asking);
    } finally {
      conversation.close();
    }
  } catch (problem) {
    if (problem instanceof Failure) return { kind: 'failed', failure: problem };
    throw problem;
  }
}

function open(peer: Peer, { config, seat, digest }: Asking): Promise<Conversation> {
  // A request changes nothing there, whatever the seat says.
  const known = seat ?? { role: 'passive', epoch: 0 };
  const node = { config, seat: () => known, watchlists: { digest: digest ?? '' } };
  return openConversation(node, peer, 'request', connectTimeoutMs);
}

async function converse(
  { session, welcome }: Conversation,
  connectMs: number,
  { owners, groups }: Asking,
): Promise<Talk> {
  const times: number[] = [];
  for (let at = 0; at < pings; at += 1) times.push((await ping(session)) ?? Number.NaN);
  const roundTripMs = Math.min(...times);
  if (Number.isNaN(roundTripMs)) throw cutOff();
  const asked = Date.now();
  const told = await answerOf(askPeer(session, { do: 'doctor', owners: [...owners], groups: [...groups] }));
  // The peer looks at its clock when the request arrives, half a round trip after it was sent.
  const skewed =
    told instanceof Failure ? told : { ...told, skewMs: Math.round(told.now - asked - roundTripMs / 2) };
  return { kind: 'talked', connectMs, roundTripMs, welcome, told: skewed };
}

async function answerOf(asked: Promise<unknown>): Promise<DoctorAnswer | Failure> {
  try {
    const parsed = doctorAnswer.safeParse(await asked);
    return parsed.success ? parsed.data : notUnderstood(parsed.error.issues[0]?.path.join('.') ?? '');
  } catch (problem) {
    if (problem instanceof Failure) return problem;
    throw problem;
  }
}

function notUnderstood(where: string): Failure {
  return new Failure({
    code: 'answer-garbled',
    exit: 'unreachable',
    message: `expected an answer to doctor, found another shape at ${where || 'its top'}`,
    hint: 'install the same version on both nodes',
  });
}

function cutOff(): Failure {
  return new Failure({
    code: 'peer-unreachable',
    exit: 'unreachable',
    message: 'the link ended before one round trip was over',
    hint: 'run the command again; see the log of sshd on the peer if it stays so',
  });
}
