import { type FSWatcher, readFileSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

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
 * Watches a file from now on; `seen` resolves with the time (performance.now) at which it first held that
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
      if (holds(path, content)) resolve(performance.now());
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
  const end = performance.now() + deadlineMs;
  for (const [path, content] of files) {
    while (!holds(path, content)) {
      if (performance.now() > end) throw new Error(`${path} did not arrive within ${deadlineMs} ms`);
      await pause(2);
    }
  }
  return performance.now();
}
