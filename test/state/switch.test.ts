import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SwitchStore } from '../../src/state/switch.ts';
import { another, exitOf, opened, temporaryFolder } from './fixture.ts';

test('is enabled until somebody disables it, and again after enable', (t) => {
  const setting = new SwitchStore(opened(t, temporaryFolder(t)));
  assert.deepEqual(setting.read(0), { state: 'enabled' });
  setting.disable({ reason: 'upgrade', by: 'root' }, 1000);
  assert.deepEqual(setting.read(2000), { state: 'disabled', reason: 'upgrade', since: 1000, by: 'root' });
  setting.enable();
  assert.deepEqual(setting.read(2000), { state: 'enabled' });
});

test('ends by itself at its time, and survives a restart until then', (t) => {
  const folder = temporaryFolder(t);
  new SwitchStore(opened(t, folder)).disable({ reason: 'upgrade', by: 'root', until: 5000 }, 1000);
  const again = new SwitchStore(opened(t, folder));
  assert.equal(again.read(4999).state, 'disabled');
  assert.equal(again.read(5000).state, 'enabled');
});

test('what another process sets counts at the very next read', async (t) => {
  const folder = temporaryFolder(t);
  const setting = new SwitchStore(opened(t, folder));
  assert.equal(setting.read(0).state, 'enabled');
  const { child } = another(
    t,
    `const { openDatabase } = await load('database');
     const { SwitchStore } = await load('switch');
     new SwitchStore(openDatabase(${JSON.stringify(folder)})).disable({ reason: 'upgrade', by: 'root' }, 7);
     process.exit(0);`,
  );
  assert.equal(await exitOf(child), 0);
  assert.equal(setting.read(8).state, 'disabled');
});

test('a damaged row keeps it disabled', (t) => {
  const database = opened(t, temporaryFolder(t));
  database.statement("INSERT INTO switch VALUES (1, 'r', 'yesterday', 'root', NULL)").run();
  assert.equal(new SwitchStore(database).read(0).state, 'disabled');
});
