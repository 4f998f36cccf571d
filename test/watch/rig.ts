import { mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { ReplicaPath } from '../../src/core/path.ts';
import type { Hint } from '../../src/watch/hint.ts';
import type { WatchedLists } from '../../src/watch/territory.ts';
import { openWatcher, type Watcher, type WatchProblem } from '../../src/watch/watcher.ts';

const deadlineMs = 10_000;

export type Rig = {
  readonly root: string;
  readonly hints: Hint[];
  readonly problems: WatchProblem[];
  /** How often it was told that files are placed. */
  placings(): number;
  readonly watcher: Watcher;
  /** The path on disk. */
  at(path: string): string;
  /** Resolves when a hint that came after `from` satisfies the condition. */
  until(what: string, condition: () => boolean): Promise<void>;
  /** Whether a hint asks for a look at this path, directly or by its tree. */
  asked(path: string): boolean;
  askedPath(path: string, change?: 'rename' | 'write'): boolean;
  askedTree(path: string): boolean;
  forget(): void;
};

export function temporaryRoot(t: TestContext): string {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'bm-confsync-watch-')));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  return root;
}

/** Watchlists of everything below some directories and some files by name, without pruned directories. */
export function lists(below: string[], files: string[] = [], pruned: string[] = []): WatchedLists {
  const inside = (path: string, tops: string[]) =>
    tops.some((top) => path === top || path.startsWith(`${top}/`));
  return {
    roots: [...below, ...files] as ReplicaPath[],
    mayContain: (directory) => inside(directory, below) && !inside(directory, pruned),
    includes: (path) => files.includes(path) || (inside(path, below) && !inside(path, pruned)),
  };
}

export async function watch(
  t: TestContext,
  root: string,
  watchlists: WatchedLists,
  onHint: (hint: Hint) => void = () => undefined,
): Promise<Rig> {
  const hints: Hint[] = [];
  const problems: WatchProblem[] = [];
  let placings = 0;
  const waiting = new Set<() => void>();
  const told = () => {
    for (const check of [...waiting]) check();
  };
  const watcher = openWatcher({
    root,
    watchlists,
    onHint: (hint) => {
      hints.push(hint);
      onHint(hint);
      told();
    },
    onProblem: (problem) => {
      problems.push(problem);
      told();
    },
    onPlacing: () => {
      placings += 1;
      told();
    },
  });
  t.after(() => watcher.close());
  await watcher.ready;

  const askedPath = (path: string, change?: 'rename' | 'write') =>
    hints.some(
      (hint) =>
        hint.kind === 'path' && hint.path === path && (change === undefined || hint.change === change),
    );
  const askedTree = (path: string) => hints.some((hint) => hint.kind === 'tree' && hint.path === path);
  return {
    root,
    hints,
    problems,
    placings: () => placings,
    watcher,
    at: (path) => join(root, path),
    askedPath,
    askedTree,
    asked: (path) =>
      askedPath(path) ||
      hints.some((hint) => hint.kind === 'tree' && (path === hint.path || path.startsWith(`${hint.path}/`))),
    forget: () => {
      hints.length = 0;
    },
    until: (what, condition) =>
      new Promise((resolve, reject) => {
        const poll = setInterval(check, 10);
        const deadline = setTimeout(() => {
          done();
          reject(new Error(`never: ${what}; hints: ${JSON.stringify(hints)}`));
        }, deadlineMs);
        function done() {
          clearInterval(poll);
          clearTimeout(deadline);
          waiting.delete(check);
        }
        function check() {
          if (!condition()) return;
          done();
          resolve();
        }
        waiting.add(check);
        check();
      }),
  };
}

/** How many inotify watches this process holds. */
export function inotifyWatches(): number {
  let watches = 0;
  for (const fd of readdirSync('/proc/self/fdinfo')) {
    watches += inotifyLines(fd);
  }
  return watches;
}

function inotifyLines(fd: string): number {
  try {
    return readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8').match(/^inotify wd:/gm)?.length ?? 0;
  } catch {
    // Closed since it was listed.
    return 0;
  }
}
