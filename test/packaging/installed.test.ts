import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  globSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { canaryFolder } from '../../src/core/canary.ts';
import { type DaemonProcess, makePair, type Pair } from '../rig/pair.ts';
import { allProcesses, readProcess } from '../rig/processes.ts';
import { eventually, succeeds } from '../world/eventually.ts';
import { differences, temporaryFolder, write } from '../world/tree.ts';
import { TwoMachines } from '../world/two-machines.ts';
import { build, clear, configuration, pretendSystemd, run, state, succeed } from './machine.ts';
import { whereSystemdRuns } from './where-systemd-runs.ts';

const program = '/usr/bin/bm-confsync';
const home = '/usr/lib/bm-confsync';
const mebibyte = 1024 * 1024;

/** Processes of the installed program. */
function ownProcesses(): string[] {
  return allProcesses()
    .map(({ pid }) => readLink(`/proc/${pid}/exe`))
    .filter((path) => path.startsWith(home));
}

function readLink(path: string): string {
  try {
    return execFileSync('readlink', [path], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch (error) {
    // A process of the kernel, or one that ended meanwhile.
    if ((error as { status?: unknown }).status === 1) return '';
    throw error;
  }
}

describe('on this machine', () => {
  const folder = temporaryFolder('installed');
  const systemd = pretendSystemd();
  const kept = ['config.yml', 'id_ed25519'].map((name) => join(configuration, name));
  let first: string;
  let second: string;
  let rpms: readonly string[];
  before(async () => {
    clear();
    const older = await build(join(folder, 'first'), '0.1.0~test1');
    const newer = await build(join(folder, 'second'), '0.1.0~test2');
    [first, second, rpms] = [older.deb, newer.deb, [older.rpm, newer.rpm]];
  });
  after(() => {
    systemd[Symbol.dispose]();
    rmSync(folder, { recursive: true, force: true });
    rmSync(configuration, { recursive: true, force: true });
    clear();
  });

  it('installs, and starts nothing', async () => {
    await systemd.within('dpkg', ['--install', first]);
    assert.deepEqual(systemd.asked(), ['--system daemon-reload']);
    assert.deepEqual(ownProcesses(), []);
    for (const path of [configuration, state]) assert.ok(!existsSync(path), path);
    assert.deepEqual(globSync('/etc/systemd/system/*.wants/bm-confsync*'), []);
  });

  it('installs also where systemd does not run', async () => {
    await succeed('dpkg', ['--install', first]);
    assert.deepEqual(ownProcesses(), []);
    assert.equal(statSync('/run/bm-confsync').mode & 0o777, 0o700);
  });

  it('runs with no Node but its own, whatever the environment says to others', async () => {
    const env = { PATH: '/nowhere', NODE_OPTIONS: '--require /nowhere.js', NODE_PATH: '/nowhere' };
    for (const given of [{ PATH: '/nowhere' }, env]) {
      const ran = await run(program, ['--version'], given);
      assert.deepEqual(ran, { code: 0, stdout: '0.1.0~test1\n', stderr: '' });
    }
  });

  it('has units that systemd has nothing to say about, and a daemon exposed no more than 3.0', async () => {
    const units = ['bm-confsync.service', 'bm-confsync-verify.service', 'bm-confsync-verify.timer'];
    const files = units.map((unit) => join('/usr/lib/systemd/system', unit));
    const verified = await run('systemd-analyze', ['verify', '--man=no', ...files]);
    assert.deepEqual(verified, { code: 0, stdout: '', stderr: '' });
    const review = ['security', '--offline=true', '--threshold=30', '--no-pager', 'bm-confsync.service'];
    assert.equal((await run('systemd-analyze', review)).code, 0);
  });

  it('has its shipped watchlist, which the configuration of init names', async () => {
    const made = await run(program, ['init', '--node', 'mail1', '--role', 'active']);
    assert.equal(made.code, 0, made.stderr);
    const listed = await run(program, ['watchlist', 'list']);
    assert.match(listed.stdout, /\/usr\/share\/bm-confsync\/watchlists\/bluemind\.yml:\d+/);
    assert.equal(listed.code, 0, listed.stderr);
  });

  it('makes a pair of two machines with init and pair, and a change arrives', async () => {
    await using two = await TwoMachines.open(program);
    const { mail1, mail2 } = two;
    await mail1.letInto(mail2);
    const made = await mail1.bm('init', '--node', 'mail1', '--role', 'active');
    assert.equal(made.code, 0, made.stderr);
    const paired = await mail1.bm('pair', '--yes', 'root@mail2');
    assert.equal(paired.code, 0, paired.stdout + paired.stderr);
    for (const machine of [mail1, mail2]) await machine.shell('nohup bm-confsync run >/tmp/log 2>&1 &');
    await mail1.shell('echo relayhost = 192.0.2.9 >/etc/bm-test.cf');
    await eventually(
      'the change is on mail2',
      async () => (await mail2.run('grep', '-q', 'relayhost', '/etc/bm-test.cf')).code === 0,
      { pollMs: 100, deadlineMs: 60_000 },
    );
    const verified = await mail1.bm('verify');
    assert.ok([0, 1].includes(verified.code), verified.stderr);
    const undone = await mail1.bm('unpair', '--yes');
    assert.equal(undone.code, 0, undone.stderr);
  });

  describe('drives two nodes', () => {
    let pair: Pair;
    let active: DaemonProcess;
    let passive: DaemonProcess;
    const limits = { minFreeDisk: 1, maxFileSize: '1GiB' };
    before(async () => {
      pair = await makePair({
        program,
        env: () => ({ PATH: '/usr/bin:/bin' }),
        active: { limits },
        passive: { limits },
        watchlist: {
          name: 'test',
          include: ['/etc/**'],
          groups: [{ name: 'aliases', files: ['/etc/aliases', '/etc/aliases.db'] }],
          validate: [{ match: '/etc/checked.conf', run: ['grep', '-q', 'good', '{file}'] }],
          apply: [{ match: '/etc/hooked.conf', run: ['touch', join(folder, 'hooked')] }],
        },
      });
      passive = await pair.startDaemon('passive');
      active = await pair.startDaemon('active');
    });
    after(() => pair?.[Symbol.asyncDispose]());

    const same = (): string => differences(pair.active.root, pair.passive.root);
    /** What was changed so far is durable on the passive node. */
    const flushed = async (): Promise<void> => {
      const ran = await pair.bm('active', ['flush', '--timeout', '60s']);
      assert.equal(ran.code, 0, `${ran.stdout}${ran.stderr}${active.log()}`);
    };
    /** The receiver of the one session. */
    const receiver = (): number => {
      const found = pair.sshd
        .sessions()
        .commands.filter(({ pid }) => readLink(`/proc/${pid}/exe`).includes('/node'));
      assert.equal(found.length, 1);
      return found[0]?.pid ?? -1;
    };
    const bytesStaged = (): number => {
      const names = readdirSync(join(pair.passive.root, 'etc')).filter((name) => name.endsWith('~'));
      return Math.max(0, ...names.map((name) => sizeOf(join(pair.passive.root, 'etc', name))));
    };

    /** Begins a push of 128 MiB, and stops the receiver in the middle of it. */
    async function stopWithinPush(content: string): Promise<void> {
      const large = join(pair.active.root, 'etc/large.db');
      write(folder, { large: { content: Buffer.alloc(128 * mebibyte, content) } });
      renameSync(join(folder, 'large'), large);
      await eventually('the push is under way', () => bytesStaged() > mebibyte, {
        pollMs: 1,
        detail: active.log,
      });
      pair.sshd.pauseSessions();
      assert.ok(bytesStaged() < 128 * mebibyte, 'it was stopped in the middle');
    }

    it('an edit arrives, and verify finds no drift', async () => {
      write(pair.active.root, { 'etc/postfix/main.cf': 'a\n', 'etc/link': { symlink: 'postfix/main.cf' } });
      await flushed();
      write(pair.active.root, { 'etc/postfix/main.cf': 'b\n' });
      await flushed();
      assert.equal(readFileSync(join(pair.passive.root, 'etc/postfix/main.cf'), 'utf8'), 'b\n');
      assert.equal(same(), '');
      const verified = await pair.bm('active', ['verify']);
      assert.equal(verified.code, 0, verified.stdout + verified.stderr);
    });

    it('what runs does without its files: they may be replaced at any moment', async () => {
      const pid = receiver();
      await stopWithinPush('one\n');
      renameSync(home, `${home}.away`);
      try {
        pair.sshd.resumeSessions();
        write(pair.active.root, {
          'etc/aliases': 'a\n',
          'etc/aliases.db': 'a\n',
          'etc/checked.conf': 'good\n',
          'etc/hooked.conf': 'h\n',
          'etc/link': null,
          'etc/owned': { content: 'o', uid: 1, mode: 0o4750 },
        });
        await succeeds(() => assert.equal(same(), ''), { deadlineMs: 40_000 });
        write(pair.active.root, { 'etc/checked.conf': 'bad\n' });
        await eventually('a validator refuses', () => /checked\.conf/.test(active.log()));
        write(pair.active.root, { 'etc/checked.conf': 'good again\n' });
        write(pair.passive.root, { 'etc/edited': 'here\n' });
        await eventually(
          'the conflict is told',
          () => /edited/.test(active.log()) && /edited/.test(passive.log()),
          {
            detail: () => active.log() + passive.log(),
          },
        );
        rmSync(join(pair.passive.root, 'etc/edited'));
        await succeeds(() => assert.equal(same(), ''), { deadlineMs: 40_000 });
        await eventually('the hook ran', () => existsSync(join(folder, 'hooked')));
        assert.equal(readProcess(pid)?.pid, pid);
        assert.ok(active.running() && passive.running());
      } finally {
        renameSync(`${home}.away`, home);
      }
      await flushed();
      assert.equal(receiver(), pid);
    });

    it('an upgrade breaks no push that is under way, and asks for the daemon to start anew', async () => {
      const pid = receiver();
      const before = active.log().length;
      const contents = kept.map((path) => readFileSync(path, 'utf8'));
      const { ino } = statSync(join(state, 'state.db'));
      await stopWithinPush('two\n');
      systemd.asked();
      try {
        await systemd.within('dpkg', ['--install', second]);
      } finally {
        pair.sshd.resumeSessions();
      }
      assert.deepEqual(systemd.asked(), ['--system daemon-reload', 'try-restart bm-confsync.service']);
      await flushed();
      assert.equal(same(), '');
      assert.equal(receiver(), pid, 'the session goes on');
      assert.doesNotMatch(active.log().slice(before), /disconnected|error/);
      assert.deepEqual(
        kept.map((path) => readFileSync(path, 'utf8')),
        contents,
      );
      assert.equal(statSync(join(state, 'state.db')).ino, ino);
    });

    it('the daemon starts anew in the new version, and goes on', async () => {
      assert.equal(await active.stop(), 0);
      active = await pair.startDaemon('active');
      write(pair.active.root, { 'etc/postfix/main.cf': 'c\n' });
      await flushed();
      assert.equal(same(), '');
      const ran = await pair.bm('active', ['verify', '--full']);
      assert.equal(ran.code, 0, ran.stdout + ran.stderr);
      assert.equal((await run(program, ['--version'])).stdout, '0.1.0~test2\n');
    });
  });

  describe('goes', () => {
    it('removing ends the daemon and keeps configuration, keys and state', async () => {
      systemd.asked();
      await systemd.within('dpkg', ['--remove', 'bm-confsync']);
      assert.deepEqual(systemd.asked(), [
        'stop bm-confsync-verify.timer bm-confsync-verify.service bm-confsync.service',
        '--system daemon-reload',
      ]);
      for (const path of [home, program, '/usr/share/bm-confsync']) assert.ok(!existsSync(path), path);
      for (const path of [...kept, join(state, 'state.db')]) assert.ok(existsSync(path), path);
    });

    it('installing again goes on where it was', async () => {
      await succeed('dpkg', ['--install', second]);
      const { role } = JSON.parse((await run(program, ['status', '--json'])).stdout) as { role: string };
      assert.equal(role, 'active');
    });

    it('purging leaves nothing', async () => {
      // A daemon makes it after a few seconds.
      mkdirSync(canaryFolder, { recursive: true });
      await succeed('dpkg', ['--purge', 'bm-confsync']);
      const places = ['/etc', '/var/lib', '/run', '/usr/bin', '/usr/lib', '/usr/share', '/usr/share/doc'];
      assert.deepEqual(
        places.flatMap((place) => globSync(join(place, 'bm-confsync*'))),
        [],
      );
    });
  });

  it('the .rpm installs and starts nothing, is upgraded and erased', async () => {
    using other = pretendSystemd({ ownUsr: true });
    const script = `
      rpm='rpm --dbpath /run/rpmdb --nodeps'
      $rpm --force-debian --install "$1"
      bm-confsync --version
      stat --format %a /run/bm-confsync
      systemctl -- upgrade
      $rpm --force-debian --upgrade "$2"
      bm-confsync --version
      $rpm --verify bm-confsync
      systemctl -- erase
      $rpm --erase bm-confsync
      find /usr -xdev -name '*bm-confsync*'`;
    const said = await other.within('sh', ['-e', '-c', script, 'sh', ...rpms]);
    assert.equal(said, '0.1.0~test1\n700\n0.1.0~test2\n');
    assert.deepEqual(other.asked(), [
      '--system daemon-reload',
      'try-restart bm-confsync.service',
      '-- upgrade',
      '--system daemon-reload',
      'try-restart bm-confsync.service',
      '-- erase',
      '--no-reload disable --now bm-confsync-verify.timer bm-confsync.service',
      '--system daemon-reload',
    ]);
  });

  whereSystemdRuns(() => ({ folder, first, second }));
});

/** 0 for a file that is gone. */
function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
