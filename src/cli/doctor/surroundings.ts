import { execFile } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { kernelRenames, type Renames } from '../../files/place.ts';

/** How a program of the system ended. `late`: it was killed. */
export type ProgramEnd =
  | { readonly kind: 'ended'; readonly code: number; readonly stdout: string; readonly stderr: string }
  | { readonly kind: 'missing' }
  | { readonly kind: 'late' };

/** What is looked at beyond our own files; given, so that tests can put something else in its place. */
export type Surroundings = {
  /** Where the kernel tells of processes and its settings. */
  readonly proc: string;
  /** Prefix of the system's own configuration: empty, or a folder that stands for `/`. */
  readonly system: string;
  readonly renames: Renames;
  /** Runs a program without a shell and without input. Never rejects. */
  readonly run: (program: string, words: readonly string[]) => Promise<ProgramEnd>;
};

/** How long a program of the system may take, milliseconds. */
const programMs = 10_000;
const maxOutputBytes = 4 * 1024 * 1024;

/** The machine that this runs on. Programs are found through PATH, and where administrators' programs are. */
export function thisMachine(path: string = process.env['PATH'] ?? ''): Surroundings {
  const folders = [...path.split(':'), '/usr/local/sbin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];
  const env = { PATH: folders.filter(Boolean).join(':'), LANG: 'C.UTF-8', HOME: '/root' };
  return {
    proc: '/proc',
    system: '',
    renames: kernelRenames,
    run: (program, words) => runProgram(program, words, env),
  };
}

function runProgram(program: string, words: readonly string[], env: NodeJS.ProcessEnv): Promise<ProgramEnd> {
  const options = {
    env,
    cwd: '/',
    timeout: programMs,
    killSignal: 'SIGKILL',
    maxBuffer: maxOutputBytes,
  } as const;
  return new Promise((resolve) => {
    const child = execFile(program, words, options, (failed, stdout, stderr) => {
      if (failed === null) return resolve({ kind: 'ended', code: 0, stdout, stderr });
      if (failed.code === 'ENOENT') return resolve({ kind: 'missing' });
      if (failed.killed === true) return resolve({ kind: 'late' });
      const code = typeof failed.code === 'number' ? failed.code : -1;
      resolve({ kind: 'ended', code, stdout, stderr });
    });
    child.stdin?.end();
  });
}

/** A file of the system as text; undefined where there is none that can be read, or it is longer than 4 MiB. */
export function textOf(file: string): string | undefined {
  try {
    // A pipe would never end.
    const stats = statSync(file);
    return stats.isFile() && stats.size <= maxOutputBytes ? readFileSync(file, 'utf8') : undefined;
  } catch (problem) {
    // Which files there are differs from system to system, and processes end at any moment.
    if ((problem as NodeJS.ErrnoException).code === undefined) throw problem;
    return undefined;
  }
}

/** The first line of what a program complained about, else how it ended. */
export function complaintOf(end: ProgramEnd): string {
  if (end.kind === 'missing') return 'the program is not installed';
  if (end.kind === 'late') return `no answer within ${programMs / 1000} s`;
  const said = `${end.stderr}\n${end.stdout}`.split('\n').find((line) => line.trim() !== '');
  return said?.trim().slice(0, 300) ?? `exit code ${end.code}`;
}
