import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { openDatabase } from '../../src/state/database.ts';
import { SeatStore } from '../../src/state/seat.ts';
import { signal } from '../rig/processes.ts';
import { mainFile } from '../rig/program.ts';
import { type Sshd, startSshd } from '../rig/sshd.ts';
import { eventually } from './eventually.ts';
import { temporaryFolder } from './tree.ts';

/** The nodes by the seats they begin with: mail1, mail2, and mail3, a second passive. */
export type NodeName = 'active' | 'passive' | 'third';

const hostNames: Record<NodeName, string> = { active: 'mail1', passive: 'mail2', third: 'mail3' };
export type Ran = { readonly code: number; readonly stdout: string; readonly stderr: string };

export type Running = {
  readonly process: ChildProcess;
  /** What the daemon logged so far. */
  log(): string;
  kill9(): Promise<void>;
  stop(): Promise<number | null>;
};

export type PairOptions = {
  /** Of the watchlist. Default: everything in /etc. */
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  /** More keys for the active's configuration. */
  readonly active?: Readonly<Record<string, unknown>>;
  readonly passive?: Readonly<Record<string, unknown>>;
  /** Each node can reach each other, as after pairing. Default: only the active reaches the passive. */
  readonly mutual?: boolean;
  /** A second passive. */
  readonly third?: boolean;
  /** More of the watchlist. */
  readonly watchlist?: Readonly<Record<string, unknown>>;
  /** Around the command that sshd runs, for instance a limit. */
  readonly wrapReceive?: (command: string) => string;
  /** The program's main file. Default: the program under test. */
  readonly program?: string;
  /** Where each node lives, when not on this machine's own network: see test/world/namespaces.ts. */
  readonly places?: Readonly<Partial<Record<NodeName, Place>>>;
};

/** The words that run a command on the network of a node, and its address there. */
export type Place = { readonly within: readonly string[]; readonly address: string };

const families: readonly string[] = ['watchlist', 'ha', 'conflicts'];

/** Two or three nodes on one machine with a real sshd for each that others connect to. */
export class Pair {
  readonly folder: string;
  /** The one that leads to the passive. */
  readonly sshd: Sshd;
  readonly #sshds: ReadonlyMap<NodeName, Sshd>;
  readonly #running = new Set<Running>();
  readonly #places: NonNullable<PairOptions['places']>;
  /** The program's main file. */
  readonly program: string;

  private constructor(
    folder: string,
    sshds: ReadonlyMap<NodeName, Sshd>,
    places: NonNullable<PairOptions['places']>,
    program: string,
  ) {
    this.#places = places;
    this.program = program;
    this.folder = folder;
    this.#sshds = sshds;
    const sshd = sshds.get('passive');
    if (sshd === undefined) throw new Error('there is no way to the passive');
    this.sshd = sshd;
  }

