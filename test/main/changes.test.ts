import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { eventually } from '../world/eventually.ts';
import { Pair, type Running } from '../world/pair.ts';
import { differences, write } from '../world/tree.ts';

/** Each change by itself has to arrive by its events alone: nothing is flushed, no reconcile is due. */
const changes: readonly [string, (etc: string) => void][] = [
  ['a new file', (etc) => writeFileSync(join(etc, 'new'), 'new')],
  ['an in-place write', (etc) => writeFileSync(join(etc, 'a'), 'rewritten')],
  ['an append', (etc) => appendFileSync(join(etc, 'a'), 'more')],
  [
    'an atomic replace',
    (etc) => {
      writeFileSync(join(etc, 'a.new'), 'replaced');
      renameSync(join(etc, 'a.new'), join(etc, 'a'));
    },
  ],
  ['a chmod', (etc) => chmodSync(join(etc, 'a'), 0o640)],
  ['a chown', (etc) => chownSync(join(etc, 'a'), 1, 2)],
  ['a setuid bit', (etc) => chmodSync(join(etc, 'a'), 0o4755)],
  ['a chmod of a directory', (etc) => chmodSync(join(etc, 'd'), 0o750)],
  [
    'a write of the same length that puts the old mtime back',
    (etc) => {
      const { atime, mtime } = lstatSync(join(etc, 'a'));
      writeFileSync(join(etc, 'a'), 'REPLACED');
      utimesSync(join(etc, 'a'), atime, mtime);
    },
  ],
  ['a new mtime alone', (etc) => utimesSync(join(etc, 'a'), 1_000_000_000, 1_000_000_000)],
  ['a user attribute', (etc) => execFileSync('setfattr', ['-n', 'user.note', '-v', 'x', join(etc, 'a')])],
  ['an ACL', (etc) => execFileSync('setfacl', ['-m', 'u:daemon:r', join(etc, 'a')])],
  [
    'a default ACL of a directory',
    (etc) => execFileSync('setfacl', ['-d', '-m', 'g:daemon:rx', join(etc, 'd')]),
  ],
  ['a removed ACL', (etc) => execFileSync('setfacl', ['-b', join(etc, 'a')])],
  ['a file capability', (etc) => execFileSync('setcap', ['cap_net_raw+ep', join(etc, 'a')])],
  ['a symbolic link', (etc) => symlinkSync('a', join(etc, 'link'))],
  [
    'a retargeted link',
    (etc) => {
      symlinkSync('d', join(etc, 'link.new'));
      renameSync(join(etc, 'link.new'), join(etc, 'link'));
    },
  ],
  ['a dangling link', (etc) => symlinkSync('/nowhere/at/all', join(etc, 'dangling'))],
  ['an empty directory', (etc) => mkdirSync(join(etc, 'empty'))],
  [
    'mkdir -p and cp in one go',
    (etc) => execFileSync('sh', ['-c', 'mkdir -p p/q/r && cp a p/q/r/x && cp a p/q/y'], { cwd: etc }),
  ],
  ['a renamed directory', (etc) => renameSync(join(etc, 'p'), join(etc, 'moved'))],
  [
    'a directory moved in from outside the tree',
    (etc) => {
      const outside = join(etc, '..', '..', 'outside');
      write(outside, { 'one/f': '1', 'two/g': '2' });
      renameSync(outside, join(etc, 'inside'));
    },
  ],
  ['a file moved out of the tree', (etc) => renameSync(join(etc, 'inside/one/f'), join(etc, '../../f'))],
  [
    'a file that becomes a directory',
    (etc) => execFileSync('sh', ['-c', 'rm new && mkdir new && echo x > new/x'], { cwd: etc }),
  ],
  [
    'a directory that becomes a link',
    (etc) => execFileSync('sh', ['-c', 'rm -r new && ln -s d new'], { cwd: etc }),
  ],
  [
    'a link that becomes a file',
    (etc) => execFileSync('sh', ['-c', 'rm new && echo file > new'], { cwd: etc }),
  ],
  [
    'a file that is unlinked and written anew',
    (etc) => {
      unlinkSync(join(etc, 'a'));
      writeFileSync(join(etc, 'a'), 'anew');
    },
  ],
  ['a deleted file', (etc) => unlinkSync(join(etc, 'a'))],
  ['a deleted tree', (etc) => rmSync(join(etc, 'moved'), { recursive: true })],
];

