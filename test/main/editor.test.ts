import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Save, textOf } from '../world/editor.ts';
import { eventually } from '../world/eventually.ts';
import { conflictsOn, versionsOf } from '../world/kept.ts';
import { Pair } from '../world/pair.ts';
import { leftovers } from '../world/tree.ts';

const program = fileURLToPath(new URL('../world/editor.ts', import.meta.url));
const editingMs = 4000;
const names = (kind: string, count: number): string[] =>
  Array.from({ length: count }, (_, n) => `${kind}-${n}.conf`);
/** An odd number together, so that each is saved in both ways. These are overwritten again and again, those get into conflict sooner or later. */
const won = names('wins', 4);
const heldBack = names('hold', 23);
const all = [...won, ...heldBack];

type Editor = { stop(): Promise<Save[]> };

function startEditor(folder: string, root: string): Editor {
  const log = join(folder, 'saves');
  const scratch = join(root, 'stage');
  mkdirSync(scratch);
  writeFileSync(log, '');
  const files = all.map((name) => join(root, 'etc', name));
  const child = spawn(process.execPath, [program, log, scratch, ...files], {
    stdio: ['pipe', 'inherit', 'inherit'],
  });
  const exited = once(child, 'exit');
  return {
    stop: async () => {
      child.stdin?.end();
      const [code] = await exited;
      assert.equal(code, 0, 'the editor ended well');
      const lines = readFileSync(log, 'utf8').trimEnd().split('\n');
      return lines.map((line) => JSON.parse(line) as Save);
    },
  };
}

/** The first line of a text whose lines are all the same. */
function nameOf(content: string): string {
  const [name = ''] = content.split('\n');
  return content === textOf(name) ? name : `torn: ${content.length} bytes, begins with ${name}`;
}

function nameAt(path: string): string {
  return existsSync(path) ? nameOf(readFileSync(path, 'utf8')) : 'nothing';
}

describe('an editor that saves on the passive node while pushes of the same paths arrive', () => {
  it('loses no save that it did not overwrite itself', { timeout: 120_000 }, async () => {
    const plenty = { versions: { count: 10_000 } };
    await using pair = await Pair.open({
      mutual: true,
      passive: plenty,
      watchlist: { policies: [{ match: '/etc/wins-*', conflict: 'active-wins' }] },
    });
    for (const name of all) writeFileSync(pair.at('active', `etc/${name}`), textOf('agreed'));
    const passive = pair.spawnDaemon('passive');
    const active = await pair.startActive();
    assert.equal((await pair.flush()).code, 0);
    await eventually('the passive’s daemon watches', () => passive.log().includes('watching'));

    const written = new Set(['agreed']);
    let number = 0;
    const push = (): void => {
      for (const name of all) {
        number += 1;
        written.add(`active ${number}`);
        writeFileSync(pair.at('active', `etc/${name}`), textOf(`active ${number}`));
      }
    };
    push();
    const editor = startEditor(pair.folder, pair.root('passive'));
    const end = performance.now() + editingMs;
    while (performance.now() < end) {
      push();
      // A pace at which some pushes win the race, and some lose it.
      await pause(30 + (number % 4) * 20);
    }
    const saves = await editor.stop();
    await pair.flush();
    await eventually('the last of those that the active wins is in place', () =>
      won.every(
        (name) => nameAt(pair.at('passive', `etc/${name}`)) === nameAt(pair.at('active', `etc/${name}`)),
      ),
    );

    const known = new Set([...written, ...saves.map(({ saved }) => saved)]);
    const displaced = new Map<string, number>();
    for (const name of all) {
      const path = `/etc/${name}`;
      const onDisk = nameAt(pair.at('passive', path));
      const versions = versionsOf(pair, 'passive', path).map(({ content }) => nameOf(content));
      for (const content of [onDisk, nameAt(pair.at('active', path)), ...versions])
        assert.ok(known.has(content), `${path}: ${content} was written by nobody`);

      const own = saves.filter(({ file }) => file === name);
      assert.ok(own.length > 0, `${path} was saved`);
      const overwritten = new Set(own.map(({ overwrote }) => overwrote));
      // What nobody but bm-confsync can have taken away, and the last save in any case.
      const owed = own.filter(({ saved }) => !overwritten.has(saved));
      const kept = new Set([onDisk, ...versions]);
      const gone = owed.filter(({ saved }) => !kept.has(saved));
      assert.deepEqual(gone, [], `${path}: saves that are gone`);
      assert.ok(owed.includes(own.at(-1) as Save), `${path}: the last save is owed`);
      displaced.set(name, owed.length);
    }

    // The race was run: of these, many saves were overwritten by pushes; of those, the conflict stands.
    const overwritten = won.reduce((sum, name) => sum + (displaced.get(name) ?? 0), 0);
    assert.ok(overwritten > 2 * won.length, `only ${overwritten} saves were displaced`);
    const conflicts = conflictsOn(pair, 'active').map(({ path }) => path);
    assert.deepEqual(
      conflicts,
      heldBack.map((name) => `/etc/${name}`).sort(),
      'what the policy holds is in conflict, the rest is not',
    );
    for (const name of heldBack) {
      const last = saves.findLast(({ file }) => file === name);
      assert.equal(nameAt(pair.at('passive', `etc/${name}`)), last?.saved, `${name} holds the last save`);
    }
    assert.equal(leftovers(pair.folder), '');
    assert.equal(active.process.exitCode, null);
  });
});
