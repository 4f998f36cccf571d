import type { Duplex } from 'node:stream';
import { Failure } from '../core/failure.ts';
import type { ReplicaPath } from '../core/path.ts';
import { passed } from '../log/trace.ts';
import { inChunks } from '../wire/chunks.ts';
import type { Connection, Received } from '../wire/connection.ts';
import type { FromActive, FromPassive, MoveMessage, PeerRequest } from '../wire/message.ts';
import { Heartbeat } from './heartbeat.ts';
import { Inspector } from './inspect.ts';
import { moveDirectory } from './move.ts';
import type { PassiveNode, PeerMemory } from './node.ts';
import { shortened } from './operation.ts';
import { Receiver } from './receiver.ts';
import { rememberMove } from './remember.ts';

type Hello = Extract<FromActive, { t: 'hello' }>;

export type ServingOptions = {
  readonly node: PassiveNode;
  readonly stream: Duplex;
  readonly connection: Connection<FromActive, FromPassive>;
  readonly hello: Hello;
  /** Held by a session to replicate. */
  readonly right: { release(): void } | undefined;
};

/**
 * The part of a session after the handshake. What it may do depends on its purpose: `inspect` asks questions,
 * `request` asks and has this node do something, `replicate` asks and places.
 */
export class Serving {
  readonly #options: ServingOptions;
  readonly #connection: Connection<FromActive, FromPassive>;
  readonly #inspector: Inspector;
  readonly #memory: PeerMemory;
  readonly #receiver: Receiver | undefined;
  readonly #heartbeat: Heartbeat;
  readonly #unwatch: () => void;
  /** What came while nothing could be handed in, or was on its way when the stream was stopped. */
  readonly #held: Received<FromActive>[] = [];
  #paused = false;

