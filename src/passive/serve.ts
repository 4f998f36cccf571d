import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import type { Reason } from '../core/failure.ts';
import { admitSender } from '../core/seat.ts';
import { Connection, type ConnectionEnd, type Received } from '../wire/connection.ts';
import {
  type AckResult,
  type FromActive,
  type FromPassive,
  parseFromActive,
  protocolVersion,
} from '../wire/message.ts';
import { Applier } from './apply.ts';
import { refusalOf } from './greeting.ts';
import { Inspector } from './inspect.ts';
import type { PassiveNode, PeerMemory } from './node.ts';
import { type Operation, shortened } from './operation.ts';

type Hello = Extract<FromActive, { t: 'hello' }>;
type Receiving = Extract<Operation, { kind: 'receiving' }>;

/** A sender waits for the welcome, so that only a hostile one sends much before it. */
const maxEarly = 64;

/** A batch is committed when this much waits, or as soon as nothing more arrives. */
const batchLimits = { operations: 256, bytes: 16 * 1024 * 1024 };

/**
 * Serves one session over any duplex stream. Tells `onEnd` why it is over. Nothing but `hello` is accepted first:
 *
 *     greeting --hello, admitted--> serving --end, superseded--> over
 *         \--anything else, refused--> over
 */
export async function serve(
  node: PassiveNode,
  stream: Duplex,
  onEnd?: (end: ConnectionEnd) => void,
): Promise<void> {
  const session = new Session(node, stream);
  const end = await session.over;
  onEnd?.(end);
}

class Session {
  readonly over: Promise<ConnectionEnd>;
  readonly #node: PassiveNode;
  readonly #connection: Connection<FromActive, FromPassive>;
  #serving: Serving | undefined;
  #greeted = false;
  /** What came before the greeting was answered: it waits for the placing right. */
  readonly #early: Received<FromActive>[] = [];
  #greeting: Promise<void> = Promise.resolve();

  constructor(node: PassiveNode, stream: Duplex) {
    this.#node = node;
    this.#connection = new Connection({
      stream,
      parse: parseFromActive,
      onMessages: (messages) => this.#onMessages(messages),
    });
    this.over = this.#connection.ended.then(async (end) => {
      await this.#greeting;
      this.#serving?.close();
      return end;
    });
  }

  #onMessages(messages: Received<FromActive>[]): void {
    if (this.#serving !== undefined) return this.#serving.handle(messages);
    this.#early.push(...messages);
    if (this.#early.length > maxEarly)
      return this.#connection.destroy('too much before the greeting was answered');
    if (this.#greeted) return;
    this.#greeted = true;
    this.#greeting = this.#greet().catch((error: unknown) => {
      this.#connection.destroy(`the greeting failed: ${String(error)}`);
    });
  }

  async #greet(): Promise<void> {
    const first = this.#early.shift();
    if (first === undefined || first.message.t !== 'hello')
      return this.#refuse('io', `expected hello first, found ${first?.message.t ?? 'nothing'}`);
    const hello = first.message;
    const refusal = refusalOf(this.#node, hello);
    if (refusal === undefined && hello.purpose === 'replicate') this.#node.learnEpoch(hello.epoch);
    if (refusal !== undefined) return this.#refuse(refusal.reason, refusal.detail);
    const right = hello.purpose === 'replicate' ? await this.#takeRight(hello) : undefined;
    if (hello.purpose === 'replicate' && right === undefined) {
      return this.#refuse('busy', 'another session on this node did not let go of the right to place files');
    }
    this.#serving = new Serving(this.#node, this.#connection, hello, right);
    this.#welcome();
    this.#serving.handle(this.#early.splice(0));
  }

  async #takeRight(hello: Hello): Promise<{ release(): void } | undefined> {
    const right = await this.#node.placing.take(hello.node, () =>
      this.#connection.destroy('superseded by a newer session'),
    );
    // Nobody else places from here on, so whatever has a temporary name is left over from a crash.
    if (right !== undefined) this.#node.sweep();
    return right;
  }

  #welcome(): void {
    const seat = this.#node.seat();
    this.#connection.send({
      t: 'welcome',
      protocol: protocolVersion,
      node: this.#node.name,
      version: this.#node.version,
      role: seat.role,
      epoch: seat.epoch,
      ha: this.#node.haSwitch().state,
      watchlists: this.#node.watchlists.digest,
    });
  }

  #refuse(reason: Reason, detail: string): void {
    this.#connection.send({
      t: 'refused',
      reason,
      detail: shortened(detail),
      epoch: this.#node.seat().epoch,
    });
    this.#connection.close();
  }
}

/** The part of a session after the handshake. */
class Serving {
  readonly #node: PassiveNode;
  readonly #connection: Connection<FromActive, FromPassive>;
  readonly #hello: Hello;
  readonly #right: { release(): void } | undefined;
  readonly #memory: PeerMemory;
  readonly #applier: Applier;
  readonly #inspector: Inspector;
  readonly #receiving = new Map<number, Receiving>();
  #commitPlanned = false;
  #arrived = 0;

