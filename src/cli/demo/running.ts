import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { serveControl } from '../../control/server.ts';
import type { Log } from '../../core/event.ts';
import type { Seat } from '../../core/seat.ts';
import { placingRight } from '../../passive/placing.ts';
import { serve } from '../../passive/serve.ts';
import { composePassive } from '../compose-passive.ts';
import { Daemon } from '../daemon/daemon.ts';
import { serveRequest } from '../daemon/requests.ts';
import { statusOf } from '../daemon/status.ts';
import { type Node, openNode } from '../node.ts';
import { receiverHooks } from '../receiver-hooks.ts';
import type { Status } from '../status.ts';

/** One node of the demonstration: its daemon, and the sessions that its SSH server takes in. */
export class RunningNode {
  readonly #node: Node;
  /** Receivers are processes of their own elsewhere: each has its own view of the state. */
  readonly #receiving: Node;
  readonly #daemon: Daemon;
  readonly #control: AsyncDisposable;
  readonly #sessions = new Set<Promise<void>>();

  private constructor(node: Node, receiving: Node, daemon: Daemon, control: AsyncDisposable) {
    this.#node = node;
    this.#receiving = receiving;
    this.#daemon = daemon;
    this.#control = control;
  }

  static async open(config: string, seat: Seat, log: Log): Promise<RunningNode> {
    const node = await openNode(config, log);
    node.seats.write(seat);
    const daemon = new Daemon(node);
    const control = await serveControl({
      runtime: node.config.runtime,
      handle: (request, reply, signal) => serveRequest({ node, daemon }, request, reply, signal),
    });
    return new RunningNode(node, await openNode(config, () => undefined), daemon, control);
  }

  start(): Promise<void> {
    return this.#daemon.start();
  }

  status(): Status {
    return statusOf(this.#node, this.#daemon);
  }

  /** What sshd would start the receiver for. */
  take(stream: Duplex): void {
    const node = this.#receiving;
    const placing = placingRight(join(node.config.state, 'placing.lock'));
    const session = serve(composePassive(node, placing, receiverHooks(node)), stream);
    this.#sessions.add(session);
    void session.finally(() => this.#sessions.delete(session));
  }

  async stop(): Promise<void> {
    await this.#control[Symbol.asyncDispose]();
    await this.#daemon.stop();
  }

  /** Once no node sends any more. */
  async close(): Promise<void> {
    await Promise.all(this.#sessions);
    this.#node.database.close();
    this.#receiving.database.close();
  }
}
