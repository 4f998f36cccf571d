import assert from 'node:assert/strict';
import { renameSync, writeFileSync } from 'node:fs';
import { it } from 'node:test';
import { Pair } from './pair.ts';
import { differences, write } from './tree.ts';

it('works', async () => {
  await using pair = await Pair.open();
  write(pair.root('active'), {
    'etc/a.conf': 'a',
    'etc/d/b': { content: 'b', mode: 0o600, uid: 1, gid: 2 },
    'etc/l': { symlink: 'a.conf' },
  });
  const daemon = await pair.startActive();
  console.log(await pair.flush());
  assert.equal(differences(pair.root('active'), pair.root('passive')), '');
  writeFileSync(pair.at('active', 'etc/n'), 'x');
  renameSync(pair.at('active', 'etc/n'), pair.at('active', 'etc/a.conf'));
  console.log(await pair.flush());
  console.log(await pair.run('active', ['status']));
  console.log(await pair.run('active', ['verify', '--full']));
  console.log(await pair.run('active', ['explain', '/etc/a.conf']));
  assert.equal(differences(pair.root('active'), pair.root('passive')), '');
  console.log(daemon.log());
  const code = await daemon.stop();
  assert.equal(code, 0, daemon.log());
});
