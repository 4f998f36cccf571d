import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';
import { readQueueLength } from '../../src/watch/limits.ts';
import { openWatcher } from '../../src/watch/watcher.ts';
import { inotifyWatches, lists, temporaryRoot, watch } from './rig.ts';

const etc = lists(['/etc']);

test('one watch a directory, none for files, symbolic links and pruned directories', async (t) => {
  const root = temporaryRoot(t);
  for (let i = 0; i < 20; i += 1) {
    mkdirSync(join(root, `etc/d${i}/sub`), { recursive: true });
    writeFileSync(join(root, `etc/d${i}/file`), 'x');
  }
  mkdirSync(join(root, 'etc/pruned/deep'), { recursive: true });
  mkdirSync(join(root, 'unrelated/deep'), { recursive: true });
  symlinkSync('../unrelated', join(root, 'etc/link'));
  const rig = await watch(t, root, lists(['/etc'], [], ['/etc/pruned']));

  // The root itself, etc, and 20 times two.
  assert.equal(rig.watcher.directories(), 42);
  assert.equal(inotifyWatches(), 42);
  assert.equal(rig.watcher.degraded(), undefined);
  assert.deepEqual(rig.hints, []);

  writeFileSync(join(root, 'etc/pruned/new'), 'x');
  writeFileSync(join(root, 'unrelated/new'), 'x');
  writeFileSync(join(root, 'etc/marker'), 'x');
  await rig.until('the marker is hinted', () => rig.askedPath('/etc/marker'));
  assert.equal(rig.asked('/etc/pruned/new'), false);
  assert.equal(rig.asked('/etc/link/new'), false);
  assert.equal(rig.asked('/unrelated/new'), false);

  await rig.watcher.close();
  // The last one ends after the event that is being told.
  await rig.until('no watch is left', () => inotifyWatches() === 0);
});

test('every kind of change to a file gives a hint', async (t) => {
  const root = temporaryRoot(t);
  mkdirSync(join(root, 'etc'));
  const file = join(root, 'etc/file');
  writeFileSync(file, 'one');
  const rig = await watch(t, root, etc);
  const { mtime, atime } = statSync(file);

  const changes: [string, 'rename' | 'write', () => void][] = [
    ['chmod', 'write', () => chmodSync(file, 0o600)],
    ['chown', 'write', () => chownSync(file, 0, 0)],
    [
      'a write that keeps the old mtime',
      'write',
      () => {
        writeFileSync(file, 'two');
        utimesSync(file, atime, mtime);
      },
    ],
    [
      'replaced by rename',
      'rename',
      () => {
        writeFileSync(join(root, 'etc/file.new'), 'three');
        renameSync(join(root, 'etc/file.new'), file);
      },
    ],
    ['moved away', 'rename', () => renameSync(file, join(root, 'file'))],
    ['moved in', 'rename', () => renameSync(join(root, 'file'), file)],
    ['deleted', 'rename', () => unlinkSync(file)],
    ['created', 'rename', () => writeFileSync(file, 'four')],
  ];
  for (const [what, change, act] of changes) {
    rig.forget();
    act();
    await rig.until(what, () => rig.askedPath('/etc/file', change));
  }
});

test('our own temporary files give no hint, but tell that something is placed', async (t) => {
  const root = temporaryRoot(t);
  mkdirSync(join(root, 'etc'));
  const rig = await watch(t, root, etc);
  const temporary = join(root, 'etc/.file.bmcs-0123456789ab~');
  writeFileSync(temporary, 'x');
  await rig.until('it is told', () => rig.placings() > 0);
  renameSync(temporary, join(root, 'etc/file'));
  await rig.until('the placed file is hinted', () => rig.askedPath('/etc/file', 'rename'));
  assert.deepEqual(
    rig.hints.filter((hint) => hint.kind !== 'path' || hint.path !== '/etc/file'),
    [],
  );
});

test('symbolic links give hints when made, retargeted, dangling and removed, and are not followed', async (t) => {
  const root = temporaryRoot(t);
  mkdirSync(join(root, 'etc'));
  mkdirSync(join(root, 'elsewhere/sub'), { recursive: true });
  const rig = await watch(t, root, etc);
  const link = join(root, 'etc/link');
  const retarget = (target: string) => {
    symlinkSync(target, `${link}.new`);
    renameSync(`${link}.new`, link);
  };
  const steps: [string, () => void][] = [
    ['made', () => symlinkSync('../elsewhere', link)],
    ['retargeted', () => retarget('../elsewhere/sub')],
    ['dangling', () => retarget('nowhere')],
    ['back', () => retarget('../elsewhere')],
  ];
  for (const [what, act] of steps) {
    rig.forget();
    act();
    await rig.until(`the link was ${what}`, () => rig.askedPath('/etc/link', 'rename'));
  }
  rig.forget();
  writeFileSync(join(root, 'elsewhere/file'), 'x');
  writeFileSync(join(root, 'elsewhere/sub/file'), 'x');
  unlinkSync(link);
  await rig.until('the link was removed', () => rig.askedPath('/etc/link', 'rename'));
  assert.equal(
    rig.hints.every((hint) => hint.kind === 'path' && hint.path === '/etc/link'),
    true,
  );
  assert.equal(inotifyWatches(), 2);
});

