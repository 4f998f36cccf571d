import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import { Failure } from '../core/failure.ts';
import { LineSplitter, maxAnswerBytes, parseAnswer, parseLine } from './protocol.ts';

export type AskOptions = {
  readonly runtime: string;
  readonly command: string;
  readonly args: unknown;
  readonly onProgress?: (value: unknown) => void;
  /** How long the final answer may take, milliseconds. Default: no limit. */
  readonly timeoutMs?: number;
  /** Gives up, which also makes the daemon stop what it does for this request. */
  readonly signal?: AbortSignal;
};

/** `answered: false`: no daemon listens. The value is JSON of the daemon's; its shape is the caller's to check. */
export type Asked = { readonly answered: true; readonly value: unknown } | { readonly answered: false };

/**
 * Asks the daemon of this node. Throws the Failure that the daemon answered, or Failure `daemon-denied`,
 * `daemon-timeout`, `daemon-gone` (it went away before it answered) or `daemon-garbled`; the reason of `signal`
 * when that aborted.
 */
export async function askDaemon(options: AskOptions): Promise<Asked> {
  options.signal?.throwIfAborted();
  const path = join(options.runtime, 'control.sock');
  const socket = createConnection(path);
  try {
    return await asking(socket, path, options);
  } finally {
    socket.destroy();
  }
}

function asking(socket: Socket, path: string, options: AskOptions): Promise<Asked> {
  const { command, args, signal, timeoutMs } = options;
  const { promise, resolve, reject } = Promise.withResolvers<Asked>();
  const lines = new LineSplitter(maxAnswerBytes);
  const timer = timeoutMs === undefined ? undefined : setTimeout(() => reject(late(timeoutMs)), timeoutMs);
  const onAbort = () => reject(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });

  socket.on('connect', () => socket.write(`${JSON.stringify({ command, args })}\n`));
  socket.on('data', (chunk: Buffer) => {
    const found = lines.push(chunk);
    if (found.kind === 'too-long') reject(garbled('a longer one'));
    else for (const line of found.lines) take(line, options, { resolve, reject });
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') resolve({ answered: false });
    else reject(error.code === 'EACCES' ? denied(path, error) : gone(error));
  });
  socket.on('close', () => reject(gone()));
  return promise.finally(() => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  });
}

type Outcome = { resolve(asked: Asked): void; reject(error: unknown): void };

function take(line: string, options: AskOptions, outcome: Outcome): void {
  const message = parseAnswer(parseLine(line));
  if (message === undefined) {
    outcome.reject(garbled('something else'));
    return;
  }
  switch (message.kind) {
    case 'progress':
      options.onProgress?.(message.value);
      return;
    case 'value':
      outcome.resolve({ answered: true, value: message.value });
      return;
    case 'error':
      outcome.reject(new Failure(message.error));
  }
}

function late(timeoutMs: number): Failure {
  return new Failure({
    code: 'daemon-timeout',
    exit: 'unreachable',
    message: `expected an answer of the daemon within ${timeoutMs / 1000} s, found none`,
    hint: 'see `journalctl -u bm-confsync` for what it is doing',
  });
}

function gone(cause?: unknown): Failure {
  return new Failure({
    code: 'daemon-gone',
    exit: 'unreachable',
    message: 'expected an answer of the daemon, but it went away before it gave one',
    hint: 'see `systemctl status bm-confsync`; whether it did what was asked shows in `bm-confsync status`',
    cause,
  });
}

function denied(path: string, cause: unknown): Failure {
  return new Failure({
    code: 'daemon-denied',
    exit: 'usage',
    message: `expected access to ${path}, found none for this user`,
    hint: 'run the command as root',
    cause,
  });
}

function garbled(found: string): Failure {
  return new Failure({
    code: 'daemon-garbled',
    exit: 'bug',
    message: `expected an answer of the control protocol of at most ${maxAnswerBytes} bytes, found ${found}`,
    hint: 'the command line and the daemon may be of different versions: systemctl restart bm-confsync',
  });
}
