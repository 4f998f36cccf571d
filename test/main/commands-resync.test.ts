import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, it } from 'node:test';
import { isTemporaryName } from '../../src/core/path.ts';
import { eventually } from '../world/eventually.ts';
import { Pair } from '../world/pair.ts';
import { differences, write } from '../world/tree.ts';

const tree = {
  'etc/content.conf': 'right\n',
  'etc/mode.conf': { content: 'm', mode: 0o640 },
  'etc/owner.conf': { content: 'o', uid: 1, gid: 2 },
  'etc/missing.d/deep/one.conf': 'one\n',
  'etc/directory': { directory: true as const },
  'etc/file': 'a file again\n',
  'etc/link': { symlink: 'content.conf' },
  'etc/same.conf': 'same\n',
};

const wrong = 'edited on the wrong node\n';

/** Two nodes that were alike until somebody edited the passive one in every way there is. */
async function openDrifted(): Promise<Pair> {
  const pair = await Pair.open();
  write(pair.root('active'), tree);
  execFileSync('cp', ['-a', `${pair.root('active')}/.`, pair.root('passive')]);
  const at = (path: string): string => pair.at('passive', path);
  writeFileSync(at('etc/content.conf'), wrong);
  chmodSync(at('etc/mode.conf'), 0o666);
  chownSync(at('etc/owner.conf'), 0, 0);
  rmSync(at('etc/missing.d'), { recursive: true });
  rmSync(at('etc/directory'), { recursive: true });
  writeFileSync(at('etc/directory'), 'a file in its place\n');
  rmSync(at('etc/file'));
  mkdirSync(at('etc/file/inner'), { recursive: true });
  writeFileSync(at('etc/file/inner/deep'), 'below\n');
  rmSync(at('etc/link'));
  symlinkSync('/etc/passwd', at('etc/link'));
  write(pair.root('passive'), { 'etc/extra.d/one': 'extra\n' });
  return pair;
}

type Version = { path: string; object: string | null; reason: string };

/** What the passive kept, as it lies on its disk. */
function versionsOf(pair: Pair): Version[] {
  using database = new DatabaseSync(join(pair.state('passive'), 'state.db'), {
    readOnly: true,
    timeout: 5000,
  });
  const rows = database.prepare('SELECT path, object, reason FROM version ORDER BY path').all();
  return rows.map(({ path, object, reason }) => ({
    path: path instanceof Uint8Array ? Buffer.from(path).toString() : String(path),
    object: object === null ? null : String(object),
    reason: String(reason),
  }));
}

function assertKept(pair: Pair, path: string, content: string): void {
  const digest = createHash('sha256').update(content).digest('hex');
  assert.ok(
    versionsOf(pair).some((version) => version.path === path && version.object !== null),
    `a version of ${path}`,
  );
  const object = join(pair.state('passive'), 'objects', digest.slice(0, 2), digest.slice(2));
  assert.equal(readFileSync(object, 'utf8'), content);
  assert.equal(statSync(object).mode & 0o777, 0o600);
}

async function assertRepairs(pair: Pair): Promise<void> {
  const before = await pair.run('active', ['verify']);
  assert.equal(before.code, 1, before.stderr);
  const ran = await pair.run('active', ['resync', '--yes', '--json']);
  assert.equal(ran.code, 0, `${ran.stdout}${ran.stderr}`);
  const report = JSON.parse(ran.stdout) as Record<string, unknown>;
  assert.equal(typeof report['pushed'], 'number');
  assert.equal(
    report['deleted'],
    4,
    'extra.d, extra.d/one, and both below the directory that becomes a file',
  );
  assert.equal(typeof report['alreadyThere'], 'number');
  assert.equal(report['conflicts'], 0);
  assert.deepEqual(report['refused'], []);
  assert.equal(differences(pair.root('active'), pair.root('passive')), '');
  const after = await pair.run('active', ['verify', '--full']);
  assert.equal(after.code, 0, after.stdout);
  assertKept(pair, '/etc/content.conf', wrong);
  assertKept(pair, '/etc/extra.d/one', 'extra\n');
  assertKept(pair, '/etc/file/inner/deep', 'below\n');
  assertKept(pair, '/etc/directory', 'a file in its place\n');
}