test('directories with strange names are watched', async (t) => {
  const root = temporaryRoot(t);
  const names = ['dev-disk-by\\x2duuid.d', 'with space', '__proto__', 'été', '.hidden', '(b)[c]{d}', 'x~'];
  for (const name of names) mkdirSync(join(root, 'etc', name), { recursive: true });
  const rig = await watch(t, root, etc);
  const late = 'late\\x2d.d';
  mkdirSync(join(root, 'etc', late));
  await rig.until('the late one is watched', () => rig.watcher.directories() === names.length + 3);
  for (const name of [...names, late]) {
    writeFileSync(join(root, 'etc', name, 'file'), 'x');
    await rig.until(name, () => rig.askedPath(`/etc/${name}/file`, 'write'));
  }
});

test('below the root / only the way to a listed path is watched', async (t) => {
  const root = temporaryRoot(t);
  mkdirSync(join(root, 'conf/deep'), { recursive: true });
  mkdirSync(join(root, 'other/deep'), { recursive: true });
  const rig = await watch(t, '/', lists([`${root}/conf`]));
  // `/`, the directories down to conf, and the one below it.
  assert.equal(rig.watcher.directories(), root.split('/').length + 2);
  writeFileSync(join(root, 'conf/deep/file'), 'x');
  await rig.until('the file is hinted', () => rig.askedPath(`${root}/conf/deep/file`));
});

describe('a burst', () => {
  /** So long after a burst it is over for sure, and would have been told if it were suspect. Milliseconds. */
  const longerThanCalmMs = 500;

  /** Causes that many events, of which as many wait in the queue as are caused between two turns. */
  async function cause(files: readonly string[], events: number, aTurn: number): Promise<void> {
    for (let i = 0; i < events; i += 1) {
      // In turns, because the kernel merges an event that equals the one before.
      chmodSync(files[i % files.length] ?? '', 0o600 + (i % 8));
      if (i % aTurn === aTurn - 1) await nextTurn();
    }
  }

  async function watchTwoFiles(t: TestContext) {
    const root = temporaryRoot(t);
    mkdirSync(join(root, 'etc'));
    const files = [join(root, 'etc/a'), join(root, 'etc/b')];
    for (const file of files) writeFileSync(file, 'x');
    const rig = await watch(t, root, etc);
    return { rig, files, everything: () => rig.hints.filter((hint) => hint.kind === 'everything') };
  }

  test('that comes near the length of the queue asks for everything, once', async (t) => {
    const { rig, files, everything } = await watchTwoFiles(t);
    const events = readQueueLength() / 2 + 10;
    await cause(files, events, events + 1);
    await rig.until('everything is asked for', () => everything().length > 0);
    assert.deepEqual(everything(), [{ kind: 'everything', why: 'burst' }]);
  });

  test('of which the queue never held much asks for nothing, however long it is', async (t) => {
    const { rig, files, everything } = await watchTwoFiles(t);
    await cause(files, readQueueLength(), 1000);
    writeFileSync(`${files[0]}-last`, 'x');
    await rig.until('the last file is hinted', () => rig.askedPath('/etc/a-last'));
    await pause(longerThanCalmMs);
    assert.deepEqual(everything(), []);
  });
});

test('a root that is no directory is refused', (t) => {
  const root = temporaryRoot(t);
  const open = (missing: string) =>
    openWatcher({ root: missing, watchlists: etc, onHint: () => undefined, onProblem: () => undefined });
  writeFileSync(join(root, 'file'), 'x');
  assert.throws(() => open(join(root, 'missing')), { code: 'root-missing' });
  assert.throws(() => open(join(root, 'file')), { code: 'root-missing' });
});

test('after close no hint comes, and ready does not hang', async (t) => {
  const root = temporaryRoot(t);
  mkdirSync(join(root, 'etc'));
  const hints: unknown[] = [];
  const watcher = openWatcher({
    root,
    watchlists: etc,
    onHint: (hint) => hints.push(hint),
    onProblem: () => undefined,
  });
  const closing = watcher.close();
  await watcher.ready;
  await closing;
  const other = await watch(t, root, etc);
  rmSync(join(root, 'etc'), { recursive: true });
  await other.until('another watcher saw it', () => other.asked('/etc'));
  assert.deepEqual(hints, []);
});
