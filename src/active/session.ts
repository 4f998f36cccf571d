import type { Duplex } from 'node:stream';
import type { Reason } from '../core/failure.ts';
import type { ReplicaPath } from '../core/path.ts';
import type { Push } from '../core/plan.ts';
import type { Seat } from '../core/seat.ts';
import { passed } from '../log/trace.ts';
import { Connection, type ConnectionEnd, type Received } from '../wire/connection.ts';
import {
  type AckResult,
  type FromActive,
  type FromPassive,
  type PushMessage,
  parseFromPassive,
  protocolVersion,
  type Standing,
  type Welcome,
} from '../wire/message.ts';
import { type Content, ContentChanged, type Piece } from './content.ts';
import { Overdue } from './overdue.ts';

/** So much of a content is sent, or found on the peer, in one turn of the event loop at most. */
const bytesPerTurn = 1024 * 1024;

/** Pushes that are placed together or not at all. */
export type PushSet = NonNullable<PushMessage['set']>;

/** The answer to a push, or that none will come: the link is gone, or the file changed while it was sent. */
export type PushOutcome = AckResult | { readonly kind: 'lost' } | { readonly kind: 'changed' };

export type SessionOptions = {
  readonly stream: Duplex;
  readonly purpose: 'replicate' | 'inspect' | 'request';
  readonly node: string;
  readonly version: string;
  readonly seat: Seat;
  readonly watchlists: string;
  /** Paths that somebody changed on the peer, as it tells them. */
  readonly onEdited?: (paths: readonly ReplicaPath[]) => void;
  /** How long an answer may take when nothing else is heard either, milliseconds. */
  readonly answerDeadlineMs: number;
  /** Whether what is sent is worth to be compressed. Default no. */
  readonly isSlow?: boolean;
};

export type Opened =
  /** `skewMs`: the peer's clock minus ours, as exact as the round trip is short. */
  | {
      readonly kind: 'open';
      readonly session: Session;
      readonly welcome: Welcome;
      readonly skewMs: number;
    }
  | { readonly kind: 'refused'; readonly reason: Reason; readonly detail: string; readonly epoch: number }
  | { readonly kind: 'ended'; readonly detail: string };

export type Answer = Exclude<
  FromPassive,
  { t: 'welcome' | 'refused' | 'ack' | 'acks' | 'edited' | 'working' }
>;
/** A message, or one with a body. */
export type Question = FromActive | { readonly message: FromActive; readonly body: Uint8Array };
type Waiting = { sentAt: number; onAnswer(answer: Answer, body: Buffer): void; onLost(): void };

/** The sender's side of a session: pushes and questions, each with its answer. */
export class Session {
  readonly ended: Promise<ConnectionEnd>;
  readonly #connection: Connection<FromPassive, FromActive>;
  readonly #options: SessionOptions;
  readonly #pushes = new Map<number, { sentAt: number; settle(outcome: PushOutcome): void }>();
  readonly #questions = new Map<number, Waiting>();
  #greeting: ((opened: Opened) => void) | undefined;
  #nextId = 1;
  readonly #openedAt = Date.now();
  #heardAt = performance.now();
  #speaksAlike = false;
  readonly #overdue: Overdue;

