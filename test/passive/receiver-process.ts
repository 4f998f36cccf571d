import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { duplexOf } from '../../src/cli/standard-streams.ts';
import type { ConnectionEnd } from '../../src/wire/connection.ts';
import { Sender } from '../main/hostile-wire-rig.ts';
import { sourceFile } from '../rig/program.ts';
import { eventually } from '../world/eventually.ts';

const crashPoints = fileURLToPath(new URL('crash-points.mjs', import.meta.url));

/** A real `receive` on pipes, that may end itself with SIGKILL at the crash point `CRASH_AT`. */
export class Receiver implements AsyncDisposable {
  readonly sender: Sender;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;

  private constructor(child: ChildProcess, sender: Sender, exited: Promise<unknown>) {
    this.#child = child;
    this.sender = sender;
    this.#exited = exited;
  }

  /** Starts it and opens a session; the caller's `CRASH_AT` counts from the start of the process. */
  static async start(config: string, environment: NodeJS.ProcessEnv): Promise<Receiver> {
    const child = spawn(
      process.execPath,
      ['--import', crashPoints, sourceFile, 'receive', '--config', config],
      { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...environment } },
    );
    const exited = once(child, 'exit');
    const stream = duplexOf(child.stdout, child.stdin);
    const over = exited.then((): ConnectionEnd => ({ kind: 'ended', detail: 'the receiver exited' }));
    const sender = new Sender(stream, over);
    sender.hello();
    return new Receiver(child, sender, exited);
  }

  /** True once something came that is no greeting, and what follows its answer is done; false when the process died before. */
  async answersOrDies(): Promise<boolean> {
    const answered = (async () => {
      await this.sender.next('welcome');
      await this.sender.peek();
      this.sender.say({ t: 'ping', id: 1_000_000 });
      await eventually('a pong', () => this.sender.rest().some(({ t }) => t === 'pong'));
      return true;
    })();
    const died = this.#exited.then(() => false);
    return Promise.race([answered.catch(() => false), died]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGKILL');
    await this.#exited;
  }
}
