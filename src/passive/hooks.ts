import type { Command } from '../config/watchlist.ts';
import type { ReplicaPath } from '../core/path.ts';
import { runCommand } from './command.ts';

/** What the apply hooks of a batch have to do. */
export type HookPlan = {
  /** Each distinct command once, in the order of the watchlists; `path`: the first that calls for it. */
  readonly commands: readonly {
    readonly key: string;
    readonly command: Command;
    readonly path: ReplicaPath;
  }[];
  /** The keys of the commands that a path waits for. Paths without hooks are not in it. */
  readonly waiting: ReadonlyMap<ReplicaPath, readonly string[]>;
};

/** Names a command line: commands with the same one are run once. */
export function keyOf(run: readonly string[]): string {
  return JSON.stringify(run);
}

/** Which hooks the paths that were really applied call for. */
export function planHooks(applied: readonly ReplicaPath[], applies: readonly Command[]): HookPlan {
  const commands = new Map<string, { key: string; command: Command; path: ReplicaPath }>();
  const waiting = new Map<ReplicaPath, string[]>();
  for (const command of applies) {
    const key = keyOf(command.run);
    for (const path of applied) {
      if (!command.matches(path)) continue;
      if (!commands.has(key)) commands.set(key, { key, command, path });
      const keys = waiting.get(path) ?? [];
      if (!keys.includes(key)) keys.push(key);
      waiting.set(path, keys);
    }
  }
  return { commands: [...commands.values()], waiting };
}

/** Runs hooks one after the other. One that waits to be started serves the next batch too. */
export class HookRunner {
  readonly #onMissing: (program: string) => void;
  readonly #waiting = new Map<string, Promise<string | undefined>>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(onMissing: (program: string) => void) {
    this.#onMissing = onMissing;
  }

  /** What a hook that failed had to say; undefined when it did not fail. Never rejects. */
  run(key: string, { run, timeoutMs }: Command): Promise<string | undefined> {
    const known = this.#waiting.get(key);
    if (known !== undefined) return known;
    const outcome = this.#last.then(async () => {
      this.#waiting.delete(key);
      const ended = await runCommand(run, { timeoutMs, signal: neverAborted });
      if (ended.kind === 'missing') this.#onMissing(run[0] ?? '');
      return ended.kind === 'failed' ? ended.detail : undefined;
    });
    this.#waiting.set(key, outcome);
    this.#last = outcome;
    return outcome;
  }

  /** Resolves when no hook runs or waits any more. */
  async idle(): Promise<void> {
    for (let last: unknown; last !== this.#last; ) {
      last = this.#last;
      await this.#last;
    }
  }
}

/** What a hook is about is in place, also when the session that placed it is over. */
const neverAborted = new AbortController().signal;
