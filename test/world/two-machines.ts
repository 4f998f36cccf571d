import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { checkout } from '../rig/program.ts';
import { eventually } from './eventually.ts';
import { TwoNetworks } from './namespaces.ts';

export type Ran = { readonly code: number; readonly stdout: string; readonly stderr: string };

const names = ['mail1', 'mail2'] as const;

/** Runs where there is no terminal, and nobody waits for input. */
function run(program: string, words: readonly string[]): Promise<Ran> {
  return new Promise((settle) => {
    const options = { encoding: 'utf8', timeout: 60_000, maxBuffer: 64 * 1024 * 1024 } as const;
    const child = execFile(program, words, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      settle({ code, stdout, stderr });
    });
    child.stdin?.end();
  });
}

/** One of two machines with a cable between them: root, an sshd, files and processes of its own. */
export class Machine {
  readonly name: string;
  readonly address: string;
  readonly #holder: ChildProcess;
  readonly #init: number;

  constructor(about: { name: string; address: string; holder: ChildProcess; init: number }) {
    this.name = about.name;
    this.address = about.address;
    this.#holder = about.holder;
    this.#init = about.init;
  }

  /** The words that run a command there. Whatever happens, it is not run on this machine itself. */
  within(): string[] {
    const namespaces = ['--mount', '--pid', '--uts', '--ipc', '--net'];
    const guard = '[ -e /run/own-machine ] || exit 99; PATH=/usr/local/bin:$PATH; export PATH; exec "$@"';
    return ['nsenter', '--target', String(this.#init), ...namespaces, '--', 'sh', '-c', guard, 'sh'];
  }

  async run(...words: string[]): Promise<Ran> {
    const [program = '', ...before] = this.within();
    return run(program, [...before, ...words]);
  }

  /** Runs lines of the shell; what they print. Throws when one fails. */
  async shell(lines: string): Promise<string> {
    const { code, stdout, stderr } = await this.run('sh', '-ec', lines);
    if (code !== 0) throw new Error(`on ${this.name}: ${lines} ended with ${code}: ${stdout}${stderr}`);
    return stdout;
  }

  /** Runs the program. */
  async bm(...words: string[]): Promise<Ran> {
    return this.run('bm-confsync', ...words);
  }

  async end(): Promise<void> {
    const exited = once(this.#holder, 'exit');
    this.#holder.stdin?.end();
    await exited;
  }

  /** A key of root that lets itself into the other machine, as many administrators have one. */
  async letInto(other: Machine): Promise<void> {
    await this.shell(
      "mkdir -m 0700 /root/.ssh; ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519; " +
        `ssh-keyscan -t ed25519 ${other.name} >/root/.ssh/known_hosts 2>/dev/null`,
    );
    const key = (await this.shell('cat /root/.ssh/id_ed25519.pub')).trim();
    await other.shell(`mkdir -p -m 0700 /root/.ssh; echo '${key}' >>/root/.ssh/authorized_keys`);
  }

  /** Whether its sshd listens. */
  async isUp(): Promise<boolean> {
    return (
      (await this.run('sh', '-c', `ssh-keyscan -t ed25519 ${this.address} | grep -q ssh-ed25519`)).code === 0
    );
  }
}

/** Two machines, mail1 and mail2, that know each other's address and nothing else. Needs root. */
export class TwoMachines implements AsyncDisposable {
  readonly mail1: Machine;
  readonly mail2: Machine;
  readonly #networks: TwoNetworks;

  private constructor(networks: TwoNetworks, [mail1, mail2]: readonly [Machine, Machine]) {
    this.#networks = networks;
    this.mail1 = mail1;
    this.mail2 = mail2;
  }

  /** `program`: what bm-confsync runs there, in words for the shell. Default: this checkout. */
  static async open(
    program = `${process.execPath} ${join(checkout, 'src/cli/main.ts')}`,
  ): Promise<TwoMachines> {
    const networks = new TwoNetworks();
    const machines = await Promise.all([start(networks, 0, program), start(networks, 1, program)]);
    const two = new TwoMachines(networks, machines);
    try {
      for (const machine of machines)
        await eventually(`sshd of ${machine.name}`, () => machine.isUp(), { pollMs: 50 });
    } catch (error) {
      await two[Symbol.asyncDispose]();
      throw error;
    }
    return two;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.mail1.end(), this.mail2.end()]);
    this.#networks[Symbol.dispose]();
  }
}

async function start(networks: TwoNetworks, index: 0 | 1, program: string): Promise<Machine> {
  const other = index === 0 ? 1 : 0;
  const [name, peer] = [names[index], names[other]];
  const [address, peerAddress] = [networks.addressOf(index), networks.addressOf(other)];
  const netns = networks.place(index).within.at(-1) ?? '';
  const script = fileURLToPath(new URL('machine.sh', import.meta.url));
  const words = [script, netns, name, checkout, address, peer, peerAddress, program];
  const holder = spawn('sh', words, { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(holder, 'exit').then(([code]) =>
    Promise.reject(new Error(`machine.sh ended with ${code}`)),
  );
  exited.catch(() => undefined);
  const [init] = await Promise.race([once(createInterface(holder.stdout), 'line'), exited]);
  const ready = join('/proc', String(init), 'root/run/own-machine');
  await eventually(`${name} is up`, () => existsSync(ready));
  return new Machine({ name, address, holder, init: Number(init) });
}
