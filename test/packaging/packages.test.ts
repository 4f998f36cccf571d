import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { checkout } from '../rig/program.ts';
import { temporaryFolder, write } from '../world/tree.ts';
import { build, type Ran, run, succeed } from './machine.ts';

/** What other parts of the checkout make for the packages, once they are there. */
const parts = [
  ['packaging/man.mjs', '/usr/share/man/man1/bm-confsync.1.gz'],
  ['packaging/completion.mjs', '/usr/share/bash-completion/completions/bm-confsync'],
  ['monitoring/bm-check-confsync', '/usr/share/bm-confsync/bm-check-confsync'],
  ['monitoring/login-notice.sh', '/usr/share/bm-confsync/login-notice.sh'],
  ...[
    'telegraf-bm-confsync.conf',
    'prometheus-rules.yml',
    'prometheus-rules.test.yml',
    'prometheus-scrape.yml',
    'grafana-dashboard.json',
  ].map((name) => [`monitoring/${name}`, `/usr/share/doc/bm-confsync/examples/${name}`] as const),
] as const;

type Packed = { readonly path: string; readonly mode: string; readonly owner: string };

const home = '/usr/lib/bm-confsync';
const documents = '/usr/share/doc/bm-confsync';

/** Everything in the .deb, folders included. */
async function inDeb(file: string): Promise<Packed[]> {
  const listed = await succeed('dpkg-deb', ['--contents', file]);
  return listed
    .trim()
    .split('\n')
    .map((line) => {
      const [mode = '', owner = '', , , , path = ''] = line.split(/\s+/);
      return { path: path.replace(/^\.|\/$/g, ''), mode, owner };
    });
}

/** Everything in the .rpm. It owns no folders but its own. */
async function inRpm(file: string): Promise<Packed[]> {
  const format = '[%{FILEMODES:perms} %{FILEUSERNAME}/%{FILEGROUPNAME} %{FILENAMES}\\n]';
  const listed = await succeed('rpm', ['-qp', '--queryformat', format, file]);
  return listed
    .trim()
    .split('\n')
    .map((line) => {
      const [mode = '', owner = '', path = ''] = line.split(' ');
      return { path, mode, owner };
    });
}

const paths = (packed: readonly Packed[]): string[] => packed.map(({ path }) => path).sort();
const filesOf = (packed: readonly Packed[]): Packed[] => packed.filter(({ mode }) => !mode.startsWith('d'));