  constructor(options: ServingOptions) {
    this.#options = options;
    const { node, connection, hello } = options;
    this.#connection = connection;
    const memory = node.memoryOf(hello.node);
    this.#memory = memory;
    const replicates = hello.purpose === 'replicate';
    this.#heartbeat = new Heartbeat(() => connection.send({ t: 'working' }));
    this.#inspector = new Inspector(node, connection, replicates ? memory : undefined);
    if (!replicates) {
      this.#unwatch = () => undefined;
      return;
    }
    this.#receiver = new Receiver({
      node,
      memory,
      peer: hello.node,
      epoch: hello.epoch,
      heartbeat: this.#heartbeat,
      onAnswered: (path) => this.#inspector.noteAnswer(path),
      send: (message) => connection.send(message),
      speaksAlike: hello.version === node.version,
      onViolation: (detail) => this.#violated(detail),
      onPause: () => this.#pause(),
      onGoOn: () => this.#goOn(),
      onBroken: (error) => connection.destroy(`placing failed: ${textOf(error)}`),
    });
    this.#unwatch = node.watchNode({
      onEdited: (paths) => this.#tellEdited(paths),
      onChanged: () => this.#endIfHalted(),
    });
  }

  handle(messages: readonly Received<FromActive>[]): void {
    if (this.#paused) {
      this.#held.push(...messages);
      return;
    }
    for (const [index, { message, body }] of messages.entries()) {
      if (this.#connection.open) this.#handle(message, body);
      // What waits for a validator has to be placed, or refused, before anything that came after it is handed in.
      if (this.#paused) return void this.#held.push(...messages.slice(index + 1));
    }
    this.#receiver?.arrived();
  }

  /** Resolves when nothing is placed any more and the hooks of what was placed have run. */
  async close(): Promise<void> {
    this.#unwatch();
    await this.#receiver?.close();
    this.#options.node.cache.commit();
    this.#options.right?.release();
    await this.#receiver?.settled();
  }

  #handle(message: FromActive, body: Buffer): void {
    switch (message.t) {
      case 'hello':
        return this.#violated('hello came twice');
      case 'push':
        return this.#receiver === undefined
          ? this.#refusePush(message.id)
          : this.#receiver.handle(message, body);
      case 'chunk':
      case 'abort':
        return this.#receiver?.handle(message, body);
      case 'move':
        return this.#receiver === undefined
          ? this.#violated('a move outside of replication')
          : this.#move(message, this.#receiver);
      case 'standing': {
        if (this.#receiver === undefined) return this.#violated('a standing outside of replication');
        const { t: _, ...standing } = message;
        return this.#options.node.onStanding(this.#options.hello.node, standing);
      }
      case 'request':
        if (this.#options.hello.purpose !== 'request')
          return this.#violated(`a request in a session to ${this.#options.hello.purpose}`);
        this.#answer(message.id, message.request).catch((error: unknown) => {
          this.#connection.destroy(`a request could not be answered: ${textOf(error)}`);
        });
        return;
      case 'ping':
        return this.#connection.send({ t: 'pong', id: message.id });
      case 'manifest':
      case 'directories':
      case 'sums':
      case 'agreed':
      case 'look':
      case 'fetch':
      case 'versions':
      case 'blocks':
        return this.#inspector.handle(message, body);
    }
  }

  #move(request: MoveMessage, receiver: Receiver): void {
    const { node, hello } = this.#options;
    const memory = this.#memory;
    passed('received', request.to);
    try {
      const isAtRest = receiver.rest();
      // Files are being validated: the move comes after them, and before all that follows.
      if (this.#paused) return void this.#held.push({ message: request, body: Buffer.alloc(0) });
      const moved = isAtRest
        ? moveDirectory(request, { node, memory })
        : `a large file of ${hello.node} is on its way`;
      if (typeof moved !== 'string')
        rememberMove(moved, { node, memory, onAnswered: (path) => this.#inspector.noteAnswer(path) });
      const declined = typeof moved === 'string' ? { declined: shortened(moved) } : {};
      this.#connection.send({ t: 'moved', id: request.id, ...declined });
    } catch (error) {
      // It may have moved or not: the next session finds out.
      this.#connection.destroy(`moving ${request.from} failed: ${textOf(error)}`);
    }
  }

  #refusePush(id: number): void {
    const detail = 'this session was opened to look only';
    const epoch = this.#options.node.seat().epoch;
    this.#connection.send({ t: 'ack', id, result: { kind: 'refused', reason: 'superseded', detail, epoch } });
  }

  async #answer(id: number, request: PeerRequest): Promise<void> {
    const { node, hello } = this.#options;
    try {
      const value = await this.#heartbeat.during(node.onRequest(hello.node, request));
      this.#connection.send({ t: 'answer', id, outcome: { kind: 'value', value } });
    } catch (error) {
      const { code, exit, message, hint } = asFailure(error, node.name);
      const told = { code, exit, message: message.slice(0, maxText), hint: hint.slice(0, maxText) };
      this.#connection.send({ t: 'answer', id, outcome: { kind: 'error', error: told } });
    }
  }

  #tellEdited(paths: readonly ReplicaPath[]): void {
    for (const { rows } of inChunks(paths))
      if (rows.length > 0) this.#connection.send({ t: 'edited', paths: rows });
  }

  /** A sender that has nothing to send would not find out that it is refused by now, nor when that is over. */
  #endIfHalted(): void {
    const halted = this.#receiver?.halted();
    if (halted === undefined || !this.#connection.open) return;
    const { reason, detail, epoch } = halted;
    this.#connection.send({ t: 'refused', reason, detail, epoch });
    this.#connection.close();
  }

  /** The sender does not keep to the protocol. It is told why, in case it is only of another version. */
  #violated(detail: string): void {
    this.#connection.send({ t: 'refused', reason: 'io', detail, epoch: this.#options.node.seat().epoch });
    this.#connection.close();
  }

  /** The sender waits as well: what it sends stays on its side of the stream. */
  #pause(): void {
    this.#paused = true;
    this.#options.stream.pause();
  }

  #goOn(): void {
    this.#paused = false;
    this.handle(this.#held.splice(0));
    if (!this.#paused) this.#options.stream.resume();
  }
}

/** As much as the message of an answer takes, UTF-16 units. */
const maxText = 65_536;

function asFailure(error: unknown, node: string): Failure {
  if (error instanceof Failure) return error;
  return new Failure({
    code: 'bug',
    exit: 'bug',
    message: `${node} failed to do it: ${textOf(error)}`,
    hint: `this is a bug: please report it, with the log of ${node}`,
  });
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
