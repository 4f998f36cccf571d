import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { succeeds } from '../world/eventually.ts';
import { mainFile } from './program.ts';
import { type Sshd, type SshdOptions, startSshd } from './sshd.ts';

export type NodeName = 'active' | 'passive';

/** Where one node of the pair has its things. */
export type NodePlace = {
  readonly name: string;
  readonly root: string;
  readonly config: string;
  readonly watchlist: string;
  readonly state: string;
  readonly runtime: string;
};

export type Ran = { readonly code: number; readonly stdout: string; readonly stderr: string };

export type RunOptions = {
  /** Written to standard input, which is empty otherwise. */
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Default 120,000. */
  readonly timeoutMs?: number;
};

/** A running `run`. */
export type DaemonProcess = {
  readonly pid: number;
  running(): boolean;
  /** What it wrote so far, standard output and standard error. */
  log(): string;
  kill9(): Promise<void>;
  /** SIGTERM; the exit code. Throws when it does not end within 15 s. */
  stop(): Promise<number | null>;
};

export type DaemonOptions = {
  readonly env?: Readonly<Record<string, string>>;
  /** Wait until `status` says that every peer is connected. Default true. */
  readonly waitForPeers?: boolean;
  /** Default 30,000. */
  readonly deadlineMs?: number;
};

export type PairOptions = {
  /** Content of both nodes' watchlist files. Default: /etc and BlueMind's elasticsearch.yml. */
  readonly watchlist?: Readonly<Record<string, unknown>>;
  /** More keys of the configuration files. */
  readonly active?: Readonly<Record<string, unknown>>;
  readonly passive?: Readonly<Record<string, unknown>>;
  /** Also lets the passive reach the active, by a second sshd. Default false. */
  readonly mutual?: boolean;
  /** See SshdOptions. */
  readonly unrestrictedKey?: boolean;
  readonly place?: SshdOptions['place'];
  /** The program's main file, or a command such as the installed one. Default: the main file of the sources. */
  readonly program?: string;
  /** Environment of every command, daemon and receiver, given the folder of the pair. */
  readonly env?: (folder: string) => Readonly<Record<string, string>>;
  /** Where its folder is made, and left for whoever removes this one. Default: the system's, and it is removed at the end. */
  readonly leaveIn?: string;
};

/** Two nodes on one machine, with a real sshd between them. */
export type Pair = AsyncDisposable & {
  readonly folder: string;
  /** The program's main file. */
  readonly program: string;
  readonly active: NodePlace;
  readonly passive: NodePlace;
  /** The passive's sshd. */
  readonly sshd: Sshd;
  /** The active's sshd, where the pair is mutual. */
  readonly activeSshd: Sshd | undefined;
  /** Runs a command of the program to its end. `--config` is added. */
  bm(node: NodeName, args: readonly string[], options?: RunOptions): Promise<Ran>;
  /** Runs a command with `--json` and returns what it printed. Throws where that is no JSON. */
  json(node: NodeName, args: readonly string[]): Promise<unknown>;
  /** Starts `run` and waits until `status` is answered. Throws with the log when it ends or is not ready. */
  startDaemon(node: NodeName, options?: DaemonOptions): Promise<DaemonProcess>;
  /** Replaces the watchlist of one node. A running daemon does not learn of it. */
  setWatchlist(node: NodeName, watchlist: Readonly<Record<string, unknown>>): void;
  /** Kills the daemons, empties both roots and both states, and begins anew. */
  reset(): Promise<void>;
};

let setAsideSoFar = 0;

function setAside(path: string, folder: string): void {
  setAsideSoFar += 1;
  if (existsSync(path)) renameSync(path, join(folder, `aside-${setAsideSoFar}`));
}

const defaultWatchlist = {
  name: 'rig',
  include: ['/etc/**', '/usr/share/bm-elasticsearch/config/elasticsearch.yml'],
};

