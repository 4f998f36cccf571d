import { rmSync } from 'node:fs';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import * as z from 'zod';
import { Failure } from '../core/failure.ts';
import { ensurePrivateFolder } from '../state/private-folder.ts';
import { sqliteCode } from '../state/sqlite-failure.ts';
import {
  type Answer,
  LineSplitter,
  maxRequestBytes,
  parseLine,
  type Reply,
  type Request,
} from './protocol.ts';

/** A client that connects has this long to say what it wants, milliseconds. */
const requestTimeoutMs = 10_000;

const requestShape = z.strictObject({ command: z.string().min(1).max(64), args: z.unknown() });
const maxConnections = 64;
/** Progress is dropped while a client that does not read has this much waiting, bytes. */
const maxWaitingBytes = 1024 * 1024;

export type ControlOptions = {
  /** The runtime folder, created 0700 when it is missing. The socket is `control.sock` in it. */
  readonly runtime: string;
  /**
   * Serves one request; what it answers must be JSON. A Failure goes to the client as it is, any other error as
   * a bug. `signal` aborts when the client goes away, and when the server closes.
   */
  readonly handle: (request: Request, reply: Reply, signal: AbortSignal) => Promise<unknown>;
  /** Told of errors that are no Failures. */
  readonly onBug?: (error: unknown) => void;
};

/**
 * Listens for the command line. Only the owner of the runtime folder can reach the socket. Throws Failure
 * `already-running` when another daemon serves this folder, `runtime-unsafe`, or `control-failed`.
 * Disposing closes the socket, aborts what is being served, and waits for it to end.
 */
export async function serveControl(options: ControlOptions): Promise<AsyncDisposable> {
  ensurePrivateFolder(options.runtime, 'runtime');
  const lock = lockRuntime(options.runtime);
  const path = join(options.runtime, 'control.sock');
  const serving = new Set<Serving>();
  const server = createServer((socket) => {
    const one = new Serving(socket, options);
    serving.add(one);
    one.ended.then(() => serving.delete(one));
  });
  server.maxConnections = maxConnections;
  try {
    // With the lock held nobody should answer there, unless somebody removed the lock's file under a daemon.
    if (await answers(path)) throw alreadyRunning(options.runtime);
    rmSync(path, { force: true });
    await listen(server, path);
  } catch (error) {
    lock.close();
    if (error instanceof Failure) throw error;
    throw new Failure({
      code: 'control-failed',
      exit: 'usage',
      message: `expected to listen on ${path}, found: ${error instanceof Error ? error.message : String(error)}`,
      hint: 'a path of a socket has at most 107 bytes; see `runtime:` in the configuration',
      cause: error,
    });
  }
  // After it listens the only errors are of single connections that could not be accepted.
  server.on('error', (error) => options.onBug?.(error));
  return {
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const one of serving) one.stop();
      await Promise.all([...serving].map((one) => one.ended));
      await closed;
      lock.close();
    },
  };
}

/**
 * Takes the lock that makes this the only daemon. It is a lock of the kernel on a file, held through
 * SQLite, so it ends with the process however that ends, and two daemons that start at the same moment cannot both
 * hold a stale socket for theirs.
 */
function lockRuntime(runtime: string): DatabaseSync {
  const lock = new DatabaseSync(join(runtime, 'daemon.lock'), { timeout: 0 });
  try {
    lock.exec('BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock.close();
    if (sqliteCode(error) !== 5) throw error;
    throw alreadyRunning(runtime);
  }
}

function alreadyRunning(runtime: string): Failure {
  return new Failure({
    code: 'already-running',
    exit: 'usage',
    message: `expected to be the only daemon that uses ${runtime}, found another one running`,
    hint: 'see `bm-confsync status`; to replace it: systemctl restart bm-confsync',
  });
}

/** Whether anybody accepts connections there. */
function answers(path: string): Promise<boolean> {
  const socket = createConnection(path);
  return new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
  }).finally(() => socket.destroy());
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    // The socket is bound within the call, so no moment passes in which others may connect.
    const umask = process.umask(0o177);
    try {
      server.listen(path, () => {
        server.off('error', reject);
        resolve();
      });
    } finally {
      process.umask(umask);
    }
  });
}

/** One connection: awaiting its request -> handling it -> ended. */
class Serving {
  readonly ended: Promise<void>;
  readonly #socket: Socket;
  readonly #options: ControlOptions;
  readonly #abort = new AbortController();
  readonly #lines = new LineSplitter(maxRequestBytes);
  #handling: Promise<void> | undefined;

  constructor(socket: Socket, options: ControlOptions) {
    this.#socket = socket;
    this.#options = options;
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    this.ended = closed.then(() => this.#handling);
    closed.then(() => this.#abort.abort());
    socket.setTimeout(requestTimeoutMs, () => socket.destroy());
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    // A client that was killed; 'close' follows.
    socket.on('error', () => socket.destroy());
  }

  stop(): void {
    this.#abort.abort();
    if (this.#handling === undefined) this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    if (this.#handling !== undefined) return;
    const found = this.#lines.push(chunk);
    if (found.kind === 'too-long') {
      this.#finish(usage(`expected a request of at most ${maxRequestBytes} bytes, found a longer one`));
      return;
    }
    const line = found.lines[0];
    if (line === undefined) return;
    this.#socket.setTimeout(0);
    this.#handling = this.#serve(line);
  }

  async #serve(line: string): Promise<void> {
    const parsed = requestShape.safeParse(parseLine(line));
    if (!parsed.success) {
      this.#finish(usage('expected a request with a command and its arguments, found something else'));
      return;
    }
    try {
      const reply = { progress: (value: unknown) => this.#progress(value) };
      const value = await this.#options.handle(parsed.data, reply, this.#abort.signal);
      this.#finish({ kind: 'value', value });
    } catch (error) {
      if (!(error instanceof Failure)) this.#options.onBug?.(error);
      this.#finish({ kind: 'error', error: described(error) });
    }
  }

  #progress(value: unknown): void {
    if (this.#socket.writableLength > maxWaitingBytes) return;
    this.#write({ kind: 'progress', value });
  }

  #write(message: Answer): void {
    if (this.#socket.writable) this.#socket.write(`${JSON.stringify(message)}\n`);
  }

  #finish(message: Answer): void {
    this.#write(message);
    // A client that never reads its answer must not keep the daemon from stopping.
    this.#socket.setTimeout(requestTimeoutMs, () => this.#socket.destroy());
    this.#socket.end();
  }
}

function usage(message: string): Answer {
  const hint = 'the command line and the daemon may be of different versions: restart the daemon';
  return { kind: 'error', error: { code: 'bad-request', exit: 'usage', message, hint } };
}

function described(error: unknown): Extract<Answer, { kind: 'error' }>['error'] {
  if (error instanceof Failure) {
    return { code: error.code, exit: error.exit, message: error.message, hint: error.hint };
  }
  const message = error instanceof Error ? error.message : String(error);
  return {
    code: 'bug',
    exit: 'bug',
    message,
    hint: 'this is a bug; please report it with the log of the daemon',
  };
}
