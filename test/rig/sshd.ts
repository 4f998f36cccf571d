import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { succeeds } from '../world/eventually.ts';
import { descendantsOf, isAlive, type Process, processesWith, signal } from './processes.ts';

export type SshdOptions = {
  /** What the restricted key runs, whatever the client asks for: one shell command line. */
  readonly forcedCommand: string;
  /** Adds a second key that may run anything: rsync and lsyncd need it in benchmarks. */
  readonly unrestrictedKey?: boolean;
  /** In a network namespace: the words that run a command there, and an address there. Default: loopback here. */
  readonly place?: { readonly within: readonly string[]; readonly address: string };
};

/** A real OpenSSH server on loopback, with keys of its own in a temporary folder. */
export type Sshd = AsyncDisposable & {
  readonly address: string;
  readonly port: number;
  /** `ssh-ed25519 AAAA…`, to be pinned. */
  readonly hostKey: string;
  readonly user: string;
  readonly identityFile: string;
  readonly unrestrictedIdentityFile: string | undefined;
  readonly knownHostsFile: string;
  /** What sshd and the forced commands wrote to standard error so far. */
  log(): string;
  /** The sessions' processes: of sshd, and of the forced commands. */
  sessions(): { readonly sshd: Process[]; readonly commands: Process[] };
  /** Stops sessions in their tracks: the link stays open and nobody answers. */
  pauseSessions(): void;
  resumeSessions(): void;
  /** Ends every session of sshd: the link is lost at once, the forced commands see the end of input. */
  dropSessions(): Promise<void>;
  /** Refuses connections, ends all sessions. The port stays the same. */
  pause(): Promise<void>;
  /** After `pause` or instead of it: listens again, without the old sessions. */
  restart(): Promise<void>;
  stop(): Promise<void>;
};

