import assert from 'node:assert/strict';
import { test } from 'node:test';
import { succeeds } from '../world/eventually.ts';
import { write } from '../world/tree.ts';
import { makePair } from './pair.ts';
import { compareTrees } from './tree.ts';

test('a pair replicates, survives kill -9 of the daemon, and can begin anew', async () => {
  await using pair = await makePair();
  write(pair.active.root, { 'etc/a.conf': 'one', 'etc/d/link': { symlink: '../a.conf' } });
  const first = await pair.startDaemon('active');
  await succeeds(async () =>
    assert.deepEqual(await compareTrees(pair.active.root, pair.passive.root), [], first.log()),
  );
  await first.kill9();
  write(pair.active.root, { 'etc/a.conf': 'two' });
  const second = await pair.startDaemon('active');
  await succeeds(async () =>
    assert.deepEqual(await compareTrees(pair.active.root, pair.passive.root), [], second.log()),
  );
  assert.equal(await second.stop(), 0);
  await pair.reset();
  assert.deepEqual(await compareTrees(pair.active.root, pair.passive.root), []);
});

test('a daemon that cannot start fails with what it said', async () => {
  await using pair = await makePair();
  pair.setWatchlist('active', { name: 'broken', inclued: [] });
  await assert.rejects(pair.startDaemon('active'), /inclued/);
});
