import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { cannotWatch, outOfInstances, outOfWatches } from '../../src/watch/problem.ts';
import { temporaryRoot } from './rig.ts';

const unlimited = { watches: 65_536, instances: 128, namespaceWatches: 65_536, namespaceInstances: 128 };

test('out of watches: the message names the setting, its value, the value needed and the file', () => {
  const { detail, hint } = outOfWatches({ ...unlimited, watches: 8192 }, 9000, 5000);
  assert.equal(
    detail,
    'expected to watch 9000 directories, could watch 5000: the limit of inotify watches is used up ' +
      '(fs.inotify.max_user_watches = 8192). Changes in the others are found by periodic scans only.',
  );
  // 3192 of other programs and 9000, a quarter more and 1024, rounded up to a multiple of 8192.
  assert.equal(
    hint,
    'put `fs.inotify.max_user_watches = 16384` into /etc/sysctl.d/90-bm-confsync.conf, ' +
      'run `sysctl --system`, then restart bm-confsync',
  );
});

test('out of watches in a container: its own limit is named as well', () => {
  const { detail, hint } = outOfWatches({ ...unlimited, namespaceWatches: 10 }, 30, 10);
  assert.match(detail, /fs\.inotify\.max_user_watches = 65536, but user\.max_inotify_watches = 10 here/);
  assert.match(hint, /fs\.inotify\.max_user_watches = 65536`.*in a container, its own limit .* 65536/);
});

test('out of watches with unreadable limits: the value still fits', () => {
  const unreadable = { ...unlimited, watches: Number.POSITIVE_INFINITY };
  const { hint } = outOfWatches({ ...unreadable, namespaceWatches: Number.POSITIVE_INFINITY }, 30_000, 10);
  assert.match(hint, /fs\.inotify\.max_user_watches = 40960`/);
});

test('out of instances: likewise', () => {
  const { detail, hint } = outOfInstances(unlimited, '1024');
  assert.match(detail, /fs\.inotify\.max_user_instances = 128; limit of open files 1024/);
  assert.match(hint, /`fs\.inotify\.max_user_instances = 256` into \/etc\/sysctl\.d\/90-bm-confsync\.conf/);
});

test('another failure names the directory and the code', () => {
  assert.match(cannotWatch('/etc/x', 'EACCES').detail, /expected to watch \/etc\/x, found EACCES/);
});

/** Whether this machine lets us set limits in a user namespace of our own. */
const namespaces =
  spawnSync('unshare', [
    '--user',
    '--map-root-user',
    'sh',
    '-c',
    'echo 9 > /proc/sys/user/max_inotify_watches',
  ]).status === 0;

/**
 * Watches in a process whose user namespace has such a limit. Returns what it printed after its watcher
 * was ready and it wrote one file in the root of the watchlist.
 */
async function watchWithin(setting: string, value: number, root: string): Promise<unknown> {
  const child = spawn(
    'unshare',
    [
      '--user',
      '--map-root-user',
      'sh',
      '-c',
      `echo ${value} > /proc/sys/user/${setting} && exec "$0" "$@"`,
      process.execPath,
      join(import.meta.dirname, 'limited-child.ts'),
      root,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  for await (const line of createInterface(child.stdout)) {
    return JSON.parse(line);
  }
  throw new Error('the limited process printed nothing');
}

function rootWithDirectories(t: Parameters<typeof temporaryRoot>[0], directories: number): string {
  const root = temporaryRoot(t);
  mkdirSync(join(root, 'etc'));
  for (let i = 0; i < directories; i += 1) mkdirSync(join(root, `etc/d${i}`));
  writeFileSync(join(root, 'etc/file'), 'x');
  return root;
}

test('a process that runs out of watches stays alive, tells once and goes on with those it has', {
  skip: namespaces ? false : 'no user namespaces here',
}, async (t) => {
  const told = await watchWithin('max_inotify_watches', 10, rootWithDirectories(t, 28));
  assert.deepEqual(told, {
    directories: 10,
    problems: 1,
    detail: told !== null && typeof told === 'object' && 'detail' in told ? told.detail : '',
    degraded: true,
    everything: 'watch-error',
    hinted: true,
  });
  assert.match(
    JSON.stringify(told),
    /expected to watch 30 directories, could watch 10: .* user\.max_inotify_watches = 10 here/,
  );
});

test('a process without a free inotify instance stays alive and says so', {
  skip: namespaces ? false : 'no user namespaces here',
}, async (t) => {
  const told = await watchWithin('max_inotify_instances', 0, rootWithDirectories(t, 3));
  assert.match(JSON.stringify(told), /"directories":0,"problems":1/);
  assert.match(JSON.stringify(told), /fs\.inotify\.max_user_instances = .*"hinted":false/);
});
