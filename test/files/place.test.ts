import assert from 'node:assert/strict';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { test } from 'node:test';
import type { Entry } from '../../src/core/entry.ts';
import { isTemporaryName } from '../../src/core/path.ts';
import type { CallResult } from '../../src/files/native.ts';
import {
  changeMode,
  changeTime,
  exchangeBack,
  kernelRenames,
  moveAside,
  moveBack,
  type Placement,
  placeStaged,
  type Renames,
  stagedNames,
} from '../../src/files/place.ts';
import { run, temporaryFolder } from './fixture.ts';

const nonce = '0123456789ab';
const digest = '0'.repeat(64);
const owned = { owner: 'root', group: 'root' };
const entries = {
  absent: { kind: 'absent' },
  file: { kind: 'file', digest, size: 3, mode: 0o644, mtime: '0.000000000', xattrs: {}, ...owned },
  directory: { kind: 'directory', mode: 0o755, xattrs: {}, ...owned },
  symlink: { kind: 'symlink', target: 'old', ...owned },
} as const satisfies Record<Entry['kind'], Entry>;
type Kind = keyof typeof entries;
const present: readonly Kind[] = ['file', 'symlink', 'directory'];

function lacking(code: string): Renames {
  const refuse = (): CallResult => ({ ok: false, code });
  return { exchange: refuse, noReplace: refuse };
}
const allRenames: [string, Renames][] = [
  ['with the flags of the kernel', kernelRenames],
  ['without flags (EINVAL)', lacking('EINVAL')],
  ['without flags (ENOTSUP)', lacking('ENOTSUP')],
];

function make(path: string, kind: Kind, text: string): void {
  if (kind === 'file') writeFileSync(path, text);
  if (kind === 'symlink') symlinkSync(text, path);
  if (kind === 'directory') {
    mkdirSync(path);
    writeFileSync(`${path}/within`, text);
  }
}

/** What is at a name, in a word: `file old`, `nothing`. */
function told(path: string): string {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return 'nothing';
  if (stats.isSymbolicLink()) return `symlink ${readlinkSync(path)}`;
  if (stats.isDirectory()) return `directory ${readFileSync(`${path}/within`, 'utf8')}`;
  return `file ${readFileSync(path, 'utf8')}`;
}

/** A folder with names for `conf` in it; `state` tells the target and the temporary name, `names` all there are. */
function ground() {
  const folder = temporaryFolder();
  const staged = stagedNames({ fd: -1, child: folder.at }, 'conf', nonce);
  return {
    staged,
    state: () => [told(staged.target), told(staged.temporary)],
    names: () => readdirSync(folder.path).length,
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  };
}

function failureOf(placement: Placement) {
  assert.ok(placement.kind === 'failed', JSON.stringify(placement));
  return placement.failure;
}

test('the temporary name lies beside the target and is known as one of ours', () => {
  using folder = temporaryFolder();
  const place = { fd: -1, child: folder.at };
  const short = stagedNames(place, 'conf', nonce);
  assert.deepEqual(short, {
    place,
    temporaryName: `.conf.bmcs-${nonce}~`,
    temporary: folder.at(`.conf.bmcs-${nonce}~`),
    target: folder.at('conf'),
  });
  const long = stagedNames(place, 'x'.repeat(255), nonce);
  assert.ok(isTemporaryName(long.temporaryName) && long.temporaryName.length <= 255);
});

