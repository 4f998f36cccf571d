import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { eventually } from './eventually.ts';

export type Sshd = {
  readonly port: number;
  /** `ssh-ed25519 AAAA…`, as peers.hostKey wants it. */
  readonly hostKey: string;
  readonly identityFile: string;
  readonly user: string;
  readonly folder: string;
  /** Ends the sessions that are open, as a lost link would. The server goes on. */
  dropSessions(): void;
  /** Process ids of the commands that run in sessions now. */
  sessions(): number[];
  stop(): Promise<void>;
  start(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

export type SshdOptions = {
  /** What a session runs, whatever the client asks for. Undefined: whatever the client asks for. */
  readonly forcedCommand?: string;
};

/** A real OpenSSH server on a free port of loopback, with keys and a configuration of its own. */
export async function startSshd(options: SshdOptions): Promise<Sshd> {
  const folder = mkdtempSync(join(tmpdir(), 'bm-confsync-sshd-'));
  mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  const hostKeyFile = join(folder, 'host_key');
  const identityFile = join(folder, 'client_key');
  for (const file of [hostKeyFile, identityFile]) {
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'test', '-f', file]);
  }
  const restriction =
    options.forcedCommand === undefined ? 'restrict' : `restrict,command="${options.forcedCommand}"`;
  writeFileSync(
    join(folder, 'authorized_keys'),
    `${restriction} ${readFileSync(`${identityFile}.pub`, 'utf8')}`,
    { mode: 0o600 },
  );
  const port = await freePort();
  const configFile = join(folder, 'sshd_config');
  writeFileSync(configFile, configuration(folder, port, hostKeyFile, options));
  let server: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    server = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', configFile], { stdio: ['ignore', 'ignore', 'pipe'] });
    let complaint = '';
    server.stderr?.on('data', (chunk: Buffer) => {
      complaint = (complaint + chunk.toString()).slice(-4000);
    });
    await eventually(`sshd listens on ${port}`, () => canConnect(port), { detail: () => complaint });
  };
  const children = (): number[] => (server?.pid === undefined ? [] : descendants(server.pid));
  const stop = async (): Promise<void> => {
    const running = server;
    server = undefined;
    if (running?.pid === undefined || running.exitCode !== null) return;
    const below = descendants(running.pid);
    running.kill('SIGKILL');
    await once(running, 'exit');
    for (const pid of below) killQuietly(pid);
  };
  await start();
  return {
    port,
    hostKey: readFileSync(`${hostKeyFile}.pub`, 'utf8').split(' ').slice(0, 2).join(' '),
    identityFile,
    user: userInfo().username,
    folder,
    dropSessions: () => {
      for (const pid of children()) killQuietly(pid);
    },
    sessions: () => children().filter((pid) => commandLine(pid).includes('receive')),
    start,
    stop,
    [Symbol.asyncDispose]: async () => {
      await stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function configuration(folder: string, port: number, hostKeyFile: string, options: SshdOptions): string {
  return [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${hostKeyFile}`,
    `AuthorizedKeysFile ${join(folder, 'authorized_keys')}`,
    `PidFile ${join(folder, 'pid')}`,
    options.forcedCommand === undefined
      ? 'PermitRootLogin prohibit-password'
      : 'PermitRootLogin forced-commands-only',
    'StrictModes no',
    'UsePAM no',
    'UseDNS no',
    'PasswordAuthentication no',
    'MaxStartups 100',
    'LogLevel ERROR',
    '',
  ].join('\n');
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** All processes below one, from what the kernel tells. */
export function descendants(pid: number): number[] {
  const file = `/proc/${pid}/task/${pid}/children`;
  if (!existsSync(file)) return [];
  const direct = readFileSync(file, 'utf8').split(' ').filter(Boolean).map(Number);
  return direct.flatMap((child) => [child, ...descendants(child)]);
}

function commandLine(pid: number): string[] {
  const file = `/proc/${pid}/cmdline`;
  return existsSync(file) ? readFileSync(file, 'utf8').split('\0') : [];
}

/** Ends a process that we started; it may have ended by itself. */
export function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