/** Starts sshd on a free port of loopback. Without root it runs as the current user, for that user. */
export async function startSshd(options: SshdOptions): Promise<Sshd> {
  const folder = mkdtempSync(join(tmpdir(), 'bmcs-sshd-'));
  const user = userInfo().username;
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  const hostKeyFile = makeKey(folder, 'host');
  const identityFile = makeKey(folder, 'client');
  const unrestrictedIdentityFile =
    options.unrestrictedKey === true ? makeKey(folder, 'unrestricted') : undefined;
  const quoted = options.forcedCommand.replaceAll('"', '\\"');
  const keys = [`restrict,command="${quoted}" ${publicKey(identityFile)}`];
  if (unrestrictedIdentityFile !== undefined) keys.push(publicKey(unrestrictedIdentityFile));
  writeFileSync(join(folder, 'authorized_keys'), `${keys.join('\n')}\n`, { mode: 0o600 });

  const configure = (port: number): void =>
    writeFileSync(join(folder, 'sshd_config'), sshdConfig({ folder, port, hostKeyFile, user, options }));
  const { within, address } = options.place ?? { within: [], address: '127.0.0.1' };
  let listener = await listenOnFreePort({ folder, within, address }, configure);
  const { port } = listener;
  const hostKey = publicKey(hostKeyFile).split(' ').slice(0, 2).join(' ');
  const knownHostsFile = join(folder, 'known_hosts');
  writeFileSync(knownHostsFile, `[${address}]:${port} ${hostKey}\n`);

  let past = '';
  const sessions = (): { sshd: Process[]; commands: Process[] } => {
    // What sshd started carries the port in its environment, also when its parent is gone.
    const commands = processesWith('SSH_CONNECTION', ` ${address} ${port}`);
    const known = new Set(commands.map(({ pid }) => pid));
    const below = descendantsOf(listener.child.pid ?? -1).filter(({ pid }) => !known.has(pid));
    return { sshd: below, commands };
  };
  const pause = async (): Promise<void> => {
    await stopListener(listener.child, sessions);
    past += listener.log();
    listener = { ...listener, log: () => '' };
  };
  const stop = async (): Promise<void> => {
    await pause();
    rmSync(folder, { recursive: true, force: true });
  };
  return {
    address,
    port,
    hostKey,
    user,
    identityFile,
    unrestrictedIdentityFile,
    knownHostsFile,
    log: () => past + listener.log(),
    sessions,
    pauseSessions: () => {
      for (const known of allOf(sessions())) signal(known, 'SIGSTOP');
    },
    resumeSessions: () => {
      for (const known of allOf(sessions())) signal(known, 'SIGCONT');
    },
    dropSessions: () => endAll(sessions().sshd),
    pause,
    restart: async () => {
      await pause();
      listener = await listen({ folder, within, address }, port);
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function allOf(found: { sshd: Process[]; commands: Process[] }): Process[] {
  return [...found.sshd, ...found.commands];
}

function makeKey(folder: string, name: string): string {
  const file = join(folder, name);
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', file]);
  return file;
}

function publicKey(privateKeyFile: string): string {
  return readFileSync(`${privateKeyFile}.pub`, 'utf8').trim();
}

function sshdConfig(about: {
  folder: string;
  port: number;
  hostKeyFile: string;
  user: string;
  options: SshdOptions;
}): string {
  return [
    `Port ${about.port}`,
    `ListenAddress ${about.options.place?.address ?? '127.0.0.1'}`,
    `HostKey ${about.hostKeyFile}`,
    `PidFile ${join(about.folder, 'sshd.pid')}`,
    `AuthorizedKeysFile ${join(about.folder, 'authorized_keys')}`,
    `PermitRootLogin ${about.options.unrestrictedKey === true ? 'prohibit-password' : 'forced-commands-only'}`,
    `AllowUsers ${about.user}`,
    'StrictModes no',
    // Without PAM, sshd refuses an account whose password is locked by "!".
    `UsePAM ${isLocked(about.user) ? 'yes' : 'no'}`,
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'UseDNS no',
    'PrintMotd no',
    'LogLevel INFO',
    `SetEnv ${environment(about.folder).join(' ')}`,
    '',
  ].join('\n');
}

/** What the forced commands find; in one line, since sshd takes only the first. */
function environment(home: string): string[] {
  const compiled = process.env['NODE_COMPILE_CACHE'];
  return [
    // Their shell reads its start-up files there: none, whatever this machine's say.
    `HOME=${home}`,
    // What they load is compiled already, as for what a test starts by itself.
    ...(compiled === undefined ? [] : [`NODE_COMPILE_CACHE=${compiled}`]),
  ];
}

function isLocked(user: string): boolean {
  if (process.getuid?.() !== 0) return false;
  const line = readFileSync('/etc/shadow', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${user}:`));
  return line?.split(':')[1]?.startsWith('!') ?? false;
}

type Where = { readonly folder: string; readonly within: readonly string[]; readonly address: string };
type Listener = { readonly child: ChildProcess; readonly port: number; log(): string };

/** Between finding a free port and listening on it somebody else may take it: then another one. */
async function listenOnFreePort(where: Where, configure: (port: number) => void): Promise<Listener> {
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    configure(port);
    try {
      return await listen(where, port);
    } catch (error) {
      if (attempt === 5 || !String(error).includes('Address already in use')) throw error;
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return address.port;
}

/** Resolves when sshd says that it listens. Throws with what it said when it ends before. */
async function listen({ folder, within, address }: Where, port: number): Promise<Listener> {
  // sshd has to be started by its absolute path: it runs itself again for each session.
  const words = [...within, '/usr/sbin/sshd', '-D', '-e', '-f', join(folder, 'sshd_config')];
  const child = spawn(words[0] ?? '', words.slice(1), { stdio: ['ignore', 'ignore', 'pipe'] });
  let text = '';
  await new Promise<void>((resolve, reject) => {
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      if (text.includes(`Server listening on ${address} port ${port}`)) resolve();
    });
    child.once('error', reject);
    child.once('close', (code) => reject(new Error(`sshd ended with ${code} before it listened: ${text}`)));
  });
  return { child, port, log: () => text };
}

/** Ends the listener and all its sessions, and nothing else. */
async function stopListener(
  child: ChildProcess,
  sessions: () => { sshd: Process[]; commands: Process[] },
): Promise<void> {
  const running = child.exitCode === null && child.signalCode === null;
  // Stopped first, so that no session begins between looking and ending.
  if (running) child.kill('SIGSTOP');
  const left = allOf(sessions());
  if (running) {
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }
  await endAll(left);
}

async function endAll(processes: readonly Process[]): Promise<void> {
  for (const known of processes) signal(known, 'SIGKILL');
  await succeeds(() => {
    const left = processes.filter(isAlive);
    if (left.length > 0) throw new Error(`still running: ${left.map(({ name }) => name).join(', ')}`);
  });
}
