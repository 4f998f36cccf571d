import { readFileSync } from 'node:fs';
import type { InotifyLimits } from './problem.ts';

/** Reads the limits of inotify below `/proc`. A value that cannot be read counts as no limit. */
export function readInotifyLimits(proc = '/proc'): InotifyLimits {
  return {
    watches: readNumber(`${proc}/sys/fs/inotify/max_user_watches`, Number.POSITIVE_INFINITY),
    instances: readNumber(`${proc}/sys/fs/inotify/max_user_instances`, Number.POSITIVE_INFINITY),
    namespaceWatches: readNumber(`${proc}/sys/user/max_inotify_watches`, Number.POSITIVE_INFINITY),
    namespaceInstances: readNumber(`${proc}/sys/user/max_inotify_instances`, Number.POSITIVE_INFINITY),
  };
}

/** Length of the kernel's queue of one inotify instance, events; the kernel's default if unreadable. */
export function readQueueLength(): number {
  return readNumber('/proc/sys/fs/inotify/max_queued_events', 16_384);
}

/** The soft limit of open files of this process. */
export function readOpenFilesLimit(): string {
  const line = /^Max open files\s+(\S+)/m.exec(readText('/proc/self/limits') ?? '');
  return line?.[1] ?? 'unknown';
}

function readNumber(file: string, otherwise: number): number {
  const text = readText(file)?.trim();
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : otherwise;
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    // Some containers hide these files.
    return undefined;
  }
}