  constructor(
    node: PassiveNode,
    connection: Connection<FromActive, FromPassive>,
    hello: Hello,
    right: { release(): void } | undefined,
  ) {
    this.#node = node;
    this.#connection = connection;
    this.#hello = hello;
    this.#right = right;
    this.#memory = node.memoryOf(hello.node);
    this.#inspector = new Inspector(node, connection, this.#memory);
    this.#applier = new Applier({
      ...node.limits,
      root: node.root,
      watchlists: node.watchlists,
      cache: node.cache,
      agreed: (path) => this.#memory.agreed(path),
      keepVersion: (kept) => node.keepVersion({ ...kept, epoch: hello.epoch, peer: hello.node }),
      nonce: () => randomBytes(6).toString('hex'),
      ...(node.renames === undefined ? {} : { renames: node.renames }),
    });
  }

  handle(messages: readonly Received<FromActive>[]): void {
    this.#arrived += 1;
    for (const { message, body } of messages) {
      if (this.#connection.open) this.#handle(message, body);
    }
    const { operations, bytes } = this.#applier.waiting;
    if (operations >= batchLimits.operations || bytes >= batchLimits.bytes) this.#commit();
    else if (operations > 0) this.#planCommit();
  }

  close(): void {
    for (const operation of this.#receiving.values()) this.#applier.abort(operation);
    this.#receiving.clear();
    if (this.#connection.open === false && this.#applier.waiting.operations > 0) this.#commit();
    this.#node.cache.commit();
    this.#right?.release();
  }

  #handle(message: FromActive, body: Buffer): void {
    switch (message.t) {
      case 'hello':
        return this.#violated('hello came twice');
      case 'push': {
        const halted = this.#halted(message.epoch);
        if (halted !== undefined) return this.#connection.send({ t: 'ack', id: message.id, result: halted });
        if (this.#receiving.has(message.id)) return this.#violated(`the id ${message.id} came twice`);
        const receiving = this.#applier.begin(message, body);
        if (receiving !== undefined) this.#receiving.set(message.id, receiving);
        return;
      }
      case 'chunk':
        return this.#onChunk(message.id, body, message.last);
      case 'abort': {
        const operation = this.#receiving.get(message.id);
        this.#receiving.delete(message.id);
        if (operation !== undefined) this.#applier.abort(operation);
        return;
      }
      case 'ping':
        return this.#connection.send({ t: 'pong', id: message.id });
      case 'manifest':
      case 'directories':
      case 'agreed':
      case 'look':
      case 'fetch':
        return this.#inspector.handle(message);
    }
  }

  /** The sender does not keep to the protocol. It is told why, in case it is only of another version. */
  #violated(detail: string): void {
    this.#connection.send({ t: 'refused', reason: 'io', detail, epoch: this.#node.seat().epoch });
    this.#connection.close();
  }

  #onChunk(id: number, body: Buffer, last: boolean): void {
    const operation = this.#receiving.get(id);
    // Chunks of a push that was refused at its beginning are on their way still: they are dropped.
    if (operation === undefined) return;
    if (!this.#applier.continue(operation, body, last) || last) this.#receiving.delete(id);
  }

  /** Commits once two turns of the event loop brought nothing new, so that a burst makes large batches. */
  #planCommit(): void {
    if (this.#commitPlanned) return;
    this.#commitPlanned = true;
    const arrived = this.#arrived;
    setImmediate(() =>
      setImmediate(() => {
        this.#commitPlanned = false;
        if (this.#applier.waiting.operations === 0) return;
        if (this.#arrived === arrived) this.#commit();
        else this.#planCommit();
      }),
    );
  }

  #commit(): void {
    const results = this.#applier.commit(this.#halted(this.#hello.epoch));
    for (const { push, result } of results) {
      const agreed = result.kind === 'applied' || result.kind === 'already-there';
      if (agreed && this.#node.watchlists.includes(push.path)) {
        this.#memory.record(push.path, push.put);
        this.#memory.resolved(push.path);
      }
      if (result.kind === 'conflict') {
        this.#memory.conflict({
          path: push.path,
          kind: result.conflict,
          active: push.put,
          passive: result.found,
          epoch: push.epoch,
        });
      }
      if (result.kind === 'applied') this.#node.log({ kind: 'placed', path: push.path, what: push.put.kind });
      if (result.kind === 'refused') {
        this.#node.log({
          kind: 'path-failed',
          peer: this.#hello.node,
          path: push.path,
          reason: result.reason,
          detail: result.detail,
        });
      }
    }
    this.#node.settleVersions();
    this.#memory.commit();
    for (const { push, result } of results) this.#connection.send({ t: 'ack', id: push.id, result });
  }

  /** Why nothing may be placed now: the switch and the seat may change in the middle of a session. */
  #halted(epoch: number): AckResult | undefined {
    const seat = this.#node.seat();
    if (this.#hello.purpose !== 'replicate') {
      return {
        kind: 'refused',
        reason: 'superseded',
        detail: 'this session was opened to look only',
        epoch: seat.epoch,
      };
    }
    const refusal = admitSender(seat, this.#node.haSwitch(), epoch);
    if (refusal === undefined) return undefined;
    return {
      kind: 'refused',
      reason: refusal,
      detail: `${this.#node.name} refuses: ${refusal}`,
      epoch: seat.epoch,
    };
  }
}
