import { loadConfig } from '../../config/load.ts';
import { type Decision, loadWatchlists, type Watchlists } from '../../config/watchlist.ts';
import type { Exit } from '../../core/failure.ts';
import { printable, type ReplicaPath } from '../../core/path.ts';
import type { Io } from '../io.ts';
import { shippedWatchlists } from '../product.ts';

function load(config: string): Watchlists {
  return loadWatchlists(loadConfig(config).watchlists, { shippedFolder: shippedWatchlists });
}

/** Prints every rule with its place. */
export async function listRules(options: { config: string; json: boolean }, io: Io): Promise<Exit> {
  const { rules } = load(options.config);
  if (options.json) io.out(`${JSON.stringify(rules)}\n`);
  else
    for (const { effect, pattern, file, line } of rules)
      io.out(`${effect}  ${printable(pattern).padEnd(48)} ${printable(file)}:${line}\n`);
  return 'done';
}

/** Prints why a path is in or out. Exit `drift` (1) when it is out, so that scripts can ask. */
export async function testPath(
  options: { config: string; path: ReplicaPath; json: boolean },
  io: Io,
): Promise<Exit> {
  const decision = load(options.config).decide(options.path);
  if (options.json) io.out(`${JSON.stringify({ path: options.path, ...decision })}\n`);
  else io.out(`${printable(options.path)}: ${decisionText(options.path, decision)}\n`);
  return decision.included ? 'done' : 'drift';
}

/** `replicated, by include /etc/** (bluemind.yml:12)` and the like. */
export function decisionText(path: ReplicaPath, decision: Decision): string {
  const { included, rule, through } = decision;
  if (rule === undefined) return 'not replicated: no include pattern matches it';
  const by = `${rule.effect} ${printable(rule.pattern)} (${printable(rule.file)}:${rule.line})`;
  if (included) return `replicated, by ${by}`;
  return through === undefined || through === path
    ? `not replicated, by ${by}`
    : `not replicated: ${printable(through)} above it is out, by ${by}`;
}
