import type { PathFailure } from '../core/failure.ts';
import type { ReplicaPath } from '../core/path.ts';
import { errnoFailure } from '../files/errno.ts';
import { passed, tracing } from '../log/trace.ts';
import type { AckResult, FromActive, FromPassive, PushMessage } from '../wire/message.ts';
import { Acknowledger } from './acknowledge.ts';
import { type Applied, Applier } from './apply.ts';
import { haltedBy } from './halted.ts';
import type { Heartbeat } from './heartbeat.ts';
import type { PassiveNode, PeerMemory } from './node.ts';
import { nonces } from './nonces.ts';
import type { Receiving, StagedOperation } from './operation.ts';
import { shortened } from './operation.ts';
import { rememberAll } from './remember.ts';
import { validate, validatorsOf } from './validate.ts';

type Content = Extract<FromActive, { t: 'push' | 'chunk' | 'abort' }>;

export type ReceiverOptions = {
  readonly node: PassiveNode;
  readonly memory: PeerMemory;
  /** The sender and its epoch. */
  readonly peer: string;
  readonly epoch: number;
  readonly heartbeat: Heartbeat;
  /** A push of the path is about to be answered; told as what it means is being remembered. */
  readonly onAnswered: (path: ReplicaPath) => void;
  readonly send: (message: FromPassive) => void;
  /** Whether the sender runs this very version, so that it knows every message there is. */
  readonly speaksAlike: boolean;
  /** The sender does not keep to the protocol. */
  readonly onViolation: (detail: string) => void;
  /** Until `onGoOn`, nothing may be handed in: files are being validated. */
  readonly onPause: () => void;
  readonly onGoOn: () => void;
  readonly onBroken: (error: unknown) => void;
};

/** A batch is committed when this much waits, or as soon as nothing more arrives. */
const batchLimits = { operations: 1024, bytes: 16 * 1024 * 1024 };

/**
 * So many pushes that wait are a bulk: every batch costs two writes of the whole file system, so one waits for more while
 * it keeps coming. A few pushes are never made to wait. Milliseconds.
 */
const bulk = { operations: 32, pauseMs: 4, longestMs: 60 };

/**
 * A push that comes alone, so long after the last batch, is placed at once: to see whether more is on its way would cost it two
 * turns of the event loop, and what comes meanwhile makes a batch of its own. Milliseconds.
 */
const aloneAfterMs = 10;

/** How long no batch came for the line to count as quiet, milliseconds. */
const quietMs = 50;

/** Programs that were told to be missing. */
const missing = new Set<string>();