for (const [how, renames] of allRenames) {
  for (const kind of present) {
    test(`a ${kind} takes an empty place, ${how}`, () => {
      using at = ground();
      make(at.staged.temporary, kind, 'new');
      const placed = placeStaged(at.staged, entries.absent, renames);
      assert.deepEqual(placed, { kind: 'placed', displaced: undefined });
      assert.deepEqual(at.state(), [`${kind} new`, 'nothing']);
      assert.equal(at.names(), 1);
    });

    for (const there of present) {
      test(`a ${kind} does not take the place of a ${there} that was not expected, ${how}`, () => {
        using at = ground();
        make(at.staged.temporary, kind, 'new');
        make(at.staged.target, there, 'old');
        assert.deepEqual(placeStaged(at.staged, entries.absent, renames), { kind: 'occupied' });
        assert.deepEqual(at.state(), [`${there} old`, `${kind} new`]);
        assert.equal(at.names(), 2);
      });

      test(`a ${kind} replaces a ${there}, which is kept, and goes back, ${how}`, () => {
        using at = ground();
        make(at.staged.temporary, kind, 'new');
        make(at.staged.target, there, 'old');
        const placed = placeStaged(at.staged, entries[there], renames);
        assert.deepEqual(placed, { kind: 'placed', displaced: at.staged.temporary });
        assert.deepEqual(at.state(), [`${kind} new`, `${there} old`]);
        assert.equal(exchangeBack(at.staged, renames), undefined);
        assert.deepEqual(at.state(), [`${there} old`, `${kind} new`]);
        assert.equal(at.names(), 2);
      });
    }

    test(`what was to be replaced by a ${kind} and is gone has vanished, ${how}`, () => {
      using at = ground();
      make(at.staged.temporary, kind, 'new');
      assert.deepEqual(placeStaged(at.staged, entries.file, renames), { kind: 'vanished' });
      assert.deepEqual(at.state(), ['nothing', `${kind} new`]);
      assert.equal(at.names(), 1);
    });

    test(`a ${kind} moves aside and back, ${how}`, () => {
      using at = ground();
      make(at.staged.target, kind, 'old');
      const aside = moveAside(at.staged, renames);
      assert.deepEqual(aside, { kind: 'placed', displaced: at.staged.temporary });
      assert.deepEqual(at.state(), ['nothing', `${kind} old`]);
      assert.equal(moveBack(at.staged, renames), 'restored');
      assert.deepEqual(at.state(), [`${kind} old`, 'nothing']);
      assert.equal(at.names(), 1);
    });

    test(`a ${kind} does not move back over what somebody made meanwhile, ${how}`, () => {
      using at = ground();
      make(at.staged.target, kind, 'old');
      moveAside(at.staged, renames);
      make(at.staged.target, 'file', 'newer');
      assert.equal(moveBack(at.staged, renames), 'occupied');
      assert.deepEqual(at.state(), ['file newer', `${kind} old`]);
      assert.equal(at.names(), 2);
    });
  }

  test(`a file other than the expected one is displaced unharmed and goes back, ${how}`, () => {
    using at = ground();
    make(at.staged.temporary, 'file', 'new');
    make(at.staged.target, 'directory', 'somebody’s');
    assert.equal(placeStaged(at.staged, entries.file, renames).kind, 'placed');
    assert.deepEqual(at.state(), ['file new', 'directory somebody’s']);
    assert.equal(exchangeBack(at.staged, renames), undefined);
    assert.deepEqual(at.state(), ['directory somebody’s', 'file new']);
  });

  test(`what is displaced keeps its inode, ${how}`, () => {
    using at = ground();
    make(at.staged.temporary, 'file', 'new');
    make(at.staged.target, 'file', 'old');
    const before = [at.staged.target, at.staged.temporary].map((path) => lstatSync(path).ino);
    placeStaged(at.staged, entries.file, renames);
    const after = [at.staged.temporary, at.staged.target].map((path) => lstatSync(path));
    assert.deepEqual(
      after.map(({ ino }) => ino),
      before,
    );
    assert.deepEqual(
      after.map(({ nlink }) => nlink),
      [1, 1],
    );
  });

  test(`that what was staged is gone is not taken for a deletion of the target, ${how}`, () => {
    using at = ground();
    make(at.staged.target, 'file', 'old');
    assert.equal(failureOf(placeStaged(at.staged, entries.file, renames)).reason, 'io');
    assert.equal(failureOf(placeStaged(stagedGone(at), entries.file, renames)).reason, 'io');
  });

  test(`nothing to move aside has vanished, ${how}`, () => {
    using at = ground();
    assert.deepEqual(moveAside(at.staged, renames), { kind: 'vanished' });
  });

  test(`what has a temporary name already is not overwritten by moving aside, ${how}`, () => {
    using at = ground();
    make(at.staged.target, 'file', 'old');
    make(at.staged.temporary, 'file', 'other');
    assert.equal(failureOf(moveAside(at.staged, renames)).reason, 'not-empty');
    assert.deepEqual(at.state(), ['file old', 'file other']);
  });

  test(`what was displaced comes back even if what was placed is gone, ${how}`, () => {
    using at = ground();
    make(at.staged.temporary, 'file', 'new');
    make(at.staged.target, 'file', 'old');
    placeStaged(at.staged, entries.file, renames);
    unlinkSync(at.staged.target);
    assert.equal(exchangeBack(at.staged, renames), undefined);
    assert.deepEqual(at.state(), ['file old', 'nothing']);
  });

  test(`what somebody made in place of what was placed is kept when that goes back, ${how}`, () => {
    using at = ground();
    make(at.staged.temporary, 'file', 'new');
    make(at.staged.target, 'file', 'old');
    placeStaged(at.staged, entries.file, renames);
    make(`${at.staged.target}.save`, 'file', 'newer');
    renameSync(`${at.staged.target}.save`, at.staged.target);
    assert.equal(exchangeBack(at.staged, renames), undefined);
    assert.deepEqual(at.state(), ['file old', 'file newer']);
  });

  test(`nothing to bring back is a failure, ${how}`, () => {
    using at = ground();
    make(at.staged.target, 'file', 'new');
    assert.equal(exchangeBack(at.staged, renames)?.reason, 'io');
    const back = moveBack(stagedGone(at), renames);
    assert.ok(typeof back === 'object' && back.reason === 'io', JSON.stringify(back));
  });
}

