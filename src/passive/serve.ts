import type { Duplex } from 'node:stream';
import type { Reason } from '../core/failure.ts';
import type { ReplicaPath } from '../core/path.ts';
import { Directories } from '../files/confined.ts';
import { observe } from '../files/observe.ts';
import { Connection, type ConnectionEnd, type Received } from '../wire/connection.ts';
import { type FromActive, type FromPassive, parseFromActive, protocolVersion } from '../wire/message.ts';
import { refusalOf } from './greeting.ts';
import type { PassiveNode } from './node.ts';
import { shortened } from './operation.ts';
import { Serving } from './serving.ts';

type Hello = Extract<FromActive, { t: 'hello' }>;

/** A sender waits for the welcome, so that only a hostile one sends much before it. */
const maxEarly = 64;

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
  readonly #stream: Duplex;
  readonly #connection: Connection<FromActive, FromPassive>;
  #serving: Serving | undefined;
  #greeted = false;
  /** What came before the greeting was answered: it waits for the placing right. */
  readonly #early: Received<FromActive>[] = [];
  #greeting: Promise<void> = Promise.resolve();

  constructor(node: PassiveNode, stream: Duplex) {
    this.#node = node;
    this.#stream = stream;
    this.#connection = new Connection({
      stream,
      parse: parseFromActive,
      onMessages: (messages) => this.#onMessages(messages),
    });
    this.over = this.#connection.ended.then(async (end) => {
      await this.#greeting;
      await this.#serving?.close();
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
    if (refusal !== undefined) {
      this.#refuse(refusal.reason, refusal.detail);
      return this.#tellOfRival(refusal.reason, hello);
    }
    const right = hello.purpose === 'replicate' ? await this.#takeRight(hello) : undefined;
    if (hello.purpose === 'replicate' && right === undefined) {
      return this.#refuse('busy', 'another session on this node did not let go of the right to place files');
    }
    const [node, stream, connection] = [this.#node, this.#stream, this.#connection];
    this.#serving = new Serving({ node, stream, connection, hello, right });
    this.#welcome();
    if (right !== undefined)
      this.#node.onActive(hello.node, hello.watchlists === this.#node.watchlists.digest);
    this.#serving.handle(this.#early.splice(0));
  }

  async #takeRight(hello: Hello): Promise<{ release(): void } | undefined> {
    const right = await this.#node.placing.take(hello.node, () =>
      this.#connection.destroy('superseded by a newer session'),
    );
    if (right !== undefined) this.#recover(hello);
    return right;
  }

  /**
   * Nobody else places from here on, so whatever is unfinished is left over from a crash: groups first, since their
   * files wait under temporary names, then what was placed and not remembered.
   */
  #recover(hello: Hello): void {
    const { root, watchlists, cache } = this.#node;
    this.#node.recoverGroups();
    using directories = new Directories(root);
    this.#node.memoryOf(hello.node).recover((path: ReplicaPath) => {
      if (!watchlists.includes(path)) return undefined;
      const limits = { maxFileSizeBytes: Number.MAX_SAFE_INTEGER, checkWriters: false };
      const seen = observe({ directories, path, cache, ...limits });
      return seen.kind === 'entry' ? seen.entry : undefined;
    });
    this.#node.sweep();
  }

  /** Two nodes that are active at once: which one steps down is not for the session to say. */
  #tellOfRival(reason: Reason, hello: Hello): void {
    if (reason === 'split-brain') this.#node.onSplitBrain(hello.node);
    if (reason === 'peer-is-active' && hello.epoch > this.#node.seat().epoch)
      this.#node.onNewerEpoch(hello.epoch, hello.node);
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
      now: Date.now(),
      highest: this.#node.highestEpoch(),
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
