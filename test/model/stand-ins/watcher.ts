import type { Watcher, WatcherOptions } from '../../../src/watch/watcher.ts';

const watchers = new Map<string, WatcherOptions['onHint']>();

/** Hears of nothing but what a history tells it. */
export function openWatcher({ root, onHint }: WatcherOptions): Watcher {
  watchers.set(root, onHint);
  return {
    ready: Promise.resolve(),
    directories: () => 0,
    degraded: () => undefined,
    close: async () => {
      if (watchers.get(root) === onHint) watchers.delete(root);
    },
  };
}

/** What the watcher of the tree below `root` would have told. */
export function hintAt(root: string, hint: Parameters<WatcherOptions['onHint']>[0]): void {
  watchers.get(root)?.(hint);
}

export function forgetWatchers(): void {
  watchers.clear();
}
