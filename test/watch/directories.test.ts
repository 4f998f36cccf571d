import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  mkdirSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { DirectoryWatches } from '../../src/watch/directories.ts';
import { inotifyWatches, lists, type Rig, temporaryRoot, watch } from './rig.ts';

const etc = lists(['/etc']);

type Trigger = Parameters<DirectoryWatches['handler']['reconcileBackendTrigger']>[2];

/** Waits until a write to this file is told by a watch, which proves that its directory is watched. */
async function untilWatched(rig: Rig, path: string): Promise<void> {
  let writes = 0;
  const write = () => {
    writes += 1;
    writeFileSync(rig.at(path), String(writes));
  };
  const again = setInterval(write, 20);
  try {
    await rig.until(`${path} is watched`, () => rig.askedPath(path, 'write'));
  } finally {
    clearInterval(again);
  }
}

/** Everything that is below a path now. */
function allBelow(rig: Rig, path: string): string[] {
  return readdirSync(rig.at(path), { recursive: true }).map((name) => `${path}/${name}`);
}

/** As allBelow, of a tree that may be renamed meanwhile: nothing then. */
function foundBelow(rig: Rig, path: string): string[] {
  try {
    return allBelow(rig, path);
  } catch (error) {
    assert.match(String(error), /ENOENT/);
    return [];
  }
}

test('a tree made at once is asked for, also what another process makes while it is discovered', async (t) => {
  const root = temporaryRoot(t);
  mkdirSync(join(root, 'etc'));
  const rig = await watch(t, root, etc);

  // What was on disk at each tree hint: a file that is made later needs a later hint.
  const seen = new Set<string>();
  const look = () => {
    for (const hint of rig.hints.splice(0)) {
      if (hint.kind === 'path') seen.add(hint.path);
      if (hint.kind === 'tree') for (const path of allBelow(rig, hint.path)) seen.add(path);
    }
  };
  const script =
    'for i in 1 2 3 4 5 6 7 8; do mkdir -p a$i/b/c && for f in a$i a$i/b a$i/b/c; do echo x > $f/1; echo y > $f/2; done; done';
  const child = spawn('sh', ['-c', script], { cwd: join(root, 'etc'), stdio: 'ignore' });
  await new Promise((resolve) => child.once('exit', resolve));
  const expected = allBelow(rig, '/etc');
  assert.equal(expected.length, 8 * 9);
  await rig.until('everything was looked at', () => {
    look();
    return expected.every((path) => seen.has(path));
  });
  await rig.until('every directory is watched', () => inotifyWatches() === 2 + 8 * 3);
  assert.equal(rig.watcher.directories(), 2 + 8 * 3);
});

test('what is made, moved and removed while the tree is taken in at the start is watched as it is in the end', async (t) => {
  const root = temporaryRoot(t);
  for (let i = 0; i < 400; i += 1) mkdirSync(join(root, `etc/old${i % 20}/d${i}/deep`), { recursive: true });
  const script = [
    'for i in $(seq 0 19); do mkdir -p old$i/new/a/b; mv old$i/d$((i+20)) old$i/moved; rm -r old$i/d$((i+40)); mkdir -p n$i/a/b; done',
    'echo',
  ].join('; ');
  const child = spawn('sh', ['-c', script], { cwd: join(root, 'etc'), stdio: 'ignore' });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const rig = await watch(t, root, etc);
  await ended;
  const below = readdirSync(join(root, 'etc'), { recursive: true, withFileTypes: true });
  const directories = 2 + below.filter((entry) => entry.isDirectory()).length;
  assert.equal(directories, 2 + 20 + 400 * 2 - 20 * 2 + 20 * 6);
  await rig.until('every directory is watched', () => inotifyWatches() === directories);
  await rig.until('and counted', () => rig.watcher.directories() === directories);
  await untilWatched(rig, '/etc/old3/new/a/b/file');
  await untilWatched(rig, '/etc/old3/moved/deep/file');
});

test('a directory of the start that is replaced, or gone and back, is followed', async (t) => {
  const root = temporaryRoot(t);
  for (const name of ['a', 'b', 'c']) mkdirSync(join(root, `etc/${name}/sub/deep`), { recursive: true });
  const rig = await watch(t, root, etc);
  renameSync(rig.at('/etc/a'), rig.at('/etc/b/sub/a'));
  mkdirSync(rig.at('/etc/a/sub'), { recursive: true });
  rmSync(rig.at('/etc/c'), { recursive: true });
  await rig.until('the watches follow', () => inotifyWatches() === 10);
  mkdirSync(rig.at('/etc/c/sub/deep'), { recursive: true });
  for (const path of ['/etc/a/sub/f', '/etc/b/sub/a/sub/deep/f', '/etc/b/sub/deep/f', '/etc/c/sub/deep/f'])
    await untilWatched(rig, path);
  await rig.until('one watch each', () => inotifyWatches() === 13 && rig.watcher.directories() === 13);
});

