import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { Failure } from '../../core/failure.ts';
import { printable } from '../../core/path.ts';
import { defaultConfig } from '../default-config.ts';
import type { ProgramEnd } from '../doctor/surroundings.ts';
import { type Answer, type Half, type Looked, maxLine, parseAnswer, type Request } from './message.ts';
import { shellQuoted } from './own-half.ts';

export type FarOptions = {
  /** As ssh takes it: `root@mail2`, or a name of ~/.ssh/config. */
  readonly target: string;
  /** What runs bm-confsync there. */
  readonly command: string;
  readonly config: string;
};

/** Where ssh would connect to, by the administrator's own configuration. */
export type Destination = {
  readonly host: string;
  readonly port: number;
  /** There is a machine in between, so that addresses seen over ssh are not those of the nodes. */
  readonly jumps: boolean;
};

/** What `ssh -G` makes of a target. Throws Failure `no-ssh`. */
export function destinationOf(target: string, end: ProgramEnd): Destination {
  if (end.kind !== 'ended' || end.code !== 0) {
    throw new Failure({
      code: 'no-ssh',
      exit: 'usage',
      message: `expected \`ssh -G ${target}\` to say where that is, found: ${end.kind === 'ended' ? printable(end.stderr.trim()) : end.kind}`,
      hint: 'install OpenSSH’s client, and try `ssh` to that host by hand',
    });
  }
  const settings = new Map(
    end.stdout.split('\n').map((line) => [line.split(' ', 1)[0] ?? '', line.slice(line.indexOf(' ') + 1)]),
  );
  const proxied = [settings.get('proxyjump'), settings.get('proxycommand')];
  return {
    host: settings.get('hostname') ?? target,
    port: Number(settings.get('port') ?? 22),
    jumps: proxied.some((value) => value !== undefined && value !== 'none'),
  };
}

/** Throws Failure `bad-target` for what ssh would take for an option, or a shell for more than a word. */
export function checkTarget(target: string): void {
  if (/^[A-Za-z0-9_][A-Za-z0-9_.:@%[\]/-]*$/.test(target)) return;
  throw new Failure({
    code: 'bad-target',
    exit: 'usage',
    message: `expected USER@HOST as ssh takes it, found ${JSON.stringify(target)}`,
    hint: 'for example: bm-confsync pair root@mail2',
  });
}

/**
 * The other node while it is being paired: one run of the administrator's own ssh, which may ask for a password on the
 * terminal, and over it one question after the other.
 */
export class FarHalf implements Disposable {
  readonly #target: string;
  readonly #ssh: ChildProcess;
  #waiting: { settle(answer: Answer): void; fail(error: Error): void } | undefined;
  #ended: Failure | undefined;

  constructor({ target, command, config }: FarOptions) {
    this.#target = target;
    const where = config === defaultConfig ? '' : ` --config ${shellQuoted(config)}`;
    // Standard error is the terminal's: ssh asks and complains there.
    this.#ssh = spawn('ssh', ['-T', '--', target, `${command} pair-answer${where}`], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const { stdout, stdin } = this.#ssh;
    if (stdout === null || stdin === null) throw new Error('ssh was started with pipes');
    // That nobody reads any more is told by how ssh ended.
    stdin.on('error', () => undefined);
    createInterface({ input: stdout }).on('line', (line) => this.#onLine(line));
    this.#ssh.once('error', (error) => this.#end(error.message));
    this.#ssh.once('close', (code) => this.#onClose(code));
  }

  async look(): Promise<Looked> {
    return this.#looked({ ask: 'look' });
  }

  /** Makes a passive node of it. */
  async make(name: string): Promise<Looked> {
    return this.#looked({ ask: 'make', name });
  }

  async edit(request: Extract<Request, { ask: 'pair' | 'unpair' }>): Promise<Half> {
    const answer = await this.#ask(request);
    return answer.kind === 'half' ? answer.half : this.#broken(answer);
  }

  /** How long a session from there to here took to open, milliseconds. */
  async prove(peer: string): Promise<number> {
    const answer = await this.#ask({ ask: 'prove', peer });
    return answer.kind === 'proven' ? answer.roundTripMs : this.#broken(answer);
  }

  [Symbol.dispose](): void {
    this.#ssh.stdin?.end();
  }

  async #looked(request: Request): Promise<Looked> {
    const answer = await this.#ask(request);
    return answer.kind === 'looked' ? answer.looked : this.#broken(answer);
  }

  #broken(answer: Answer): never {
    throw new Error(`${this.#target} answered something else: ${JSON.stringify(answer)}`);
  }

  /** Throws the Failure that the other node met. */
  async #ask(request: Request): Promise<Answer> {
    const answer = await new Promise<Answer>((resolve, reject) => {
      if (this.#ended !== undefined) return reject(this.#ended);
      this.#waiting = { settle: resolve, fail: reject };
      this.#ssh.stdin?.write(`${JSON.stringify(request)}\n`);
    });
    if (answer.kind !== 'failed') return answer;
    const { kind: _, ...failure } = answer;
    throw new Failure({ ...failure, message: `on ${this.#target}: ${failure.message}` });
  }

  #onLine(line: string): void {
    try {
      const answer = line.length > maxLine ? undefined : parseAnswer(line);
      if (answer === undefined) return;
      const waiting = this.#waiting;
      this.#waiting = undefined;
      if (waiting === undefined) throw new Error('nobody asked');
      waiting.settle(answer);
    } catch (error) {
      this.#end(
        `it does not speak as this version does (${error instanceof Error ? error.name : String(error)})`,
      );
      this.#ssh.kill();
    }
  }

  #onClose(code: number | null): void {
    if (code === 127) return this.#end('there is no bm-confsync');
    this.#end(code === 255 ? 'ssh could not connect' : `it ended with code ${code}`);
  }

  #end(found: string): void {
    this.#ended ??= new Failure({
      code: 'peer-unreachable',
      exit: 'unreachable',
      message: `expected bm-confsync on ${this.#target} to answer over ssh, found: ${found}`,
      hint: `install the same bm-confsync there, and try: ssh ${this.#target} bm-confsync --version`,
    });
    this.#waiting?.fail(this.#ended);
    this.#waiting = undefined;
  }
}
