import { spawn } from 'node:child_process';
import { printable } from '../core/path.ts';

/** How a validator or an apply hook ended. */
export type CommandOutcome =
  | { readonly kind: 'passed' }
  /** The program is not installed. */
  | { readonly kind: 'missing' }
  /** `detail`: the command, how it ended, and what it said. */
  | { readonly kind: 'failed'; readonly detail: string }
  /** The session is over. */
  | { readonly kind: 'aborted' };

export type CommandOptions = { readonly timeoutMs: number; readonly signal: AbortSignal };

const environment = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8' };

/** Of what a command says. Bytes. */
const maxOutputBytes = 4096;
/** Of it, what is repeated to people. UTF-16 units. */
const shownOutput = 1000;
/** What a program said last is read within this after its end, also while a child of it still runs. Milliseconds. */
const afterEndMs = 250;

/**
 * Runs a program without a shell, without input and with a bare environment, in a process group of its own that
 * is killed when the time is over or the signal comes. Never rejects.
 */
export function runCommand(run: readonly string[], options: CommandOptions): Promise<CommandOutcome> {
  const [program = '', ...words] = run;
  const { timeoutMs, signal } = options;
  if (signal.aborted) return Promise.resolve({ kind: 'aborted' });
  return new Promise((resolve) => {
    const child = spawn(program, words, {
      cwd: '/',
      env: environment,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const output = collect([child.stdout, child.stderr]);
    let late = false;
    const kill = (): void => killGroup(child.pid);
    const timer = setTimeout(() => {
      late = true;
      kill();
    }, timeoutMs);
    signal.addEventListener('abort', kill);
    const done = (outcome: CommandOutcome): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', kill);
      child.stdout.destroy();
      child.stderr.destroy();
      resolve(outcome);
    };
    child.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return done({ kind: 'missing' });
      done({
        kind: 'failed',
        detail: described(run, `could not be started (${error.code ?? error.message})`),
      });
    });
    child.once('exit', (code, killedBy) => {
      const tell = (): void => {
        if (signal.aborted) return done({ kind: 'aborted' });
        if (code === 0) return done({ kind: 'passed' });
        const ended = late
          ? `took longer than ${timeoutMs} ms and was killed`
          : killedBy === null
            ? `ended with exit code ${code}`
            : `was ended by ${killedBy}`;
        done({ kind: 'failed', detail: described(run, ended, output()) });
      };
      clearTimeout(timer);
      signal.removeEventListener('abort', kill);
      const patience = setTimeout(tell, afterEndMs);
      child.once('close', () => {
        clearTimeout(patience);
        tell();
      });
    });
  });
}

/** Reads all and keeps the beginning. */
function collect(streams: readonly NodeJS.ReadableStream[]): () => string {
  const parts: Buffer[] = [];
  let left = maxOutputBytes;
  for (const stream of streams) {
    stream.on('data', (chunk: Buffer) => {
      if (left > 0) parts.push(chunk.subarray(0, left));
      left -= Math.min(left, chunk.byteLength);
    });
    // A pipe that breaks says nothing about the command.
    stream.on('error', () => stream.removeAllListeners('data'));
  }
  return () => Buffer.concat(parts).toString('utf8');
}

/** Everything that the command started, unless it is over already. */
function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ESRCH' && code !== 'EPERM') throw error;
  }
}

function described(run: readonly string[], ended: string, output = ''): string {
  const lines = output
    .split('\n')
    .map((line) => printable(line.trim()))
    .filter((line) => line !== '');
  const said = lines.join('; ').slice(0, shownOutput);
  return `${commandText(run)} ${ended}${said === '' ? '' : `: ${said}`}`;
}

/** A command as people write it. */
export function commandText(run: readonly string[]): string {
  return run.map((word) => (/^[\w./:=,+@%{}-]+$/.test(word) ? word : JSON.stringify(word))).join(' ');
}