test('a tree that comes is asked for once, when all of it is watched', async (t) => {
  const root = temporaryRoot(t);
  mkdirSync(join(root, 'etc'));
  for (let i = 0; i < 200; i += 1) mkdirSync(join(root, `out/a${i}/b/c`), { recursive: true });
  const watchedThen: number[] = [];
  const rig = await watch(t, root, etc, (hint) => {
    if (hint.kind === 'tree') watchedThen.push(inotifyWatches());
  });
  renameSync(join(root, 'out'), join(root, 'etc/new'));
  await rig.until('the look', () => rig.askedTree('/etc/new'));
  // Longer than looks at what chokidar finds by itself are repeated.
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.deepEqual(watchedThen, [2 + 1 + 200 * 3]);
});

test('what is made in a tree in the moment in which it comes is told, or there when it is asked for', async (t) => {
  const root = temporaryRoot(t);
  mkdirSync(join(root, 'etc'));
  const told = new Set<string>();
  const rig = await watch(t, root, etc, (hint) => {
    if (hint.kind === 'path') told.add(hint.path);
    if (hint.kind === 'tree') for (const path of foundBelow(rig, hint.path)) told.add(path);
  });
  for (let i = 0; i < 200; i += 1) mkdirSync(join(root, `out/x${i}/b/c`), { recursive: true });
  // Within microseconds of each other, now one and now the other first.
  const script = `
    const { mkdirSync, renameSync, writeFileSync } = require('node:fs');
    for (let i = 0; i < 200; i += 1) {
      renameSync('../out/x' + i, 'x' + i);
      writeFileSync('x' + i + '/b/c/1', '');
      mkdirSync('x' + i + '/b/c/d');
      writeFileSync('x' + i + '/b/c/d/2', '');
      if (i % 3 === 0) renameSync('x' + i + '/b', 'x' + i + '/e');
      const end = performance.now() + Math.random() * 3;
      while (performance.now() < end);
    }`;
  const child = spawn(process.execPath, ['-e', script], { cwd: join(root, 'etc'), stdio: 'ignore' });
  await new Promise((resolve) => child.once('exit', resolve));
  const expected = allBelow(rig, '/etc');
  assert.equal(expected.length, 200 * 6);
  const missed = () => expected.filter((path) => !told.has(path));
  await rig.until('all were told', () => missed().length === 0);
  await rig.until('and all are watched', () => inotifyWatches() === 2 + 200 * 4);
});

test('a directory renamed inside is asked for under both names, and watched under the new one only', async (t) => {
  const root = temporaryRoot(t);
  mkdirSync(join(root, 'etc/a/deep'), { recursive: true });
  const rig = await watch(t, root, etc);
  renameSync(join(root, 'etc/a'), join(root, 'etc/b'));
  await rig.until('both names', () => rig.askedTree('/etc/a') && rig.askedTree('/etc/b'));
  await untilWatched(rig, '/etc/b/deep/file');
  await rig.until('no watch too many', () => inotifyWatches() === 4);
  rig.forget();
  writeFileSync(join(root, 'etc/b/deep/file'), 'again');
  await rig.until('the write', () => rig.askedPath('/etc/b/deep/file', 'write'));
  assert.equal(rig.askedPath('/etc/a/deep/file'), false);
});

test('a directory moved out is asked for and no longer watched; moved in it is watched again', async (t) => {
  const root = temporaryRoot(t);
  mkdirSync(join(root, 'etc/a/deep'), { recursive: true });
  writeFileSync(join(root, 'etc/a/deep/file'), 'x');
  const rig = await watch(t, root, etc);
  renameSync(join(root, 'etc/a'), join(root, 'out'));
  await rig.until('its tree is asked for', () => rig.askedTree('/etc/a'));
  await rig.until('its watches are gone', () => inotifyWatches() === 2);
  rig.forget();
  renameSync(join(root, 'out'), join(root, 'etc/a'));
  await rig.until('its tree is asked for', () => rig.askedTree('/etc/a'));
  await untilWatched(rig, '/etc/a/deep/file');
});

test('a deleted tree is asked for and its watches are gone', async (t) => {
  const root = temporaryRoot(t);
  for (let i = 0; i < 10; i += 1) mkdirSync(join(root, `etc/a/${i}/deep`), { recursive: true });
  writeFileSync(join(root, 'etc/a/3/deep/file'), 'x');
  const rig = await watch(t, root, etc);
  rmSync(join(root, 'etc/a'), { recursive: true });
  await rig.until('the tree', () => rig.askedTree('/etc/a'));
  await rig.until('the file', () => rig.asked('/etc/a/3/deep/file'));
  await rig.until('the watches are gone', () => inotifyWatches() === 2 && rig.watcher.directories() === 2);
});