/** Makes both nodes, initialised, with empty roots and no daemon running. */
export async function makePair(options: PairOptions = {}): Promise<Pair> {
  const folder = mkdtempSync(join(options.leaveIn ?? tmpdir(), 'bmcs-pair-'));
  const active = placeOf(folder, 'mail1');
  const passive = placeOf(folder, 'mail2');
  const places = { active, passive };
  const daemons = new Set<DaemonProcess>();
  const { program = mainFile } = options;
  const env = options.env?.(folder) ?? {};
  const receive = (place: NodePlace): string =>
    `${environmentText(env)}${quoted(wordsOf(program))} receive --config '${place.config}'`;
  const sshd = await startSshd({
    forcedCommand: receive(passive),
    unrestrictedKey: options.unrestrictedKey ?? false,
    ...(options.place === undefined ? {} : { place: options.place }),
  });
  const activeSshd =
    options.mutual === true ? await startSshd({ forcedCommand: receive(active) }) : undefined;

  const pair: Pair = {
    folder,
    program,
    ...places,
    sshd,
    activeSshd,
    bm: (node, args, runOptions = {}) =>
      runMain([...wordsOf(program), ...args, '--config', places[node].config], {
        ...runOptions,
        env: { ...env, ...runOptions.env },
      }),
    json: async (node, args) => {
      const ran = await pair.bm(node, [...args, '--json']);
      try {
        return JSON.parse(ran.stdout) as unknown;
      } catch (cause) {
        throw new Error(`${args.join(' ')} ended with ${ran.code}, no JSON: ${ran.stdout}${ran.stderr}`, {
          cause,
        });
      }
    },
    startDaemon: async (node, daemonOptions = {}) => {
      const daemon = spawnDaemon(program, places[node], { ...env, ...daemonOptions.env });
      daemons.add(daemon);
      await untilReady(pair, node, daemon, daemonOptions);
      return daemon;
    },
    setWatchlist: (node, watchlist) => writeFileSync(places[node].watchlist, stringify(watchlist)),
    reset: async () => {
      await killAll(daemons);
      for (const { root, state, runtime } of [active, passive]) {
        for (const path of [root, state, runtime]) {
          if (options.leaveIn === undefined) rmSync(path, { recursive: true, force: true });
          else setAside(path, folder);
        }
      }
      await prepare(pair);
    },
    [Symbol.asyncDispose]: async () => {
      await killAll(daemons);
      await sshd.stop();
      await activeSshd?.stop();
      if (options.leaveIn === undefined) rmSync(folder, { recursive: true, force: true });
    },
  };
  try {
    const toActive = activeSshd === undefined ? [] : [peerOf('mail1', activeSshd)];
    configure(active, { peers: [peerOf('mail2', sshd)], ...options.active });
    configure(passive, { peers: toActive, ...options.passive });
    for (const node of ['active', 'passive'] as const)
      pair.setWatchlist(node, options.watchlist ?? defaultWatchlist);
    await prepare(pair);
  } catch (error) {
    await pair[Symbol.asyncDispose]();
    throw error;
  }
  return pair;
}

function placeOf(folder: string, name: string): NodePlace {
  const own = join(folder, name);
  mkdirSync(own, { mode: 0o700 });
  return {
    name,
    root: join(own, 'root'),
    config: join(own, 'config.yml'),
    watchlist: join(own, 'watchlist.yml'),
    state: join(own, 'state'),
    runtime: join(own, 'run'),
  };
}

function peerOf(name: string, sshd: Sshd): Record<string, unknown> {
  const { address, port, user, identityFile, hostKey } = sshd;
  return { name, host: address, port, user, identityFile, hostKey };
}

function configure(place: NodePlace, more: Readonly<Record<string, unknown>>): void {
  const config = {
    node: place.name,
    root: place.root,
    state: place.state,
    runtime: place.runtime,
    watchlists: [place.watchlist],
    // It would be a difference between the trees for as long as one is on its way.
    canary: { interval: 'off' },
    ...more,
  };
  writeFileSync(place.config, stringify(config), { mode: 0o600 });
}

