// Prepares a checkout on a machine with nothing but Node 20 and npm. Plain JavaScript, because it runs
// before Node 26 and TypeScript are there. `--system` also installs the Debian packages that the tests
// need, `--bench` those of the benchmarks, `--package` those that build packages. It never skips: what it cannot install, it names, and fails.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const checkout = dirname(dirname(fileURLToPath(import.meta.url)));

/** A program and the Debian package that brings it. */
const packagePrograms = [
  ['dpkg-deb', 'dpkg'],
  ['rpmbuild', 'rpm'],
  ['patchelf', 'patchelf'],
  ['strip', 'binutils'],
];
const testPrograms = [
  ['/usr/sbin/sshd', 'openssh-server'],
  ['ssh-keygen', 'openssh-client'],
  ['rsync', 'rsync'],
  ['diff', 'diffutils'],
  ['git', 'git'],
  // They read the manual pages and completions.
  ['groff', 'groff-base'],
  ['zsh', 'zsh'],
  ['setfacl', 'acl'],
  ['setfattr', 'attr'],
  ['setcap', 'libcap2-bin'],
  ['systemd-analyze', 'systemd'],
  ['mount', 'mount'],
  ['unshare', 'util-linux'],
  ['strace', 'strace'],
  ['openssl', 'openssl'],
  ['python3', 'python3-minimal'],
  // With all of its library, which reads TOML.
  ['pydoc3', 'python3'],
  ['ip', 'iproute2'],
  // What looks into the packages.
  ['rpm2cpio', 'rpm2cpio'],
  ['cpio', 'cpio'],
  ['lintian', 'lintian'],
  ['pgrep', 'procps'],
  // It reads the performance data for monitors; its own check of shell scripts.
  ['/usr/share/perl5/Monitoring/Plugin/Performance.pm', 'libmonitoring-plugin-perl'],
  ['shellcheck', 'shellcheck'],
  ...packagePrograms,
  ['tmux', 'tmux'],
  // Peers of the benchmark, whose harness is tested.
  ['csync2', 'csync2'],
  ['unison', 'unison'],
];
const benchPrograms = [...testPrograms, ['lsyncd', 'lsyncd']];

function isFile(path) {
  return existsSync(path) && statSync(path).isFile();
}

function found(program) {
  if (program.startsWith('/')) return isFile(program);
  const path = `${process.env.PATH ?? ''}:/usr/sbin:/sbin`;
  return path.split(':').some((folder) => folder !== '' && isFile(join(folder, program)));
}

function installNodePackages() {
  const installed = join(checkout, 'node_modules', '.package-lock.json');
  const wanted = join(checkout, 'package-lock.json');
  const current = existsSync(installed) && statSync(installed).mtimeMs >= statSync(wanted).mtimeMs;
  if (current && runtimeVersion() !== undefined) return;
  process.stderr.write('set-up: npm ci\n');
  const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: checkout, stdio: ['ignore', 2, 2] });
  if (npm.status !== 0) {
    const how = npm.error?.message ?? `exit code ${npm.status ?? npm.signal}`;
    process.stderr.write(`set-up: expected npm ci to succeed, found ${how}\n`);
    process.stderr.write('hint:   what npm says above tells why\n');
    process.exit(1);
  }
  const expected = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8')).dependencies.node;
  const found = runtimeVersion();
  if (found === `v${expected}`) return;
  // Its binary comes by an install script, which npm can be told to leave out.
  process.stderr.write(`set-up: expected Node ${expected} in node_modules, found ${found ?? 'none'}\n`);
  process.stderr.write('hint:   allow install scripts: npm config delete ignore-scripts, then npm ci\n');
  process.exit(1);
}

/** What the Node in node_modules says about itself; undefined where there is none that runs. */
function runtimeVersion() {
  const program = join(checkout, 'node_modules', '.bin', 'node');
  const { status, stdout } = spawnSync(program, ['--version'], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}

function installSystemPackages(programs) {
  const missing = () => programs.filter(([program]) => !found(program));
  if (missing().length === 0) return;
  const names = [...new Set(missing().map(([, debian]) => debian))];
  if (process.getuid?.() === 0 && found('apt-get')) {
    process.stderr.write(`set-up: apt-get install ${names.join(' ')}\n`);
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const options = { stdio: ['ignore', 2, 2], env };
    // Somebody else may be installing: wait for the lock.
    const waiting = ['-qq', '-o', 'DPkg::Lock::Timeout=120'];
    spawnSync('apt-get', ['update', ...waiting], options);
    spawnSync('apt-get', ['install', '-y', ...waiting, '--no-install-recommends', ...names], options);
  }
  const left = missing();
  if (left.length === 0) return;
  for (const [program, debian] of left) {
    process.stderr.write(`set-up: expected the program ${program}, found none\n`);
    process.stderr.write(`hint:   install it as root: apt-get install ${debian}\n`);
  }
  process.exit(1);
}

/** Only this one program of its package, which would start a server where it is installed. */
function installPromtool() {
  if (found('promtool')) return;
  const folder = mkdtempSync(join(tmpdir(), 'promtool-'));
  process.stderr.write('set-up: promtool, from the package prometheus\n');
  const run = (program, ...words) =>
    spawnSync(program, words, { cwd: folder, stdio: ['ignore', 2, 2] }).status === 0;
  // Its sandbox has no way into a folder of root's.
  const load = () => run('apt-get', 'download', '-qq', '-o', 'APT::Sandbox::User=root', 'prometheus');
  const loaded = load() || (run('apt-get', 'update', '-qq') && load());
  if (loaded)
    for (const name of readdirSync(folder).filter((one) => one.endsWith('.deb'))) {
      run('dpkg', '-x', name, '.');
      run('install', '-m', '755', 'usr/bin/promtool', '/usr/local/bin/promtool');
    }
  rmSync(folder, { recursive: true, force: true });
  if (found('promtool')) return;
  process.stderr.write('set-up: expected the program promtool, found none\n');
  process.stderr.write('hint:   put it into PATH; it is in the package prometheus\n');
  process.exit(1);
}

installNodePackages();
if (process.argv.includes('--system')) {
  installSystemPackages(testPrograms);
  installPromtool();
}
if (process.argv.includes('--package')) installSystemPackages(packagePrograms);
if (process.argv.includes('--bench')) installSystemPackages(benchPrograms);
