/** Started by limits.test.ts in a user namespace with low limits. Prints one line of JSON and ends. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Hint } from '../../src/watch/hint.ts';
import { openWatcher, type WatchProblem } from '../../src/watch/watcher.ts';
import { lists } from './rig.ts';

const root = process.argv[2] ?? '';
const hints: Hint[] = [];
const problems: WatchProblem[] = [];
const watcher = openWatcher({
  root,
  watchlists: lists(['/etc']),
  onHint: (hint) => hints.push(hint),
  onProblem: (problem) => problems.push(problem),
});
await watcher.ready;
writeFileSync(join(root, 'etc/file'), 'y');

const everything = () => hints.find((hint) => hint.kind === 'everything');
const hinted = () => hints.some((hint) => hint.kind === 'path' && hint.path === '/etc/file');
const deadline = performance.now() + 10_000;
const poll = setInterval(() => {
  const complete = everything() !== undefined && (hinted() || watcher.directories() === 0);
  if (!complete && performance.now() < deadline) return;
  clearInterval(poll);
  console.log(
    JSON.stringify({
      directories: watcher.directories(),
      problems: problems.length,
      detail: problems[0]?.detail,
      degraded: watcher.degraded() !== undefined,
      everything: everything()?.why,
      hinted: hinted(),
    }),
  );
  void watcher.close();
}, 10);
