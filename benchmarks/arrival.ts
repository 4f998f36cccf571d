import { type FSWatcher, lstatSync, readFileSync, watch } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Pair } from '../test/rig/pair.ts';
import { now } from './clock.ts';

/** An event may be missed where a directory is replaced: look also without one, so often. */
const fallbackMs = 20;

function holds(path: string, content: Buffer): boolean {
  try {
    return readFileSync(path).equals(content);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/**
 * Watches a file from now on; `seen` resolves with the time (of `now`) at which it first held that
 * content, and rejects after the deadline.
 */
export function watchArrival(
  path: string,
  content: Buffer,
  deadlineMs: number,
): { readonly seen: Promise<number> } {
  let watcher: FSWatcher | undefined;
  const timers: NodeJS.Timeout[] = [];
  const seen = new Promise<number>((resolve, reject) => {
    const look = (): void => {
      if (holds(path, content)) resolve(now());
    };
    watcher = watch(dirname(path), look);
    timers.push(setInterval(look, fallbackMs));
    timers.push(
      setTimeout(() => reject(new Error(`${path} did not arrive within ${deadlineMs} ms`)), deadlineMs),
    );
  }).finally(() => {
    watcher?.close();
    for (const timer of timers) clearTimeout(timer);
  });
  return { seen };
}

/**
 * Resolves when every file holds its content. Looks at one file at a time and goes on when it is there, so
 * that looking costs next to nothing while files arrive.
 */
export async function untilAllArrived(
  files: ReadonlyMap<string, Buffer>,
  deadlineMs: number,
): Promise<number> {
  const end = now() + deadlineMs;
  for (const [path, content] of files) {
    while (!holds(path, content)) {
      if (now() > end) throw new Error(`${path} did not arrive within ${deadlineMs} ms`);
      await pause(2);
    }
  }
  return now();
}

/**
 * Resolves when each path, relative to the roots, is there on both nodes with the same size, or on none. Goes on
 * from one to the next, as untilAllArrived does.
 */
export async function untilSameNames(
  pair: Pair,
  paths: readonly string[],
  deadlineMs: number,
): Promise<number> {
  const end = now() + deadlineMs;
  const sizeOf = (root: string, path: string): number | undefined => {
    const found = lstatSync(join(root, path), { throwIfNoEntry: false });
    return found?.isDirectory() ? 0 : found?.size;
  };
  for (const path of paths) {
    while (sizeOf(pair.active.root, path) !== sizeOf(pair.passive.root, path)) {
      if (now() > end) throw new Error(`${path} did not follow within ${deadlineMs} ms`);
      await pause(2);
    }
  }
  return now();
}
