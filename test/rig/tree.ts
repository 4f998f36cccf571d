import { execFile } from 'node:child_process';
import {
  chmodSync,
  lchownSync,
  lutimesSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

type Owner = { readonly uid: number; readonly gid: number };

/** What to put at a path. A text is the content of a file with mode 0644; null removes what is there. */
export type Item =
  | string
  | null
  | {
      readonly content: string | Uint8Array;
      readonly mode?: number;
      readonly owner?: Owner;
      readonly mtime?: Date;
    }
  | { readonly symlink: string; readonly owner?: Owner; readonly mtime?: Date }
  | { readonly directory: true; readonly mode?: number; readonly owner?: Owner };

/** Puts items below `root`, parents included. Files are written in place, links and types are replaced. */
export function write(root: string, items: Readonly<Record<string, Item>>): void {
  for (const [path, item] of Object.entries(items)) put(join(root, path), item);
}

function put(path: string, item: Item): void {
  if (item === null) {
    rmSync(path, { recursive: true, force: true });
    return;
  }
  mkdirSync(dirname(path), { recursive: true });
  if (typeof item === 'string') {
    writeFileSync(path, item);
    return;
  }
  if ('directory' in item) mkdirSync(path, { recursive: true });
  else if ('symlink' in item) {
    rmSync(path, { recursive: true, force: true });
    symlinkSync(item.symlink, path);
  } else writeFileSync(path, item.content);
  if (item.owner !== undefined) lchownSync(path, item.owner.uid, item.owner.gid);
  // After the owner, because chown takes the setuid bits away.
  if ('mode' in item && item.mode !== undefined) chmodSync(path, item.mode);
  if ('mtime' in item && item.mtime !== undefined) lutimesSync(path, item.mtime, item.mtime);
}

/**
 * Replaces a file as an editor does: a new file, renamed over the old one. The new file is made in
 * `root/stage`, outside of what is replicated, so that exactly one event tells of the change.
 */
export function replaceFile(root: string, path: string, content: string | Uint8Array): void {
  const staged = join(root, 'stage', basename(path));
  put(staged, { content, mode: 0o644 });
  renameSync(staged, join(root, path));
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

/** Numbers from 0 up to 1 that a seed determines (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
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
  const random = seededRandom(options.seed);
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
    put(join(root, path), { content, mode: pick([0o644, 0o644, 0o600, 0o640, 0o755], 0o644), mtime });
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

export type EventuallyOptions = {
  /** Default 10,000. */
  readonly deadlineMs?: number;
  /** Pause between two checks, default 10. */
  readonly pollMs?: number;
};

/**
 * Repeats `check` until it returns instead of throwing, and returns what it returned. After the deadline
 * it throws with what the last check said.
 */
export async function eventually<T>(
  check: () => T | Promise<T>,
  options: EventuallyOptions = {},
): Promise<T> {
  const { deadlineMs = 10_000, pollMs = 10 } = options;
  const end = performance.now() + deadlineMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() >= end) {
        const seen = error instanceof Error ? error.message : String(error);
        throw new Error(`not within ${deadlineMs} ms; last seen: ${seen}`, { cause: error });
      }
    }
    await pause(pollMs);
  }
}