describe('the packages', () => {
  const folder = temporaryFolder('packages');
  const version = '0.1.0~test1';
  let made: { deb: string; rpm: string };
  let lintian: Promise<Ran>;
  let deb: Packed[];
  let rpm: Packed[];
  before(async () => {
    made = await build(folder, version);
    // It takes its time, beside everything else.
    lintian = run('lintian', ['--allow-root', '--tag-display-limit', '0', made.deb]);
    deb = await inDeb(made.deb);
    rpm = await inRpm(made.rpm);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('bear their names', async () => {
    assert.ok(made.deb.endsWith(`/bm-confsync_${version}_amd64.deb`), made.deb);
    assert.ok(made.rpm.endsWith(`/bm-confsync-${version}-1.x86_64.rpm`), made.rpm);
  });

  it('hold what an operator looks for', () => {
    const expected = [
      '/usr/bin/bm-confsync',
      `${home}/node`,
      `${home}/lib/main.mjs`,
      '/usr/share/bm-confsync/watchlists/bluemind.yml',
      '/usr/lib/systemd/system/bm-confsync.service',
      '/usr/lib/systemd/system/bm-confsync-verify.service',
      '/usr/lib/systemd/system/bm-confsync-verify.timer',
      '/usr/lib/tmpfiles.d/bm-confsync.conf',
      `${documents}/README.md`,
      `${documents}/CHANGELOG.md`,
      `${documents}/LICENSES`,
      `${documents}/copyright`,
      `${documents}/examples/bm-confsync-verify.cron`,
    ];
    for (const [origin, path] of parts) if (existsSync(join(checkout, origin))) expected.push(path);
    for (const packed of [deb, rpm])
      assert.deepEqual(
        expected.filter((path) => !paths(packed).includes(path)),
        [],
      );
  });

  it('are the same, but for what only Debian reads', () => {
    const debian = [`${documents}/changelog.gz`, '/usr/share/lintian/overrides/bm-confsync'];
    const common = paths(filesOf(deb)).filter((path) => !debian.includes(path));
    const placed = (path: string): string => path.replace('/vendor-completions/', '/site-functions/');
    assert.deepEqual(common.map(placed).sort(), paths(filesOf(rpm)));
  });

  it('belong to root, and nobody else can write there', () => {
    const check = '/usr/share/bm-confsync/bm-check-confsync';
    const programs = ['/usr/bin/bm-confsync', `${home}/node`, check];
    for (const { path, mode, owner } of [...deb, ...rpm]) {
      assert.equal(owner, 'root/root', path);
      const expected = mode.startsWith('d')
        ? 'drwxr-xr-x'
        : programs.includes(path)
          ? '-rwxr-xr-x'
          : '-rw-r--r--';
      assert.equal(mode, expected, path);
    }
  });

  it('put nothing in /etc and /var: configuration, keys and state are not theirs', () => {
    const elsewhere = [...filesOf(deb), ...rpm].filter(({ path }) => !path.startsWith('/usr/'));
    assert.deepEqual(elsewhere, []);
  });

  it('the .rpm owns every folder that goes with it', () => {
    const folders = deb.filter(({ mode, path }) => mode.startsWith('d') && path.includes('/bm-confsync'));
    assert.ok(folders.length > 5);
    const missing = paths(folders).filter((path) => !paths(rpm).includes(path));
    assert.deepEqual(missing, []);
  });

  it('need libc, the libraries of the compiler, and the client of OpenSSH', async () => {
    const depends = await succeed('dpkg-deb', ['--field', made.deb, 'Depends', 'Recommends']);
    assert.equal(
      depends,
      'Depends: libc6 (>= 2.28), libgcc-s1, libstdc++6 (>= 5), openssh-client\nRecommends: openssh-server\n',
    );
    const requires = (await succeed('rpm', ['-qp', '--requires', made.rpm])).trim().split('\n');
    assert.deepEqual(
      requires.filter((name) => !name.startsWith('rpmlib(') && name !== '/bin/sh'),
      [
        'libc.so.6(GLIBC_2.28)(64bit)',
        'libgcc_s.so.1()(64bit)',
        'libstdc++.so.6()(64bit)',
        'openssh-clients',
      ],
    );
  });

  describe('the .rpm, unpacked', () => {
    const root = join(folder, 'unpacked');
    const program = [join(root, home, 'node'), join(root, home, 'lib/main.mjs')] as const;
    before(() => {
      mkdirSync(root);
      execFileSync('sh', ['-c', 'rpm2cpio "$1" | cpio -idm --quiet', 'sh', made.rpm], { cwd: root });
    });

    it('runs, with nothing on its PATH', async () => {
      const ran = await run(program[0], [program[1], '--version'], { PATH: '/nowhere' });
      assert.deepEqual(ran, { code: 0, stdout: `${version}\n`, stderr: '' });
    });

    it('reads files, attributes and watchlists', async () => {
      const config = join(folder, 'config.yml');
      const list = join(root, 'usr/share/bm-confsync/watchlists/bluemind.yml');
      const own = { root: 'root', state: 'state', runtime: 'run' };
      const keys = Object.entries(own).map(([key, name]) => `${key}: ${join(folder, 'node', name)}\n`);
      write(folder, {
        'config.yml': { content: `node: mail1\nwatchlists: [${list}]\n${keys.join('')}`, mode: 0o600 },
        'node/root/etc/postfix/main.cf': 'a\n',
      });
      const at = ['--config', config];
      const made = await run(program[0], [program[1], 'init', '--node', 'mail1', '--role', 'active', ...at]);
      assert.equal(made.code, 0, made.stderr);
      const explained = await run(program[0], [program[1], 'explain', '/etc/postfix/main.cf', ...at]);
      assert.equal(explained.code, 0, explained.stderr);
      assert.match(explained.stdout, /bluemind\.yml:\d+/);
    });

    it('takes from the system what every system has, and libatomic from itself', async () => {
      const linked = await succeed('ldd', [program[0]]);
      const found = [...linked.matchAll(/^\s+(\S+) => (\S+)/gm)].map(([, name = '', path = '']) => [
        name,
        path,
      ]);
      const own = found.filter(([, path]) => path?.startsWith(folder)).map(([name]) => name);
      assert.deepEqual(own, ['libatomic.so.1']);
      const system = found.map(([name]) => name).filter((name) => name !== 'libatomic.so.1');
      assert.deepEqual(system.sort(), [
        'libc.so.6',
        'libdl.so.2',
        'libgcc_s.so.1',
        'libm.so.6',
        'libpthread.so.0',
        'libstdc++.so.6',
      ]);
    });

    it('comes with the licences of everything in it', () => {
      const licences = readFileSync(join(root, documents, 'LICENSES'), 'utf8');
      for (const part of ['koffi', 'ssh2', 'zod', 'node-addon-api'])
        assert.match(licences, new RegExp(`^${part}\\b`, 'm'));
      assert.match(licences, /^Node \d+\.\d+\.\d+\n\nNode\.js is licensed for use as follows/m);
      assert.match(licences, /^libatomic, of GCC\n(?:.*\n)*?.*Runtime Library Exception/m);
      const own = readFileSync(join(root, documents, 'copyright'), 'utf8');
      assert.match(own, /Copyright \(c\)/);
      assert.ok(own.includes(`${documents}/LICENSES`) && existsSync(join(root, documents, 'LICENSES')));
    });
  });

  it('lintian finds no error and no warning that is not explained', async () => {
    const { code, stdout, stderr } = await lintian;
    const isPending = (line: string): boolean =>
      line.includes(' no-manual-page ') && !existsSync(join(checkout, 'packaging/man.mjs'));
    const found = stdout.split('\n').filter((line) => line !== '' && !isPending(line));
    assert.deepEqual([found, stderr, code], [[], '', 0]);
  });
});
