import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { Entry } from '../../src/core/entry.ts';
import type { ReplicaPath } from '../../src/core/path.ts';
import { ConflictStore } from '../../src/state/conflicts.ts';
import { openDatabase } from '../../src/state/database.ts';
import { VersionStore } from '../../src/state/versions.ts';
import { eventually } from '../world/eventually.ts';
import { Pair } from '../world/pair.ts';
import { leftovers, write } from '../world/tree.ts';

const editor = join(import.meta.dirname, '../world/eager-editor.ts');
/** Saves in place of what was pushed a moment ago, until there were attempts in plenty, however slow the machine is. */
const enough = 100;
const names = ['one.conf', 'two.conf', 'three.conf'];

type Saved = { file: string; content: string; displaced: string };

/** What the editor has written down so far: whole lines, the last one may be on its way. */
function savesIn(log: string): Saved[] {
  if (!existsSync(log)) return [];
  const lines = readFileSync(log, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as Saved);
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Everything of a path that the passive still has: on its disk, as a version, or as a side of a conflict. */
function kept(pair: Pair, path: ReplicaPath): Set<string> {
  using database = openDatabase(pair.state('passive'));
  const versions = new VersionStore(database);
  const entries: Entry[] = versions.list(path).map(({ entry }) => entry);
  for (const { path: at, passive } of new ConflictStore(database).list())
    if (at === path) entries.push(passive);
  const digests = entries.flatMap((entry) => (entry.kind === 'file' ? [entry.digest] : []));
  return new Set([...digests, digestOf(readFileSync(pair.at('passive', path), 'utf8'))]);
}

it('an editor that saves the pushed paths as fast as it can loses none of its saves', async () => {
  await using pair = await Pair.open({
    mutual: true,
    exclude: ['/etc/**/*~'],
    active: { conflict: 'active-wins' },
    passive: { versions: { count: 10_000 } },
  });
  write(pair.root('active'), Object.fromEntries(names.map((name) => [`etc/${name}`, 'begin\n'])));
  await pair.startActive();
  assert.equal((await pair.flush()).code, 0);
  const log = join(pair.folder, 'saves.log');
  const files = names.map((name) => pair.at('passive', `etc/${name}`));
  const child = spawn(process.execPath, [editor, log, ...files], { stdio: ['pipe', 'pipe', 'inherit'] });
  const over = once(child, 'exit');
  await once(child.stdout, 'data');

  // The policy settles each conflict in favour of the active, so that pushes meet saves all the time.
  const until = performance.now() + 40_000;
  const met = (): number => savesIn(log).filter(({ displaced }) => displaced.startsWith('active')).length;
  for (let round = 0; round % 100 !== 0 || (met() < enough && performance.now() < until); round += 1) {
    for (const name of names) writeFileSync(pair.at('active', `etc/${name}`), `active ${round} ${name}\n`);
    await pause(3);
  }
  child.stdin.end();
  await over;
  await eventually('what was on its way has arrived', async () => (await pair.flush()).code <= 1);

  const saves = savesIn(log);
  assert.ok(saves.length > 100, `${saves.length} saves`);
  let displaced = 0;
  for (const [index, name] of names.entries()) {
    const still = kept(pair, `/etc/${name}` as ReplicaPath);
    const own = saves.filter(({ file }) => file === files[index]);
    const byItself = new Set(own.map((one) => one.displaced));
    for (const { content } of own) {
      if (byItself.has(content)) continue;
      displaced += 1;
      assert.ok(still.has(digestOf(content)), `${content.trim()} is gone`);
    }
  }
  assert.ok(displaced > names.length, `only ${displaced} saves met a push: nothing was tried`);
  assert.equal(leftovers(pair.root('passive')), '');
});
