import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, release, tmpdir, totalmem, type } from 'node:os';
import { join } from 'node:path';
import { checkout } from '../test/rig/program.ts';
import { program } from './program.ts';

export type Machine = {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  /** Of the folder where the trees are. */
  readonly fileSystem: string;
};

export type Versions = Readonly<
  Record<'bm-confsync' | 'node' | 'openssh' | 'rsync' | 'lsyncd' | 'csync2' | 'unison', string>
>;

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? arch(),
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: `${type()} ${release()}`,
    fileSystem: fileSystemOf(tmpdir()),
  };
}

/** As it was mounted: by the number that statfs tells ext4 is not told from ext2. */
function fileSystemOf(folder: string): string {
  const told = execFileSync('df', ['--output=fstype', folder], { encoding: 'utf8' });
  return told.trim().split('\n').at(-1) ?? 'unknown';
}

export function describeVersions(): Versions {
  const { kind } = program();
  const manifest = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8')) as { version: string };
  return {
    'bm-confsync': `${manifest.version} (${commit()}, ${kind === 'bundle' ? 'bundle' : 'from its sources'})`,
    node: process.version,
    openssh: firstMatch('ssh', ['-V'], /OpenSSH_([^ ,]+)/),
    rsync: firstMatch('rsync', ['--version'], /version ([^ ]+)/),
    lsyncd: firstMatch('lsyncd', ['--version'], /Version: ([^\s]+)/),
    csync2: firstMatch('dpkg-query', ['-s', 'csync2'], /^Version: (.+)$/m),
    unison: firstMatch('unison', ['-version'], /version ([^ ]+)/),
  };
}

function commit(): string {
  const git = (args: string[]) => spawnSync('git', ['-C', checkout, ...args], { encoding: 'utf8' });
  const head = git(['rev-parse', '--short', 'HEAD']);
  if (head.status !== 0) return 'no commit';
  const changed = git(['status', '--porcelain', '--', 'src', 'package-lock.json']).stdout !== '';
  return `${head.stdout.trim()}${changed ? ', with changes' : ''}`;
}

function firstMatch(program: string, args: string[], pattern: RegExp): string {
  const { stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  return pattern.exec(`${stdout ?? ''}${stderr ?? ''}`)?.[1] ?? 'not installed';
}