function stagedGone(at: ReturnType<typeof ground>) {
  rmSync(at.staged.target, { recursive: true, force: true });
  return at.staged;
}

test('between exchange and a new file in its place neither is overwritten, however often that happens', () => {
  using at = ground();
  make(at.staged.temporary, 'file', 'old');
  // Each time it is looked at, somebody has just removed it; each time it is to be filled, somebody has.
  const racing: Renames = {
    exchange: () => ({ ok: false, code: 'ENOENT' }),
    noReplace: () => ({ ok: false, code: 'EEXIST' }),
  };
  assert.equal(exchangeBack(at.staged, racing)?.reason, 'not-empty');
  assert.deepEqual(at.state(), ['nothing', 'file old']);

  let calls = 0;
  const once: Renames = {
    exchange: (a, b) => {
      calls += 1;
      return calls === 1 ? { ok: false, code: 'ENOENT' } : kernelRenames.exchange(a, b);
    },
    noReplace: () => {
      make(at.staged.target, 'file', 'newer');
      return { ok: false, code: 'EEXIST' };
    },
  };
  assert.equal(exchangeBack(at.staged, once), undefined);
  assert.deepEqual(at.state(), ['file old', 'file newer']);
});

for (const [code, reason] of [
  ['EROFS', 'read-only'],
  ['ENOSPC', 'no-space'],
  ['EACCES', 'permission'],
  ['EIO', 'io'],
] as const) {
  test(`${code} is a failure, and nothing is tried in its stead`, () => {
    using at = ground();
    const renames = lacking(code);
    make(at.staged.temporary, 'file', 'new');
    make(at.staged.target, 'file', 'old');
    assert.equal(failureOf(placeStaged(at.staged, entries.absent, renames)).reason, reason);
    assert.equal(failureOf(placeStaged(at.staged, entries.file, renames)).reason, reason);
    assert.equal(failureOf(moveAside(at.staged, renames)).reason, reason);
    assert.equal(exchangeBack(at.staged, renames)?.reason, reason);
    assert.deepEqual(at.state(), ['file old', 'file new']);
  });
}

test('without flags, a name that leaves no room for a third one is swapped all the same', () => {
  using folder = temporaryFolder();
  const name = 'n'.repeat(255 - `..bmcs-${nonce}~`.length);
  const staged = stagedNames({ fd: -1, child: folder.at }, name, nonce);
  assert.equal(staged.temporaryName.length, 255);
  make(staged.temporary, 'file', 'new');
  make(staged.target, 'file', 'old');
  assert.equal(placeStaged(staged, entries.file, lacking('EINVAL')).kind, 'placed');
  assert.deepEqual([told(staged.target), told(staged.temporary)], ['file new', 'file old']);
  assert.equal(readdirSync(folder.path).length, 2);
});

test('without flags, a third name that is taken stops the swap before anything moves', () => {
  using at = ground();
  make(at.staged.temporary, 'file', 'new');
  make(at.staged.target, 'file', 'old');
  make(`${at.staged.temporary.slice(0, -1)}o~`, 'file', 'other');
  assert.equal(failureOf(placeStaged(at.staged, entries.file, lacking('EINVAL'))).reason, 'not-empty');
  assert.deepEqual(at.state(), ['file old', 'file new']);
});

test('without flags, a directory whose place cannot be taken is back where it was', () => {
  using at = ground();
  make(at.staged.temporary, 'directory', 'new');
  make(at.staged.target, 'directory', 'old');
  run('chattr', '+i', at.staged.temporary);
  try {
    const failure = failureOf(placeStaged(at.staged, entries.directory, lacking('EINVAL')));
    assert.equal(failure.reason, 'permission');
    assert.deepEqual(at.state(), ['directory old', 'directory new']);
    assert.equal(at.names(), 2);
  } finally {
    run('chattr', '-i', at.staged.temporary);
  }
});

test('mode and time of a file change in place, of a link neither its target’s', () => {
  using folder = temporaryFolder();
  writeFileSync(folder.at('a'), 'A');
  chmodSync(folder.at('a'), 0o600);
  symlinkSync('a', folder.at('link'));
  assert.equal(changeTime(folder.at('a'), '12.000000034'), undefined);
  assert.equal(changeMode(folder.at('a'), 0o4750), undefined);
  const stats = lstatSync(folder.at('a'), { bigint: true });
  assert.deepEqual([stats.mode & 0o7777n, stats.mtimeNs], [0o4750n, 12_000_000_034n]);
  assert.equal(changeMode(folder.at('link'), 0o777)?.reason, 'io');
  assert.equal(changeTime(folder.at('link'), '99.000000000'), undefined);
  assert.deepEqual(lstatSync(folder.at('a'), { bigint: true }), stats);
  assert.equal(changeTime(folder.at('none'), '0.000000000')?.reason, 'io');
});
