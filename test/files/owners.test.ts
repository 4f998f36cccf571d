import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { test } from 'node:test';
import { groupId, groupName, ownerId, ownerName } from '../../src/files/owners.ts';
import { run, temporaryFolder } from './fixture.ts';

test('ids have names', () => {
  assert.equal(ownerName(0), 'root');
  assert.equal(groupName(0), 'root');
  assert.equal(ownerId('root'), 0);
  assert.equal(groupId('root'), 0);
  const daemon = run('id', '-u', 'daemon').trim();
  assert.equal(ownerName(Number(daemon)), 'daemon');
  assert.equal(ownerId('daemon'), Number(daemon));
});

test('an id without a name is its decimal number, there and back', () => {
  assert.equal(ownerName(3_999_999_999), '3999999999');
  assert.equal(groupName(3_999_999_998), '3999999998');
  assert.equal(ownerId('3999999999'), 3_999_999_999);
  assert.equal(groupId('3999999998'), 3_999_999_998);
});

for (const name of [
  '',
  'no-such-name',
  '-1',
  '+1',
  '1.5',
  '0x10',
  '007',
  ' 1',
  '1e3',
  '4294967295',
  '99999999999',
  'root\0',
]) {
  test(`${JSON.stringify(name)} is nobody`, () => {
    assert.equal(ownerId(name), undefined);
    assert.equal(groupId(name), undefined);
  });
}

// In a mount namespace of its own, so that this machine's accounts stay as they are.
test('accounts that are made or renamed while the process runs are noticed', () => {
  using folder = temporaryFolder();
  copyFileSync('/etc/passwd', folder.at('passwd'));
  const script = `
    import { strict as assert } from 'node:assert';
    import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
    import { setTimeout as pause } from 'node:timers/promises';
    import { ownerId, ownerName } from ${JSON.stringify(new URL('../../src/files/owners.ts', import.meta.url).href)};
    assert.equal(ownerName(424242), '424242');
    assert.equal(ownerId('bmcs-new'), undefined);
    appendFileSync('/etc/passwd', 'bmcs-new:x:424242:0::/:/bin/false\\n');
    assert.equal(ownerId('bmcs-new'), 424242, 'a new name is known at once');
    const becomes = async (name) => {
      const deadline = Date.now() + 20_000;
      while (ownerName(424242) !== name && Date.now() < deadline) await pause(20);
      assert.equal(ownerName(424242), name);
    };
    await becomes('bmcs-new');
    writeFileSync('/etc/passwd', readFileSync('/etc/passwd', 'utf8').replace('bmcs-new', 'bmcs-old'));
    await becomes('bmcs-old');
    assert.equal(ownerId('bmcs-new'), undefined);`;
  const inside = 'mount --bind "$0" /etc/passwd && exec "$@"';
  const child = spawnSync(
    'unshare',
    ['-m', 'sh', '-c', inside, folder.at('passwd'), process.execPath, '--input-type=module', '-e', script],
    { encoding: 'utf8' },
  );
  assert.equal(child.status, 0, child.stderr);
});