/** Variables in front of a command of the shell. */
function environmentText(env: Readonly<Record<string, string>>): string {
  return Object.entries(env)
    .map(([name, value]) => `${name}='${value}' `)
    .join('');
}

async function prepare(pair: Pair): Promise<void> {
  for (const node of ['active', 'passive'] as const) {
    mkdirSync(join(pair[node].root, 'etc'), { recursive: true });
    const made = await pair.bm(node, ['init', '--node', pair[node].name, '--role', node]);
    if (made.code !== 0) throw new Error(`init ended with ${made.code}: ${made.stdout}${made.stderr}`);
  }
}

/** What starts the program: a main file needs the Node of the tests, a command brings its own. */
function wordsOf(program: string): readonly [string, ...string[]] {
  return /\.m?[jt]s$/.test(program) ? [process.execPath, program] : [program];
}

function quoted(words: readonly string[]): string {
  return words.map((word) => `'${word}'`).join(' ');
}

function runMain([program = '', ...args]: readonly string[], options: RunOptions): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      program,
      args,
      {
        maxBuffer: 256 * 1024 * 1024,
        env: { ...process.env, ...options.env },
        timeout: options.timeoutMs ?? 120_000,
        killSignal: 'SIGKILL',
      },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : error.code;
        if (typeof code === 'number') resolve({ code, stdout, stderr });
        else
          reject(new Error(`${args.join(' ')} did not end by itself: ${stdout}${stderr}`, { cause: error }));
      },
    );
    // A command that does not read its input may be gone before it is written.
    child.stdin?.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') reject(error);
    });
    child.stdin?.end(options.input ?? '');
  });
}

function spawnDaemon(
  program: string,
  place: NodePlace,
  env: Readonly<Record<string, string>>,
): DaemonProcess {
  const [first, ...words] = wordsOf(program);
  const child = spawn(first, [...words, 'run', '--config', place.config], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      log += chunk;
    });
  }
  return {
    pid: child.pid ?? -1,
    running: () => child.exitCode === null && child.signalCode === null,
    log: () => log,
    kill9: async () => {
      await end(child, 'SIGKILL', () => log);
    },
    stop: () => end(child, 'SIGTERM', () => log),
  };
}

async function end(child: ChildProcess, signal: NodeJS.Signals, log: () => string): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const deadline = AbortSignal.timeout(15_000);
  const exited = once(child, 'exit', { signal: deadline });
  child.kill(signal);
  try {
    await exited;
  } catch (cause) {
    throw new Error(`the daemon did not end on ${signal}: ${log()}`, { cause });
  }
  return child.exitCode;
}

async function killAll(daemons: Set<DaemonProcess>): Promise<void> {
  for (const daemon of daemons) await daemon.kill9();
  daemons.clear();
}

type StatusAnswer = { daemon?: boolean; peers: { name: string; connected: boolean; state?: string }[] };

async function untilReady(
  pair: Pair,
  node: NodeName,
  daemon: DaemonProcess,
  options: DaemonOptions,
): Promise<void> {
  const ready = async (): Promise<void> => {
    const status = (await pair.json(node, ['status'])) as StatusAnswer;
    if (status.daemon === false) throw new Error('the daemon does not answer');
    if (node === 'passive' || options.waitForPeers === false) return;
    for (const { name, connected, state } of status.peers) {
      if (!connected || state === 'reconciling') throw new Error(`${name} is ${state ?? 'not connected'}`);
    }
  };
  let ended = false;
  const checked = async (): Promise<void> => {
    ended = !daemon.running();
    if (!ended) await ready();
  };
  try {
    await succeeds(checked, { deadlineMs: options.deadlineMs ?? 30_000, pollMs: 50 });
  } catch (cause) {
    throw new Error(`the daemon of ${node} is not ready: ${String(cause)}\n${daemon.log()}`, { cause });
  }
  if (ended) throw new Error(`the daemon of ${node} ended: ${daemon.log()}`);
}