/** The pushes of a session, from their arrival to their acks. */
export class Receiver {
  readonly #options: ReceiverOptions;
  readonly #applier: Applier;
  readonly #acknowledger: Acknowledger;
  readonly #receiving = new Map<number, Receiving>();
  readonly #closed = new AbortController();
  #validating: Promise<void> | undefined;
  #quiet: NodeJS.Timeout | undefined;
  #commitPlanned = false;
  #bulkSince: number | undefined;
  #arrived = 0;
  #placedAt = Number.NEGATIVE_INFINITY;
  /** Why nothing of this arrival may be placed, asked once for all of its pushes; each batch asks again. */
  #haltedOnArrival: { readonly epoch: number; readonly halted: AckResult | undefined } | undefined;
  #lastId = -1;
  /** Results of the last batch that are answered and not yet written down. */
  #unremembered: readonly Applied[] | undefined;
  readonly #onMissing = (command: string): void => {
    if (missing.has(command)) return;
    missing.add(command);
    this.#options.node.log({ kind: 'validator-skipped', command });
  };

  constructor(options: ReceiverOptions) {
    this.#options = options;
    const { node, memory, peer, epoch } = options;
    const { heartbeat, send, speaksAlike: joins, onBroken } = options;
    const onMissing = this.#onMissing;
    this.#acknowledger = new Acknowledger({ node, heartbeat, send, joins, onMissing, onBroken });
    this.#acknowledger.payOff();
    this.#applier = new Applier({
      ...node.limits,
      root: node.root,
      watchlists: node.watchlists,
      cache: node.cache,
      agreed: (path) => memory.agreed(path),
      intend: (pushes) => memory.intend(pushes),
      keepVersions: (all) => node.keepVersions(all.map((kept) => ({ ...kept, epoch, peer }))),
      keepRefused: (kept) => {
        try {
          node.keepRefused({ ...kept, epoch, peer });
        } catch (error) {
          this.#onNotKept(kept.path, errnoFailure(error, kept.path));
        }
      },
      settle: (directories) => node.settle(directories),
      keepsLater: true,
      onNotKept: (path, failure) => this.#onNotKept(path, failure),
      groups: { journal: node.journal, peer, epoch },
      nonce: nonces(),
      ...(node.renames === undefined ? {} : { renames: node.renames }),
    });
  }

  handle(message: Content, body: Buffer): void {
    this.#remember();
    switch (message.t) {
      case 'push':
        return this.#onPush(message, body);
      case 'chunk':
        return this.#onChunk(message, body);
      case 'abort': {
        const operation = this.#receiving.get(message.id);
        this.#receiving.delete(message.id);
        if (operation !== undefined) this.#applier.abort(operation);
      }
    }
  }

  /** Everything that arrived together was handed in. */
  arrived(): void {
    this.#arrived += 1;
    this.#haltedOnArrival = undefined;
    const { operations, bytes } = this.#applier.waiting;
    if (this.#isAlone(operations) || operations >= batchLimits.operations || bytes >= batchLimits.bytes)
      this.#commit();
    else if (operations > 0) this.#planCommit();
  }

  /** Places all that came before. Whether nothing is on its way here then, so that the tree is as this node remembers it. */
  rest(): boolean {
    this.#remember();
    if (this.#applier.waiting.operations > 0) this.#commit();
    this.#remember();
    return this.#receiving.size === 0 && this.#applier.waiting.operations === 0;
  }

  /**
   * The session is over. What is staged is placed, unless it would have to be validated first; the sender will
   * offer it again. Nothing is placed any more once this resolves.
   */
  async close(): Promise<void> {
    this.#closed.abort();
    clearTimeout(this.#quiet);
    await this.#validating;
    this.#remember();
    for (const operation of this.#receiving.values()) this.#applier.abort(operation);
    this.#receiving.clear();
    if (this.#applier.waiting.operations > 0 && this.#unchecked().length === 0) this.#place();
    this.#remember();
    this.#applier.drop();
    this.#orBreak(() => this.#options.node.onQuiet());
  }

  /** Resolves when the hooks of all that was placed have run. */
  settled(): Promise<void> {
    return this.#acknowledger.idle();
  }

  #onPush(push: PushMessage, body: Buffer): void {
    // By its value a push that comes again after a later one of its path looks like a new one.
    if (push.id <= this.#lastId)
      return this.#options.onViolation(`the push ${push.id} came after ${this.#lastId}`);
    this.#lastId = push.id;
    passed('received', push.path);
    if (this.#haltedOnArrival?.epoch !== push.epoch)
      this.#haltedOnArrival = { epoch: push.epoch, halted: this.halted(push.epoch) };
    const { halted } = this.#haltedOnArrival;
    // A member of a set has to be counted all the same, or the others would wait for it.
    if (halted !== undefined && push.set === undefined)
      return this.#options.send({ t: 'ack', id: push.id, result: halted });
    const fault = this.#applier.faultOf(push);
    if (fault !== undefined) return this.#options.onViolation(fault);
    if (halted === undefined) this.#acknowledger.expect(push.path);
    const receiving = this.#applier.begin(push, body, halted);
    if (receiving !== undefined) this.#receiving.set(push.id, receiving);
    else passed('staged', push.path);
  }

  #onChunk(chunk: Extract<FromActive, { t: 'chunk' }>, body: Buffer): void {
    const { id, last } = chunk;
    const operation = this.#receiving.get(id);
    // Chunks of a push that was refused at its beginning are on their way still: they are dropped.
    if (operation === undefined) return;
    if (!this.#applier.continue(operation, chunk, body) || last) this.#receiving.delete(id);
  }

  /** Commits once two turns of the event loop brought nothing new, so that a burst makes large batches. */
  #planCommit(): void {
    if (this.#commitPlanned) return;
    this.#commitPlanned = true;
    const arrived = this.#arrived;
    const look = (): void => {
      this.#commitPlanned = false;
      const { operations } = this.#applier.waiting;
      if (operations === 0) return;
      if (this.#arrived !== arrived) return this.#planCommit();
      this.#commit();
    };
    if (this.#isInBulk()) setTimeout(look, bulk.pauseMs);
    else setImmediate(() => setImmediate(look));
  }

  /** Where a hook is to run, others that call for the same one are waited for, so that it runs once. */
  #isAlone(operations: number): boolean {
    return operations === 1 && !this.#acknowledger.owes && performance.now() - this.#placedAt > aloneAfterMs;
  }

  #isInBulk(): boolean {
    if (this.#applier.waiting.operations < bulk.operations) return false;
    const now = performance.now();
    this.#bulkSince ??= now;
    return now - this.#bulkSince < bulk.longestMs;
  }

  #commit(): void {
    this.#bulkSince = undefined;
    // What waits is placed when the validators are through, or dropped at the end of the session.
    if (this.#validating !== undefined || this.#closed.signal.aborted) return;
    const unchecked = this.#unchecked();
    if (unchecked.length === 0) return this.#place();
    this.#options.onPause();
    this.#validating = this.#options.heartbeat
      .during(this.#validate(unchecked))
      .then(() => this.#place())
      .catch((error: unknown) => this.#options.onBroken(error))
      .then(() => {
        this.#validating = undefined;
        this.#options.onGoOn();
      });
  }

  /** Staged files that a validator has to pass. None, at once, where this node has no validators. */
  #unchecked(): StagedOperation[] {
    const { validators } = this.#options.node.watchlists;
    if (validators.length === 0) return [];
    return [...this.#applier.stagedFiles()].filter(({ push }) =>
      validators.some((validator) => validator.matches(push.path)),
    );
  }

  async #validate(unchecked: readonly StagedOperation[]): Promise<void> {
    const { signal } = this.#closed;
    for (const operation of unchecked) {
      const { push, staged } = operation;
      const validators = validatorsOf(push.path, this.#options.node.watchlists.validators);
      const how = { signal, onMissing: this.#onMissing };
      const failure = await validate({ temporary: staged.temporary, validators }, how);
      if (signal.aborted) return this.#applier.drop();
      if (failure === undefined) continue;
      this.#applier.refuse(operation, { ...failure, detail: shortened(failure.detail) });
    }
  }

  /**
   * What is in place and durable is answered first where that tells the sender all: a crash before it is remembered
   * here is made good from the intents, from what has a temporary name, and from the journal.
   */
  #place(): void {
    const results = this.#applier.commit(this.halted());
    if (tracing) for (const { push } of results) passed('durable', push.path);
    this.#unremembered = results;
    // A conflict is known here before the sender hears of it, and what is displaced is out of the way of hooks.
    const isPlain = results.every(({ result: { kind } }) => kind === 'applied' || kind === 'already-there');
    if (!isPlain || this.#acknowledger.owes) this.#remember();
    this.#acknowledger.acknowledge(results);
    // Acks leave at the end of this turn, and this comes right after them, or with what is handed in before that.
    if (this.#unremembered !== undefined) process.nextTick(() => this.#orBreak(() => this.#remember()));
    this.#placedAt = performance.now();
    this.#planQuiet();
  }

  /** Writes down what was placed, and keeps what that displaced, unless it was done. */
  #remember(): void {
    const results = this.#unremembered;
    if (results === undefined) return;
    this.#unremembered = undefined;
    const { node, memory, peer, onAnswered } = this.#options;
    rememberAll(results, { node, memory, peer, onAnswered });
    memory.commit();
    this.#applier.remembered();
    this.#applier.keepDisplaced();
  }

  #planQuiet(): void {
    if (this.#closed.signal.aborted) return;
    const onQuiet = (): void => this.#options.node.onQuiet();
    this.#quiet ??= setTimeout(() => this.#orBreak(onQuiet), quietMs).unref();
    this.#quiet.refresh();
  }

  #orBreak(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#options.onBroken(error);
    }
  }

  #onNotKept(path: ReplicaPath, { reason, detail }: PathFailure): void {
    this.#options.node.log({ kind: 'path-failed', path, reason, detail });
  }

  /** Why nothing may be placed now. */
  halted(epoch = this.#options.epoch): ReturnType<typeof haltedBy> {
    return haltedBy(this.#options.node, epoch);
  }
}
