import { createHash } from 'node:crypto';
import { connect, isIP, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import ssh2, { type Client, type ConnectConfig } from 'ssh2';
import { Failure } from '../core/failure.ts';
import { printable } from '../core/path.ts';
import { giveUpUnanswered, roundTripOf } from '../wire/tcp.ts';
import { NoAnswer } from './no-answer.ts';
import { boundWindow } from './window.ts';

/** How to reach one peer over SSH. */
export type LinkOptions = {
  readonly peer: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Private key in OpenSSH format. */
  readonly privateKey: Buffer;
  /** `TYPE BASE64` as in known_hosts. Any other key is refused. */
  readonly hostKey: string;
  /** For each step of the set-up. Default 20,000. */
  readonly stepDeadlineMs?: number;
  /**
   * For the peer's machine to answer at all, once its address is known. Default: stepDeadlineMs. The system itself asks again
   * after 1, 3, 7 … seconds: who wants to know soon that a link is back asks anew.
   */
  readonly answerDeadlineMs?: number;
  readonly signal?: AbortSignal;
};

export type Link = {
  readonly stream: Duplex;
  /** Whether it is likely to carry less than both machines compress. */
  readonly isSlow: boolean;
  /** What the far side wrote to its standard error, the newest end of it, safe to show. */
  complaint(): string;
  close(): void;
};

/** The command that is asked for. The forced command in authorized_keys decides what runs. */
const remoteCommand = 'bm-confsync receive';
const keepaliveMs = 10_000;
const keepaliveMisses = 3;
const keptComplaint = 2000;
const defaultDeadlineMs = 20_000;
/** A link with such a round trip counts as slow: within a building it is below 1. Milliseconds. */
const slowFromMs = 10;
/** Data that the peer's machine has not confirmed for so long, while nothing else came, will not arrive. Milliseconds. */
const deadAfterMs = 5000;

/**
 * Opens one SSH connection with one channel to the peer's receiver. The host key is compared before
 * anything is sent. Throws a Failure with code `host-key-changed`, `authentication-refused` or
 * `peer-unreachable`.
 */
export async function openLink(options: LinkOptions): Promise<Link> {
  const client = new ssh2.Client();
  let problem: Failure | undefined;
  const connected = new Promise<void>((resolve, reject) => {
    client.once('ready', resolve);
    // ssh2 may emit `error` more than once and after `ready`: this listener stays.
    client.on('error', (error) => reject(problem ?? unreachable(options, error)));
    client.once('close', () =>
      reject(problem ?? unreachable(options, new Error('the connection was closed'))),
    );
  });
  connected.catch(() => client.destroy());
  const socket = gatherWrites(connect({ host: options.host, port: options.port, noDelay: true }));
  expectAnswer(socket, options);
  client.connect(
    settings(options, socket, (failure) => {
      problem = failure;
    }),
  );
  const abort = (): void => {
    client.destroy();
  };
  options.signal?.addEventListener('abort', abort, { once: true });
  try {
    await connected;
    return await openChannel(client, options, roundTripOf(socket) ?? 0);
  } catch (error) {
    client.destroy();
    throw error;
  } finally {
    options.signal?.removeEventListener('abort', abort);
  }
}

/** A name that takes long to be resolved is no silent peer. */
function expectAnswer(socket: Socket, options: LinkOptions): void {
  const deadlineMs = options.answerDeadlineMs ?? options.stepDeadlineMs ?? defaultDeadlineMs;
  let timer: NodeJS.Timeout | undefined;
  const begin = (): void => {
    timer ??= setTimeout(() => socket.destroy(new NoAnswer(`no answer within ${deadlineMs} ms`)), deadlineMs);
  };
  if (isIP(options.host) === 0) socket.once('lookup', begin);
  else begin();
  socket.once('close', () => clearTimeout(timer));
  socket.once('connect', () => {
    clearTimeout(timer);
    giveUpUnanswered(socket, deadAfterMs);
  });
}

type Written = (error?: Error | null) => void;

/**
 * ssh2 writes each packet in three parts, each of which would be a system call and wake the other side. What is
 * written in one turn of the event loop leaves together. To be called after `connect`, which sets `write` itself.
 */
function gatherWrites(socket: Socket): Socket {
  const write = socket.write.bind(socket);
  let gathering = false;
  socket.write = (
    chunk: string | Uint8Array,
    encoding?: BufferEncoding | Written,
    done?: Written,
  ): boolean => {
    if (!gathering) {
      gathering = true;
      socket.cork();
      process.nextTick(() => {
        gathering = false;
        socket.uncork();
      });
    }
    return typeof encoding === 'string' ? write(chunk, encoding, done) : write(chunk, encoding);
  };
  return socket;
}

function settings(options: LinkOptions, sock: Socket, onProblem: (failure: Failure) => void): ConnectConfig {
  const [type = '', pinned = ''] = options.hostKey.trim().split(/\s+/);
  return {
    sock,
    username: options.user,
    privateKey: options.privateKey,
    readyTimeout: options.stepDeadlineMs ?? defaultDeadlineMs,
    keepaliveInterval: keepaliveMs,
    keepaliveCountMax: keepaliveMisses,
    algorithms: {
      // AES-GCM is fast in node:crypto; the optional native code of ssh2 is not needed. What is slow is packed in frames of ours.
      cipher: ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com'],
      serverHostKey: hostKeyAlgorithms(type) as never,
      compress: ['none'],
    },
    hostVerifier: (key: Buffer): boolean => {
      if (key.equals(Buffer.from(pinned, 'base64'))) return true;
      onProblem(hostKeyChanged(options, Buffer.from(pinned, 'base64'), key));
      return false;
    },
  };
}

/** Signature algorithms for a pinned key type, so that the server shows the key that was pinned. */
function hostKeyAlgorithms(type: string): string[] {
  return type === 'ssh-rsa' ? ['rsa-sha2-512', 'rsa-sha2-256'] : [type];
}

/** As `ssh-keygen -l` prints it. */
export function keyFingerprint(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

function hostKeyChanged(options: LinkOptions, expected: Buffer, found: Buffer): Failure {
  return new Failure({
    code: 'host-key-changed',
    exit: 'unreachable',
    message: `the host key of ${options.peer} (${options.host}) changed: expected ${keyFingerprint(expected)}, found ${keyFingerprint(found)}`,
    hint: 'if the server was reinstalled, compare the fingerprint on its console and set peers.hostKey; if not, somebody may be in between',
  });
}

function unreachable(options: LinkOptions, error: Error & { level?: string }): Failure {
  const where = `${options.user}@${options.host}:${options.port}`;
  if (error.level === 'client-authentication') {
    return new Failure({
      code: 'authentication-refused',
      exit: 'unreachable',
      message: `${options.peer} (${where}) refused our key`,
      hint: 'check that our public key with its forced command is in authorized_keys there, and PermitRootLogin is forced-commands-only or looser',
      cause: error,
    });
  }
  return new Failure({
    code: 'peer-unreachable',
    exit: 'unreachable',
    message: `cannot reach ${options.peer} (${where}): ${printable(error.message)}`,
    hint: 'check that the peer is up and its sshd listens there',
    cause: error,
  });
}

function openChannel(client: Client, options: LinkOptions, roundTripMs: number): Promise<Link> {
  return new Promise((resolve, reject) => {
    const deadlineMs = options.stepDeadlineMs ?? defaultDeadlineMs;
    const timer = setTimeout(
      () => reject(unreachable(options, new Error(`no channel within ${deadlineMs} ms`))),
      deadlineMs,
    );
    client.exec(remoteCommand, (error, channel) => {
      clearTimeout(timer);
      if (error !== undefined) return reject(unreachable(options, error));
      boundWindow({ client, channel, roundTripMs });
      let complaint = '';
      channel.stderr.on('data', (chunk: Buffer) => {
        complaint = (complaint + chunk.toString('utf8')).slice(-keptComplaint);
      });
      channel.once('close', () => client.end());
      client.once('close', () => channel.destroy());
      resolve({
        stream: channel,
        isSlow: roundTripMs >= slowFromMs,
        complaint: () => complaint.split('\n').map(printable).join(' ').trim(),
        close: () => client.destroy(),
      });
    });
  });
}

/** A new Ed25519 key pair in OpenSSH format. */
export function generateKeyPair(comment: string): { privateKey: string; publicKey: string } {
  for (;;) {
    const pair = ssh2.utils.generateKeyPairSync('ed25519', { comment });
    // One in 256 is spoilt: ssh2 drops the first byte of a public key where it is zero (its issue 1390).
    const whole = publicKeyOf(Buffer.from(pair.private));
    if (whole !== undefined && pair.public.startsWith(`${whole} `))
      return { privateKey: pair.private, publicKey: pair.public };
  }
}

/** The public key of a private one as `TYPE BASE64`; undefined for what is no key, or is locked with a passphrase. */
export function publicKeyOf(privateKey: Buffer): string | undefined {
  const parsed = ssh2.utils.parseKey(privateKey);
  return parsed instanceof Error ? undefined : `${parsed.type} ${parsed.getPublicSSH().toString('base64')}`;
}