  private constructor(options: SessionOptions, greeted: (opened: Opened) => void) {
    this.#options = options;
    this.#greeting = greeted;
    this.#connection = new Connection({
      stream: options.stream,
      parse: parseFromPassive,
      onMessages: (messages) => this.#onMessages(messages),
    });
    const { answerDeadlineMs: deadlineMs } = options;
    this.#overdue = new Overdue({
      deadlineMs,
      waitingSince: () => this.#oldestWaiting(),
      heardAt: () => this.#heardAt,
      onOverdue: () => this.destroy(`no answer within ${deadlineMs} ms`),
    });
    this.ended = this.#connection.ended;
    void this.ended.then((end) => this.#onEnd(end));
  }

  /** Opens a session: sends hello and waits for the welcome or the refusal. */
  static open(options: SessionOptions): Promise<Opened> {
    return new Promise((resolve) => {
      const session = new Session(options, resolve);
      session.#watch();
      session.#connection.send({
        t: 'hello',
        purpose: options.purpose,
        protocol: protocolVersion,
        node: options.node,
        version: options.version,
        role: options.seat.role,
        epoch: options.seat.epoch,
        ha: 'enabled',
        watchlists: options.watchlists,
        now: Date.now(),
      });
    });
  }

  get open(): boolean {
    return this.#connection.open;
  }

  /** Of this node, as it was when the session began. */
  get epoch(): number {
    return this.#options.seat.epoch;
  }

  /** Whether the peer runs this very version, so that it knows every message there is. */
  get speaksAlike(): boolean {
    return this.#speaksAlike;
  }

  close(): void {
    this.#connection.close();
  }

  destroy(detail: string): void {
    this.#connection.destroy(detail);
  }

  /** Whether the link takes no more for now. */
  get congested(): boolean {
    return this.#connection.congested;
  }

  /** Resolves when the link takes more, so that what waits to be sent stays on disk and not in memory. */
  writable(): Promise<void> {
    return this.#connection.writable();
  }

  /** Sends one push. Never rejects. */
  push(push: Push, content: Content, set?: PushSet): Promise<PushOutcome> {
    return new Promise((resolve) => this.send(push, content, resolve, set));
  }

  /** As push; `onOutcome` is called once, at once where the link is gone. */
  send(push: Push, content: Content, onOutcome: (outcome: PushOutcome) => void, set?: PushSet): void {
    if (!this.open) return onOutcome({ kind: 'lost' });
    const id = this.#takeId();
    const waiting = { sentAt: performance.now(), settle: onOutcome };
    this.#pushes.set(id, waiting);
    this.#watch();
    const { path, expect, put } = push;
    const { epoch } = this;
    const message: PushMessage = { t: 'push', id, epoch, path, expect, put, content: content.kind };
    if (set !== undefined) message.set = set;
    this.#connection.send(message, content.kind === 'inline' ? content.bytes : undefined);
    passed('sent', path);
    if (content.kind !== 'stream' && content.kind !== 'delta') return;
    void this.#sendChunks(id, content.chunks, waiting).then((isWhole) => {
      if (!isWhole && this.#pushes.delete(id)) onOutcome({ kind: 'changed' });
    });
  }

  /** Sends the content; false when the source broke off and the push was withdrawn. */
  async #sendChunks(
    id: number,
    chunks: () => Iterable<Piece>,
    waiting: { sentAt: number },
  ): Promise<boolean> {
    let sinceTurn = 0;
    try {
      for (const piece of chunks()) {
        waiting.sentAt = performance.now();
        sinceTurn += Buffer.isBuffer(piece) ? piece.byteLength : piece.bytes;
        await this.#sendPiece(id, piece);
        // What was sent leaves only between two turns, and others want theirs.
        if (sinceTurn >= bytesPerTurn) {
          sinceTurn = 0;
          await new Promise((resolve) => setImmediate(resolve));
        }
        await this.writable();
        if (!this.open || !this.#pushes.has(id)) return true;
      }
    } catch (error) {
      if (!(error instanceof ContentChanged)) throw error;
      this.#connection.send({ t: 'abort', id });
      return false;
    }
    this.#connection.send({ t: 'chunk', id, last: true });
    return true;
  }

  /** Resolves when the piece may be overwritten. */
  async #sendPiece(id: number, piece: Piece): Promise<void> {
    if (Buffer.isBuffer(piece)) await this.#connection.sendLarge({ t: 'chunk', id, last: false }, piece);
    else this.#connection.send({ t: 'chunk', id, last: false, copy: piece });
  }

  /** Asks; collects answers until the one that `isLast` accepts. Undefined when the link ended before. */
  ask(
    question: (id: number) => Question[],
    onAnswer: (answer: Answer, body: Buffer) => 'more' | 'last',
    id = this.#takeId(),
  ): Promise<boolean> {
    return new Promise((resolve) => {
      if (!this.open) return resolve(false);
      this.#questions.set(id, {
        sentAt: performance.now(),
        onAnswer: (answer, body) => {
          if (onAnswer(answer, body) === 'more') return;
          this.#questions.delete(id);
          resolve(true);
        },
        onLost: () => resolve(false),
      });
      this.#watch();
      for (const one of question(id)) {
        if ('message' in one) this.#connection.send(one.message, one.body);
        else this.#connection.send(one);
      }
    });
  }

  #takeId(): number {
    const id = this.#nextId;
    this.#nextId += 1;
    return id;
  }

  /** Tells the peer how far behind it is. */
  tell(standing: Standing): void {
    this.#connection.send({ t: 'standing', ...standing });
  }

  #onMessages(messages: readonly Received<FromPassive>[]): void {
    this.#heardAt = performance.now();
    for (const { message, body } of messages) this.#onMessage(message, body);
  }

  #onMessage(message: FromPassive, body: Buffer): void {
    switch (message.t) {
      case 'welcome':
        this.#speaksAlike = message.version === this.#options.version;
        if (this.#speaksAlike && this.#options.isSlow === true) this.#connection.pack();
        return this.#greeted({
          kind: 'open',
          session: this,
          welcome: message,
          skewMs: Math.round(message.now - (this.#openedAt + Date.now()) / 2),
        });
      case 'refused':
        // After the welcome it is the end: the seat or the switch of the peer changed.
        if (this.#greeting === undefined) return this.destroy(`the peer refused: ${message.detail}`);
        return this.#greeted({
          kind: 'refused',
          reason: message.reason,
          detail: message.detail,
          epoch: message.epoch,
        });
      case 'ack':
        return this.#settle(message.id, message.result);
      case 'acks':
        for (const id of message.ids) this.#settle(id, { kind: 'applied' });
        return;
      case 'edited':
        return this.#options.onEdited?.(message.paths);
      case 'working':
        return;
      default:
        return this.#questions.get(message.id)?.onAnswer(message, body);
    }
  }

  #settle(id: number, outcome: PushOutcome): void {
    const waiting = this.#pushes.get(id);
    this.#pushes.delete(id);
    waiting?.settle(outcome);
  }

  #greeted(opened: Opened): void {
    const greeting = this.#greeting;
    this.#greeting = undefined;
    greeting?.(opened);
  }

  #onEnd(end: ConnectionEnd): void {
    this.#overdue.stop();
    this.#greeted({ kind: 'ended', detail: end.detail });
    for (const waiting of this.#pushes.values()) waiting.settle({ kind: 'lost' });
    for (const waiting of this.#questions.values()) waiting.onLost();
    this.#pushes.clear();
    this.#questions.clear();
  }

  #watch(): void {
    if (this.open) this.#overdue.watch();
  }

  #oldestWaiting(): number | undefined {
    if (this.#greeting !== undefined) return this.#heardAt;
    // Maps keep the order of insertion, but a streamed push moves its own time on.
    let oldest: number | undefined;
    for (const { sentAt } of this.#pushes.values()) oldest = Math.min(oldest ?? sentAt, sentAt);
    for (const { sentAt } of this.#questions.values()) oldest = Math.min(oldest ?? sentAt, sentAt);
    return oldest;
  }
}
