import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { it } from 'node:test';
import { eventually } from '../world/eventually.ts';
import { conflictsOn } from '../world/kept.ts';
import { Pair } from '../world/pair.ts';
import { write } from '../world/tree.ts';

it('a directory that is removed around a conflict is named as held, and keeps nobody waiting', async () => {
  await using pair = await Pair.open({ mutual: true });
  write(pair.root('active'), { 'etc/e/x.conf': 'x\n', 'etc/other.conf': 'o\n' });
  await pair.startActive();
  assert.equal((await pair.flush()).code, 0);
  writeFileSync(pair.at('passive', 'etc/e/x.conf'), 'edited\n');
  rmSync(pair.at('active', 'etc/e'), { recursive: true });
  await eventually('the edit against the deletion is a conflict', () =>
    conflictsOn(pair, 'active').some(({ path }) => path === '/etc/e/x.conf'),
  );
  const flushed = await pair.run('active', ['flush', '--timeout', '3s']);
  assert.equal(flushed.code, 1, flushed.stdout + flushed.stderr);
  assert.match(flushed.stdout, /\/etc\/e\/x\.conf/);
  assert.match(flushed.stdout, /\/etc\/e: .*not-empty|\/etc\/e .*not-empty/);
  assert.equal(readFileSync(pair.at('passive', 'etc/e/x.conf'), 'utf8'), 'edited\n');

  await pair.run('active', ['ha', 'disable', '--reason', 'test']);
  const enabled = await pair.run('active', ['ha', 'enable']);
  assert.match(enabled.stdout, /mail2: \d+ paths compared: .* 1 in conflict, 1 held back/);
  const id = conflictsOn(pair, 'active')[0]?.id ?? '';
  const resolved = await pair.run('active', ['conflicts', 'resolve', id, '--take', 'active']);
  assert.equal(resolved.code, 0, resolved.stdout + resolved.stderr);
  await eventually('the directory goes too', () => !existsSync(pair.at('passive', 'etc/e')));
});
