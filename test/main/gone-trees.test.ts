import assert from 'node:assert/strict';
import { existsSync, renameSync, unlinkSync } from 'node:fs';
import { it } from 'node:test';
import { eventually } from '../world/eventually.ts';
import { Pair } from '../world/pair.ts';
import { write } from '../world/tree.ts';

it('a directory that is renamed is carried over long before the hold of a deletion ends', async () => {
  await using pair = await Pair.open({ active: { settle: { deleteHoldMs: 60_000 } } });
  const files = Object.fromEntries(['u/a', 'u/d/b', 'single'].map((name) => [`etc/${name}`, `${name}\n`]));
  write(pair.root('active'), files);
  await pair.startActive();
  assert.equal((await pair.flush()).code, 0);

  unlinkSync(pair.at('active', 'etc/single'));
  // One step: what goes on disappearing after a pause would be held in full, and this machine may pause.
  renameSync(pair.at('active', 'etc/u'), pair.at('active', 'etc/v'));
  const there = (name: string): boolean => existsSync(pair.at('passive', `etc/${name}`));
  await eventually('it has its new name alone', () => !there('u') && there('v/d/b'));
  assert.ok(there('single'), 'an editor may be about to write it anew');
});
