import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';

export type Ended = { readonly code: number; readonly stdout: string; readonly stderr: string };

/** Runs a program to its end. Throws only where it cannot be started or ends by a signal. */
export function runToEnd(program: string, args: readonly string[]): Promise<Ended> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : error.code;
      if (typeof code === 'number') resolve({ code, stdout, stderr });
      else reject(error);
    });
  });
}

/** Like runToEnd, and throws where the exit code is not 0. */
export async function mustRun(program: string, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runToEnd(program, args);
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${stdout}${stderr}`);
  return stdout;
}

/** A program that runs on; disposing ends it. */
export type Background = AsyncDisposable & { readonly match: RegExpExecArray };

/** Starts a program and resolves when its output matches `ready`. Throws with the output where it ends before. */
export async function startProgram(
  program: string,
  args: readonly string[],
  ready: RegExp,
): Promise<Background> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const match = await new Promise<RegExpExecArray>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        output += chunk;
        const found = ready.exec(output);
        if (found !== null) resolve(found);
      });
    }
    child.once('error', reject);
    child.once('close', (code) => reject(new Error(`${program} ended with ${code}: ${output}`)));
  });
  return { match, [Symbol.asyncDispose]: () => end(child) };
}

const endMs = 3000;

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const insist = setTimeout(() => child.kill('SIGKILL'), endMs);
  await exited;
  clearTimeout(insist);
}
