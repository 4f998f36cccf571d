import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { eventually } from './eventually.ts';

/** What is traced: these processes with all their threads, and these system calls, comma between them, into that file. */
export type Traced = { readonly pids: readonly number[]; readonly calls: string; readonly output: string };

/** The system calls that processes make while something is done, a line each, with the paths of descriptors. */
export async function callsDuring(
  { pids, calls, output }: Traced,
  act: () => Promise<void>,
): Promise<string> {
  const attach = pids.flatMap((pid) => ['-p', String(pid)]);
  const strace = spawn('strace', ['-f', '-y', '-e', `trace=${calls}`, '-o', output, ...attach], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = once(strace, 'close');
  let said = '';
  strace.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  await eventually('strace is attached', () => said.includes('attached'), { detail: () => said });
  try {
    await act();
  } finally {
    strace.kill('SIGINT');
    await ended;
  }
  return readFileSync(output, 'utf8');
}