  static async open(options: PairOptions = {}): Promise<Pair> {
    const folder = temporaryFolder('pair');
    const nodes: NodeName[] = options.third === true ? ['active', 'passive', 'third'] : ['active', 'passive'];
    const reached = options.mutual === true ? nodes : nodes.filter((node) => node !== 'active');
    const config = (node: NodeName): string => join(folder, node, 'config.yml');
    for (const node of nodes) mkdirSync(join(folder, node, 'root', 'etc'), { recursive: true });
    const { places = {}, program = mainFile } = options;
    const starting = reached.map(async (node) => {
      const receive = `${process.execPath} ${program} receive --config ${config(node)}`;
      const forcedCommand = options.wrapReceive?.(receive) ?? receive;
      const place = places[node];
      const sshd = await startSshd({ forcedCommand, ...(place === undefined ? {} : { place }) });
      return [node, sshd] as const;
    });
    const sshds = new Map<NodeName, Sshd>(await Promise.all(starting));
    const pair = new Pair(folder, sshds, places, program);
    const watchlist = join(folder, 'watchlist.yml');
    writeFileSync(
      watchlist,
      stringify({
        name: 'test',
        include: options.include ?? ['/etc/**'],
        exclude: options.exclude ?? [],
        ...options.watchlist,
      }),
    );
    for (const node of nodes) {
      pair.#configure(node, {
        node: hostNames[node],
        peers: node === 'active' || options.mutual === true ? pair.#peersOf(node) : [],
        watchlists: [watchlist],
        limits: { minFreeDisk: 1 },
        // It would be a difference between the trees for as long as one is on its way.
        canary: { interval: 'off' },
        ...(node === 'active' ? options.active : options.passive),
      });
      pair.#seat(node);
    }
    return pair;
  }

  #peersOf(node: NodeName): unknown[] {
    return [...this.#sshds].flatMap(([name, sshd]) => {
      if (name === node) return [];
      const { address, port, user, identityFile, hostKey } = sshd;
      return [{ name: hostNames[name], host: address, port, user, identityFile, hostKey }];
    });
  }

  sshdOf(node: NodeName): Sshd {
    const sshd = this.#sshds.get(node);
    if (sshd === undefined) throw new Error(`nobody connects to ${node} here`);
    return sshd;
  }

  #configure(node: NodeName, keys: Readonly<Record<string, unknown>>): void {
    const own = {
      root: this.root(node),
      state: join(this.folder, node, 'state'),
      runtime: join(this.folder, node, 'run'),
    };
    writeFileSync(this.config(node), stringify({ ...own, ...keys }), { mode: 0o600 });
  }

  /** The seat that `init` gives, of which commands-local.test.ts tells. */
  #seat(node: NodeName): void {
    using database = openDatabase(this.state(node));
    const role = node === 'active' ? 'active' : 'passive';
    new SeatStore(database).write({ role, epoch: role === 'active' ? 1 : 0 });
  }

  root(node: NodeName): string {
    return join(this.folder, node, 'root');
  }

  state(node: NodeName): string {
    return join(this.folder, node, 'state');
  }

  config(node: NodeName): string {
    return join(this.folder, node, 'config.yml');
  }

  /** Path of a replicated file on a node's disk. */
  at(node: NodeName, path: string): string {
    return join(this.root(node), path);
  }

  /** Runs a command of the program to its end. */
  run(node: NodeName, args: readonly string[]): Promise<Ran> {
    const [command = '', ...rest] = args;
    const [second, ...others] = rest;
    const words =
      families.includes(command) && second !== undefined && !second.startsWith('-')
        ? [command, second, '--config', this.config(node), ...others]
        : [command, '--config', this.config(node), ...rest];
    const [program = '', ...first] = [...(this.#places[node]?.within ?? []), process.execPath];
    return new Promise((resolve) => {
      execFile(
        program,
        [...first, this.program, ...words],
        { maxBuffer: 256 * 1024 * 1024 },
        (error, stdout, stderr) => {
          resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
        },
      );
    });
  }

  async json(node: NodeName, args: readonly string[]): Promise<Record<string, unknown>> {
    const { stdout, stderr, code } = await this.run(node, [...args, '--json']);
    if (stdout === '') throw new Error(`${args.join(' ')} printed nothing (exit ${code}): ${stderr}`);
    return JSON.parse(stdout) as Record<string, unknown>;
  }

  /** Starts the daemon of a node. */
  spawnDaemon(node: NodeName, environment: NodeJS.ProcessEnv = {}, wrapper: readonly string[] = []): Running {
    const [program = process.execPath, ...words] = [
      ...(this.#places[node]?.within ?? []),
      ...wrapper,
      process.execPath,
      this.program,
      'run',
      '--config',
      this.config(node),
    ];
    const child = spawn(program, words, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, ...environment },
    });
    let log = '';
    child.stderr.on('data', (chunk: Buffer) => {
      log += chunk.toString();
    });
    const exited = once(child, 'exit');
    const running: Running = {
      process: child,
      log: () => log,
      kill9: async () => {
        child.kill('SIGKILL');
        await exited;
        this.#running.delete(running);
      },
      stop: async () => {
        if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
        await exited;
        this.#running.delete(running);
        return child.exitCode;
      },
    };
    this.#running.add(running);
    return running;
  }

  /** Starts the active's daemon and waits until its first reconcile is over. */
  async startActive(): Promise<Running> {
    const daemon = this.spawnDaemon('active');
    await this.live(daemon);
    return daemon;
  }

  /** Waits until the daemon is connected and has reconciled. */
  async live(daemon: Running): Promise<void> {
    await eventually(
      'the daemon is live',
      () => daemon.log().includes('reconciled') || daemon.process.exitCode !== null,
      { deadlineMs: 60_000, detail: daemon.log },
    );
    if (daemon.process.exitCode !== null) throw new Error(`the daemon ended: ${daemon.log()}`);
  }

  /** Ends the receivers that run now with -9, as a crash of the passive's program would. */
  killReceivers(): void {
    for (const receiver of this.sshd.sessions().commands) signal(receiver, 'SIGKILL');
  }

  async flush(): Promise<Ran> {
    return this.run('active', ['flush', '--timeout', '60s']);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const running of [...this.#running]) await running.kill9();
    for (const sshd of this.#sshds.values()) await sshd[Symbol.asyncDispose]();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
