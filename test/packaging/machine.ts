import { execFile, execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { checkout } from '../rig/program.ts';

const execute = promisify(execFile);

/** The folders that a node keeps outside of the package. */
export const configuration = '/etc/bm-confsync';
export const state = '/var/lib/bm-confsync';

export type Ran = { readonly code: number; readonly stdout: string; readonly stderr: string };

/** Runs a program with exactly this environment. */
export async function run(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
): Promise<Ran> {
  try {
    const { stdout, stderr } = await execute(program, args, { env, maxBuffer: 64 * 1024 * 1024 });
    return { code: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code?: unknown; stdout?: string; stderr?: string };
    if (typeof code !== 'number' || stdout === undefined || stderr === undefined) throw error;
    return { code, stdout, stderr };
  }
}

/** What it printed; throws where it failed. */
export async function succeed(program: string, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(program, args);
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}: ${stdout}${stderr}`);
  return stdout;
}

/** Builds packages of one version into a folder; their paths by kind. */
export async function build(
  folder: string,
  version: string,
  kinds: readonly ('deb' | 'rpm')[] = ['deb', 'rpm'],
): Promise<{ deb: string; rpm: string }> {
  const args = [join(checkout, 'packaging/package.mjs'), '--fast', '--version', version, '--to', folder];
  const { stdout } = await execute(process.execPath, [...args, ...kinds]);
  const made = stdout.trim().split('\n');
  const ofKind = (kind: string): string => made.find((path) => path.endsWith(`.${kind}`)) ?? '';
  return { deb: ofKind('deb'), rpm: ofKind('rpm') };
}

/** A machine that runs systemd, as far as packages see it: what they ask it for is written down, and nothing happens. */
export type Systemd = Disposable & {
  /** Runs a program on it; what it printed. */
  within(program: string, args: readonly string[]): Promise<string>;
  /** What systemctl was asked for since the last look. */
  asked(): string[];
};

/** With `ownUsr`, each program that runs there has a /usr of its own, which is gone when it ends. */
export function pretendSystemd({ ownUsr = false } = {}): Systemd {
  const folder = mkdtempSync(join(tmpdir(), 'bmcs-systemd-'));
  const systemctl = join(folder, 'systemctl');
  const log = join(folder, 'asked');
  writeFileSync(log, '');
  writeFileSync(systemctl, `#!/bin/sh\necho "$*" >>'${log}'\n`);
  chmodSync(systemctl, 0o755);
  const script = join(folder, 'within');
  // Containers forbid their packages to start and stop services by this file.
  const policy = '/usr/sbin/policy-rc.d';
  // A file system and mounts of its own: the machine itself learns nothing of it.
  writeFileSync(
    script,
    [
      'set -e',
      'mount -t tmpfs tmpfs /run',
      'mkdir -p /run/systemd/system /run/usr /run/work',
      ...(ownUsr
        ? ['mount -t overlay -o lowerdir=/usr,upperdir=/run/usr,workdir=/run/work overlay /usr']
        : []),
      `mount --bind '${systemctl}' /usr/bin/systemctl`,
      `[ ! -e ${policy} ] || mount --bind /dev/null ${policy}`,
      'exec "$@"\n',
    ].join('\n'),
  );
  return {
    within: (program, args) => succeed('unshare', ['--mount', 'sh', script, program, ...args]),
    asked: () => {
      const lines = readFileSync(log, 'utf8').split('\n').filter(Boolean);
      writeFileSync(log, '');
      return lines;
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** The version that dpkg has installed, or has kept something of; undefined: none. */
function installedVersion(): string | undefined {
  try {
    const found = execFileSync('dpkg', ['--status', 'bm-confsync'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return /^Version: (.*)$/m.exec(found)?.[1];
  } catch (error) {
    if ((error as { status?: unknown }).status === 1) return undefined;
    throw error;
  }
}

/** Takes away what an earlier test left. Throws where this machine is a node in earnest. */
export function clear(): void {
  const version = installedVersion();
  if (version?.includes('~test')) execFileSync('dpkg', ['--purge', 'bm-confsync'], { stdio: 'ignore' });
  const left = ['/usr/lib/bm-confsync', '/usr/bin/bm-confsync', configuration, state].filter((path) =>
    existsSync(path),
  );
  if (left.length > 0)
    throw new Error(
      `expected a machine without bm-confsync, which is installed and purged; found ${left.join(', ')}`,
    );
}
