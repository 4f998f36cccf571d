import { execFile } from 'node:child_process';
import { mkdirSync, renameSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { seeded, write } from '../world/tree.ts';

/**
 * Replaces a file as an editor does: a new file, renamed over the old one. The new file is made in
 * `root/stage`, outside of what is replicated, so that exactly one event tells of the change.
 */
export function replaceFile(root: string, path: string, content: string | Uint8Array): void {
  const staged = join('stage', basename(path));
  write(root, { [staged]: { content, mode: 0o644 } });
  renameSync(join(root, staged), join(root, path));
}

type Ran = { readonly code: number; readonly stdout: string; readonly stderr: string };

function runProgram(program: string, args: readonly string[]): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const options = { maxBuffer: 64 * 1024 * 1024, env: { ...process.env, LC_ALL: 'C' } };
    execFile(program, args, options, (error, stdout, stderr) => {
      if (error === null) resolve({ code: 0, stdout, stderr });
      else if (typeof error.code === 'number') resolve({ code: error.code, stdout, stderr });
      else reject(error);
    });
  });
}

export type CompareOptions = {
  /** Paths relative to the roots, left out with all that is below them. No patterns. */
  readonly excludes?: readonly string[];
};

/**
 * Compares two trees by programs that are not ours, rsync (content, type, mode, owner, mtime, ACLs,
 * xattrs) and diff. Returns what they print about differences; empty: equal. Throws where they fail.
 */
export async function compareTrees(a: string, b: string, options: CompareOptions = {}): Promise<string[]> {
  const excludes = options.excludes ?? [];
  const rsync = await runProgram('rsync', [
    ...['-nac', '-A', '-X', '-i', '--delete', '-O', '-J'],
    ...excludes.map((path) => `--exclude=/${path}`),
    ...[`${a}/`, `${b}/`],
  ]);
  if (rsync.code !== 0) throw new Error(`rsync ended with ${rsync.code}: ${rsync.stderr}`);
  const diff = await runProgram('diff', ['-rq', '--no-dereference', a, b]);
  if (diff.code > 1) throw new Error(`diff ended with ${diff.code}: ${diff.stderr}`);
  return [
    ...linesOf(rsync.stdout).map((line) => `rsync: ${line}`),
    ...linesOf(diff.stdout)
      .filter((line) => !excludes.some((path) => isAbout(line, path, [a, b])))
      .map((line) => `diff: ${line}`),
  ];
}

function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}

/** Whether a line of `diff -rq` speaks of a path or of what is below it. */
function isAbout(line: string, path: string, roots: readonly string[]): boolean {
  return roots.some((root) => {
    const full = join(root, path);
    if (line === `Only in ${dirname(full)}: ${basename(full)}`) return true;
    return [`${full}/`, `${full}:`, `${full} `].some((text) => `${line} `.includes(text));
  });
}

export type TreeOptions = {
  readonly files: number;
  /** All files together, about; each has between one half and one and a half of its share. */
  readonly bytes: number;
  readonly directories: number;
  readonly seed: number;
};

/**
 * Makes a tree of configuration-like files below `root/etc`, the same for the same seed, and returns the
 * paths of the files relative to `root`.
 */
export function makeTree(root: string, options: TreeOptions): string[] {
  const random = seeded(options.seed);
  const pick = <T>(from: readonly T[], fallback: T): T =>
    from[Math.floor(random() * from.length)] ?? fallback;
  const folders = ['etc'];
  for (let i = 1; i < options.directories; i += 1) {
    const parent = pick(folders, 'etc');
    folders.push(`${parent.split('/').length > 4 ? 'etc' : parent}/d${i}.d`);
  }
  for (const folder of folders) mkdirSync(join(root, folder), { recursive: true });
  const share = options.bytes / Math.max(1, options.files);
  const paths: string[] = [];
  for (let i = 0; i < options.files; i += 1) {
    const path = `${pick(folders, 'etc')}/file-${i}.conf`;
    const content = configText(random, Math.round(share * (0.5 + random())));
    const mtime = new Date(Date.UTC(2024, 0, 1) + Math.floor(random() * 31_536_000) * 1000);
    const mode = pick([0o644, 0o644, 0o600, 0o640, 0o755], 0o644);
    write(root, { [path]: { content, mode, mtime } });
    paths.push(path);
  }
  return paths;
}

function configText(random: () => number, bytes: number): string {
  let text = '';
  while (text.length < bytes) {
    const number = Math.floor(random() * 2 ** 32).toString(36);
    text += `key_${number} = ${Math.floor(random() * 2 ** 32).toString(16)} # ${random()}\n`;
  }
  return text.slice(0, bytes);
}