/** All that stat tells of a tree. */
function listing(root: string): string {
  return execFileSync('find', [root, '-printf', '%p %y %l %m %u %g %T@ %C@ %i\\n'], { encoding: 'utf8' });
}

describe('a change on the active node arrives by itself', () => {
  const listed = '/var/lib/bm-ca/cacert.pem';
  let pair: Pair;
  let daemon: Running;
  const same = (): boolean => differences(pair.root('active'), pair.root('passive')) === '';
  before(async () => {
    pair = await Pair.open({ include: ['/etc/**', listed] });
    write(pair.root('active'), { 'etc/a': 'first', 'etc/d/b': 'b', 'etc/open': 'old' });
    daemon = await pair.startActive();
    await eventually('the first copy', same, { detail: daemon.log });
  });
  after(() => pair[Symbol.asyncDispose]());

  describe('whatever it is', () => {
    for (const [what, change] of changes) {
      it(what, async () => {
        const before = listing(pair.root('active'));
        change(join(pair.root('active'), 'etc'));
        assert.notEqual(listing(pair.root('active')), before, 'it changed nothing: the test could not fail');
        await eventually(what, same, {
          detail: () =>
            `${differences(pair.root('active'), pair.root('passive'))}\n${daemon.log().slice(-1500)}`,
        });
      });
    }
  });

  it('a file that is being written is not sent before the writer closes it, and never torn', async () => {
    const fd = openSync(pair.at('active', 'etc/open'), 'w');
    writeSync(fd, 'half');
    writeFileSync(pair.at('active', 'etc/other'), 'whole');
    await eventually('another file arrived', () => daemon.log().includes('pushed: /etc/other'));
    assert.equal(readFileSync(pair.at('passive', 'etc/open'), 'utf8'), 'old');
    writeSync(fd, ' and half');
    closeSync(fd);
    await eventually(
      'the closed file arrived',
      () => readFileSync(pair.at('passive', 'etc/open'), 'utf8') === 'half and half',
    );
  });

  it('what a listed file needs is made: a directory that appears later, and its parents on the peer', async () => {
    assert.match(daemon.log(), new RegExp(`listed-path-missing: ${listed}`), 'the missing file is a warning');
    write(pair.root('active'), {
      'var/lib/bm-ca/cacert.pem': 'certificate',
      'var/lib/bm-ca/private': 'not listed',
    });
    await eventually('it arrived', () => daemon.log().includes(`pushed: ${listed}`), { detail: daemon.log });
    assert.equal(readFileSync(pair.at('passive', listed), 'utf8'), 'certificate');
    assert.equal(
      lstatSync(pair.at('passive', '/var/lib/bm-ca/private'), { throwIfNoEntry: false }),
      undefined,
    );
  });
});

describe('a change arrives all the same', () => {
  it('of a file that is never closed, after the maximum wait', async () => {
    await using pair = await Pair.open({ active: { settle: { maxWaitMs: 300 } } });
    write(pair.root('active'), { 'etc/a': 'old' });
    const daemon = await pair.startActive();
    await eventually('the first copy', () => daemon.log().includes('pushed: /etc/a'));
    const fd = openSync(pair.at('active', 'etc/a'), 'a');
    writeSync(fd, ' and new');
    await eventually('it arrived', () => readFileSync(pair.at('passive', 'etc/a'), 'utf8') === 'old and new');
    closeSync(fd);
  });

  it('without enough inotify watches: the daemon says which limit to raise, and walks instead', {
    timeout: 60_000,
  }, async () => {
    await using pair = await Pair.open();
    write(
      pair.root('active'),
      Object.fromEntries(Array.from({ length: 12 }, (_, n) => [`etc/d${n}/f`, 'first'])),
    );
    const daemon = pair.spawnDaemon('active', {}, [
      'unshare',
      '--user',
      '--map-root-user',
      'sh',
      '-c',
      'echo 4 > /proc/sys/user/max_inotify_watches && exec "$@"',
      'sh',
    ]);
    await pair.live(daemon);
    assert.match(daemon.log(), /fs\.inotify\.max_user_watches/);
    for (let n = 0; n < 12; n += 1) writeFileSync(pair.at('active', `etc/d${n}/f`), 'second');
    await eventually(
      'all changes arrived',
      () => differences(pair.root('active'), pair.root('passive')) === '',
      { deadlineMs: 30_000, detail: daemon.log },
    );
  });
});