describe('resync', () => {
  it('--yes repairs every kind of difference and keeps what it overwrites', async () => {
    await using pair = await openDrifted();
    await assertRepairs(pair);
    const again = await pair.run('active', ['resync', '--yes', '--json']);
    assert.equal(again.code, 0);
    const { pushed, deleted } = JSON.parse(again.stdout) as { pushed: number; deleted: number };
    assert.deepEqual({ pushed, deleted }, { pushed: 0, deleted: 0 });
    const dryRun = await pair.run('active', ['resync', '--dry-run']);
    assert.equal(dryRun.code, 0, dryRun.stdout);
  });

  it('does the same through a running daemon, and ends the conflicts it holds', async () => {
    await using pair = await openDrifted();
    const daemon = await pair.startActive();
    const held = async (): Promise<unknown> => (await pair.json('active', ['status']))['conflicts'];
    await eventually('it holds conflicts', async () => Number(await held()) > 0, { detail: daemon.log });
    await assertRepairs(pair);
    assert.equal(await held(), 0, daemon.log());
    assert.equal(await daemon.stop(), 0);
  });

  it('leaves nothing under a temporary name when it ends, however much it overwrites', async () => {
    await using pair = await Pair.open();
    const names = Array.from({ length: 1000 }, (_, index) => `etc/overwritten-${index}.conf`);
    write(pair.root('active'), Object.fromEntries(names.map((name) => [name, `right ${name}\n`])));
    write(pair.root('passive'), Object.fromEntries(names.map((name) => [name, `wrong ${name}\n`])));
    const { code, stdout, stderr } = await pair.run('active', ['resync', '--yes']);
    const left = readdirSync(pair.at('passive', 'etc')).filter(isTemporaryName);
    assert.equal(code, 0, `${stdout}${stderr}`);
    assert.deepEqual(left, []);
  });

  describe('of less than all, one after the other on the same nodes', () => {
    let pair: Pair;
    before(async () => {
      pair = await openDrifted();
    });
    after(() => pair[Symbol.asyncDispose]());

    it('--dry-run shows what it would do, changes nothing, and exits 1', async () => {
      const before = differences(pair.root('active'), pair.root('passive'));
      const ran = await pair.run('active', ['resync', '--dry-run']);
      assert.equal(ran.code, 1, ran.stderr);
      assert.match(ran.stdout, /^push {3}\/etc\/content\.conf$/m);
      assert.match(ran.stdout, /^delete \/etc\/extra\.d\/one$/m);
      assert.match(ran.stdout, /^mail2: \d+ paths to push, 4 paths to delete$/m);
      assert.equal(differences(pair.root('active'), pair.root('passive')), before);
      assert.deepEqual(versionsOf(pair), []);
    });

    it('without --yes and without a terminal exits 2 and changes nothing', async () => {
      const before = differences(pair.root('active'), pair.root('passive'));
      const ran = await pair.run('active', ['resync']);
      assert.equal(ran.code, 2);
      assert.match(ran.stderr, /expected --yes, since nobody can be asked here/);
      assert.match(ran.stderr, /^hint: .*--dry-run/m);
      assert.equal(differences(pair.root('active'), pair.root('passive')), before);
      assert.deepEqual(versionsOf(pair), []);
    });

    it('refuses a path that no watchlist covers', async () => {
      const ran = await pair.run('active', ['resync', '--yes', '/usr/share/x', '/etc/content.conf']);
      assert.equal(ran.code, 2);
      assert.match(ran.stderr, /found \/usr\/share\/x: no watchlist covers it/);
      assert.equal(readFileSync(pair.at('passive', 'etc/content.conf'), 'utf8'), wrong);
    });

    it('touches only the paths that are given, and what is below them', async () => {
      const ran = await pair.run('active', ['resync', '--yes', '/etc/content.conf', '/etc/missing.d/']);
      assert.equal(ran.code, 0, ran.stderr);
      const at = (path: string): string => pair.at('passive', path);
      assert.equal(readFileSync(at('etc/content.conf'), 'utf8'), 'right\n');
      assert.equal(readFileSync(at('etc/missing.d/deep/one.conf'), 'utf8'), 'one\n');
      assert.equal(statSync(at('etc/mode.conf')).mode & 0o777, 0o666);
      assert.ok(existsSync(at('etc/extra.d/one')));
      assert.deepEqual(
        versionsOf(pair).map(({ path }) => path),
        ['/etc/content.conf'],
      );
    });

    it('is refused on the passive node with exit 4, and exits 3 when the peer is down', async () => {
      const passive = await pair.run('passive', ['resync', '--yes']);
      assert.equal(passive.code, 4);
      assert.match(passive.stderr, /resync works on the active node/);
      await pair.sshd.pause();
      const down = await pair.run('active', ['resync', '--yes']);
      assert.equal(down.code, 3);
      assert.match(down.stderr, /cannot reach mail2/);
    });
  });
});