test('a directory that is removed and made again, many times, is watched at the end', async (t) => {
  const root = temporaryRoot(t);
  mkdirSync(join(root, 'etc/d'), { recursive: true });
  const rig = await watch(t, root, etc);
  for (let i = 0; i < 50; i += 1) {
    rmdirSync(join(root, 'etc/d'));
    mkdirSync(join(root, 'etc/d'));
    if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await rig.until('its tree is asked for', () => rig.askedTree('/etc/d'));
  await untilWatched(rig, '/etc/d/file');
  await rig.until('one watch each', () => inotifyWatches() === 3);
});

const replacements: [string, (rig: Rig) => void][] = [
  [
    'deleted, then a link to elsewhere',
    (rig) => {
      rmSync(rig.at('/etc/d'), { recursive: true });
      symlinkSync('../elsewhere', rig.at('/etc/d'));
    },
  ],
  [
    'moved aside, then a link to it',
    (rig) => {
      renameSync(rig.at('/etc/d'), rig.at('/etc/d-1'));
      symlinkSync('d-1', rig.at('/etc/d'));
    },
  ],
  [
    'moved out, then a link to elsewhere',
    (rig) => {
      renameSync(rig.at('/etc/d'), rig.at('/out'));
      symlinkSync('../elsewhere', rig.at('/etc/d'));
    },
  ],
];

for (const [what, replace] of replacements) {
  test(`a directory replaced by a symbolic link is not followed: ${what}`, async (t) => {
    const root = temporaryRoot(t);
    mkdirSync(join(root, 'etc/d/sub'), { recursive: true });
    mkdirSync(join(root, 'elsewhere/sub'), { recursive: true });
    const rig = await watch(t, root, etc);
    replace(rig);
    const moved = readdirSync(rig.at('/etc')).includes('d-1');
    await rig.until('the link', () => rig.askedPath('/etc/d', 'rename'));
    await rig.until('no watch goes through it', () => inotifyWatches() === (moved ? 4 : 2));
    rig.forget();
    writeFileSync(join(root, 'elsewhere/file'), 'x');
    writeFileSync(join(root, 'elsewhere/sub/file'), 'x');
    writeFileSync(join(root, 'etc/marker'), 'x');
    await rig.until('the marker', () => rig.askedPath('/etc/marker'));
    assert.equal(rig.askedPath('/etc/d/file'), false);
    assert.equal(rig.askedPath('/etc/d/sub/file'), false);

    // And a directory again: watched again.
    unlinkSync(rig.at('/etc/d'));
    mkdirSync(rig.at('/etc/d/sub'), { recursive: true });
    await rig.until('its tree is asked for', () => rig.askedTree('/etc/d'));
    await untilWatched(rig, '/etc/d/sub/file');
    assert.equal(inotifyWatches(), moved ? 6 : 4);

    // And gone with its parent, and back.
    rmSync(rig.at('/etc'), { recursive: true });
    await rig.until('all is gone', () => inotifyWatches() === 1);
    mkdirSync(rig.at('/etc/d/sub'), { recursive: true });
    rig.forget();
    await untilWatched(rig, '/etc/d/sub/file');
  });
}

test('a directory that became a link and vanished with its parent is watched when all comes back', async (t) => {
  const root = temporaryRoot(t);
  mkdirSync(join(root, 'etc/a/d'), { recursive: true });
  const rig = await watch(t, root, etc);
  rmdirSync(rig.at('/etc/a/d'));
  symlinkSync('/', rig.at('/etc/a/d'));
  await rig.until('only three are watched', () => inotifyWatches() === 3);
  rmSync(rig.at('/etc/a'), { recursive: true });
  mkdirSync(rig.at('/etc/a/d'), { recursive: true });
  await untilWatched(rig, '/etc/a/d/file');
});

test('a root that appears later, with all its parents, is watched; vanished and back, again', async (t) => {
  const root = temporaryRoot(t);
  const rig = await watch(t, root, lists(['/var/lib/bm-ca']));
  assert.equal(rig.watcher.directories(), 1);
  for (let round = 0; round < 2; round += 1) {
    rig.forget();
    mkdirSync(join(root, 'var/lib/bm-ca'), { recursive: true });
    mkdirSync(join(root, 'var/lib/other/deep'), { recursive: true });
    writeFileSync(join(root, 'var/lib/bm-ca/first'), 'x');
    await rig.until('the root is asked for', () => rig.askedTree('/var/lib/bm-ca'));
    await untilWatched(rig, '/var/lib/bm-ca/file');
    await rig.until('only the way there is watched', () => inotifyWatches() === 4);
    rig.forget();
    rmSync(join(root, 'var'), { recursive: true });
    await rig.until('the root is asked for', () => rig.askedTree('/var/lib/bm-ca'));
    await rig.until('one watch is left', () => inotifyWatches() === 1);
  }
  assert.equal(
    rig.hints.some((hint) => hint.kind !== 'everything' && !hint.path.startsWith('/var/lib/bm-ca')),
    false,
  );
});

test('a file listed by name in a missing directory is told when it appears, alone', async (t) => {
  const root = temporaryRoot(t);
  const rig = await watch(t, root, lists([], ['/var/lib/bm-ca/cacert.pem']));
  mkdirSync(join(root, 'var/lib/bm-ca'), { recursive: true });
  writeFileSync(join(root, 'var/lib/bm-ca/cacert.pem'), 'x');
  writeFileSync(join(root, 'var/lib/bm-ca/private.key'), 'x');
  await rig.until('it is asked for', () => rig.asked('/var/lib/bm-ca/cacert.pem'));
  await untilWatched(rig, '/var/lib/bm-ca/cacert.pem');
  rig.forget();
  renameSync(join(root, 'var/lib/bm-ca'), join(root, 'var/lib/gone'));
  await rig.until('it is asked for when its directory goes', () => rig.asked('/var/lib/bm-ca/cacert.pem'));
  assert.equal(
    rig.hints.some((hint) => hint.kind !== 'everything' && hint.path !== '/var/lib/bm-ca/cacert.pem'),
    false,
  );
});

test('a directory under a temporary name of ours is not watched before it is renamed', async (t) => {
  const root = temporaryRoot(t);
  mkdirSync(join(root, 'etc'));
  const rig = await watch(t, root, etc);
  const temporary = rig.at('/etc/.d.bmcs-0123456789ab~');
  mkdirSync(temporary);
  writeFileSync(rig.at('/etc/marker'), 'x');
  await untilWatched(rig, '/etc/marker');
  mkdirSync(rig.at('/etc/e'));
  await untilWatched(rig, '/etc/e/file');
  assert.equal(inotifyWatches(), 3);
  renameSync(temporary, rig.at('/etc/d'));
  await untilWatched(rig, '/etc/d/file');
  assert.equal(inotifyWatches(), 4);
});

test('an event of what was just seen to be no directory is nothing to look into', (t) => {
  const looked: string[] = [];
  const watches = new DirectoryWatches({}, (path) => {
    looked.push(path);
    return path === '/etc/file';
  });
  t.after(() => watches.close());
  assert.equal(watches.isUnwatched('/etc/file'), true);
  assert.equal(watches.isUnwatched('/etc/d'), false);
  assert.deepEqual(looked, ['/etc/file', '/etc/d']);
});

test('a temporary name is not resolved, and another is', async (t) => {
  const watches = new DirectoryWatches({}, () => false);
  t.after(() => watches.close());
  const asked: string[] = [];
  const reconciled: string[] = [];
  watches.isUnwatched = (path) => {
    asked.push(path);
    return false;
  };
  for (const path of ['/etc/d/.file.bmcs-0123456789ab~', '/.bmcs-0123456789ab~', '/etc/d/other']) {
    const [scope, name] = [dirname(path), basename(path)];
    const event = { rawEvent: 'rename', relativePath: name, sequence: 1, observedAt: 0 };
    const trigger = { kind: 'native', resource: scope, ...event } as unknown as Trigger;
    await watches.handler.reconcileBackendTrigger(scope, true, trigger, (candidate) => {
      reconciled.push(candidate);
    });
  }
  assert.deepEqual(reconciled, ['/etc/d/other']);
  assert.deepEqual(new Set(asked), new Set(['/etc/d/other']));
});

test('of directories that were taken in nothing is kept but themselves', async (t) => {
  setFlagsFromString('--expose-gc');
  const collect: () => void = runInNewContext('gc');
  const usedBytes = (): number => {
    collect();
    return process.memoryUsage().heapUsed;
  };
  const root = temporaryRoot(t);
  const watches = new DirectoryWatches({}, () => false);
  t.after(() => watches.close());
  // The same one each time, which is known after the first.
  const takeIn = async (times: number): Promise<void> => {
    for (let i = 0; i < times; i += 1) await watches.takeInNew(root, () => undefined);
  };
  await takeIn(5000);
  const before = usedBytes();
  await takeIn(50_000);
  const more = usedBytes() - before;
  assert.ok(more < 1_000_000, `expected no more than noise, found ${more} bytes more`);
});
