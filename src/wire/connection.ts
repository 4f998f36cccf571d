import type { Duplex } from 'node:stream';
import { encodeHead, FrameDecoder, maxBodyBytes, packFrames, preamble } from './frame.ts';
import { expectLargeBodies } from './large-bodies.ts';
import type { Parsed } from './message.ts';

export type Received<Message> = { readonly message: Message; readonly body: Buffer };

/** Why a connection is over: the peer ended it, we did, or something broke. `detail` is for a person. */
export type ConnectionEnd = { readonly kind: 'ended' | 'closed-here' | 'broken'; readonly detail: string };

export type ConnectionOptions<In> = {
  readonly stream: Duplex;
  readonly parse: (header: unknown) => Parsed<In>;
  /** Called once a chunk with all messages that it completed, in order. */
  readonly onMessages: (messages: Received<In>[]) => void;
};

/** Bytes of frames that are handed to the stream at once, at the latest. */
const mostGathered = 64 * 1024;
/** The same where they are packed, which pays the more the more there is. */
const mostGatheredToPack = 256 * 1024;

/** Messages over any duplex stream. Knows frames and shapes, not what they mean. */
export class Connection<In, Out extends object> {
  readonly ended: Promise<ConnectionEnd>;
  readonly #stream: Duplex;
  readonly #decoder = new FrameDecoder();
  readonly #options: ConnectionOptions<In>;
  #end: ((end: ConnectionEnd) => void) | undefined;
  /** Heads and bodies of the frames of this turn of the event loop, and how many bytes they are. */
  #gathered: Uint8Array[] = [];
  #gatheredBytes = 0;
  #packs = false;
  #drain: Promise<void> | undefined;
  #drained: (() => void) | undefined;
  /** Who waits until the stream has taken a body. */
  readonly #untaken = new Set<() => void>();

  constructor(options: ConnectionOptions<In>) {
    this.#options = options;
    this.#stream = options.stream;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#stream.on('data', (chunk: Buffer) => this.#onData(chunk));
    this.#stream.on('end', () => this.#onEnd());
    this.#stream.on('close', () => this.#onClose());
    this.#stream.on('drain', () => this.#onDrain());
    // The listener stays for the whole life of the stream: ssh2 may report an error more than once.
    this.#stream.on('error', (error) => this.#finish({ kind: 'broken', detail: error.message }));
    this.#stream.write(preamble);
  }

  get open(): boolean {
    return this.#end !== undefined;
  }

  /** From now on what is sent travels compressed where that makes it less. The peer must know packed frames. */
  pack(): void {
    this.#packs = true;
  }

  /** Whether the stream takes no more for now. */
  get congested(): boolean {
    return this.open && this.#stream.writableNeedDrain;
  }

  /**
   * Sends one message. All that is sent in one turn of the event loop leaves in one write, or a few: a channel of
   * ssh2 makes a packet, with its own cipher and system calls, of each write. `body` is copied then, and must not change before.
   */
  send(message: Out, body?: Uint8Array): void {
    if (!this.open) return;
    const bodyBytes = body?.byteLength ?? 0;
    const head = encodeHead(message, bodyBytes);
    if (this.#gatheredBytes === 0) process.nextTick(() => this.#flush());
    this.#gathered.push(head);
    if (body !== undefined && bodyBytes > 0) this.#gathered.push(body);
    this.#gatheredBytes += head.byteLength + bodyBytes;
    // What is gathered here the stream does not know of, and it is the stream that says when it is too much.
    if (this.#gatheredBytes >= (this.#packs ? mostGatheredToPack : mostGathered)) this.#flush();
  }

  /** As `send`, without a copy of a large body. Resolves when the stream has no use for its memory any more, or is over. */
  sendLarge(message: Out, body: Uint8Array): Promise<void> {
    if (!this.open || this.#packs || body.byteLength < mostGathered) {
      this.send(message, Buffer.from(body));
      return Promise.resolve();
    }
    expectLargeBodies();
    const head = encodeHead(message, body.byteLength);
    this.#flush();
    this.#stream.write(head);
    return new Promise((resolve) => {
      const taken = (): void => {
        this.#untaken.delete(taken);
        resolve();
      };
      // A channel of ssh2 that closes never says what became of it.
      this.#untaken.add(taken);
      this.#stream.write(body, taken);
    });
  }

  #flush(): void {
    const parts = this.#gathered;
    if (parts.length === 0) return;
    // A head alone is ours; a body is somebody's, who may use its memory again.
    const [first] = parts;
    const whole =
      parts.length === 1 && first !== undefined ? first : Buffer.concat(parts, this.#gatheredBytes);
    this.#gathered = [];
    this.#gatheredBytes = 0;
    this.#stream.write((this.#packs ? packFrames(whole) : undefined) ?? whole);
  }

  /** Resolves when the stream takes more without piling up, or when it is over. */
  async writable(): Promise<void> {
    while (this.congested) {
      this.#drain ??= new Promise((resolve) => {
        this.#drained = resolve;
      });
      await this.#drain;
    }
  }

  #onDrain(): void {
    this.#drain = undefined;
    this.#drained?.();
    this.#drained = undefined;
  }

  /** Ends politely: what was sent still leaves. */
  close(): void {
    if (this.open) this.#flush();
    this.#stream.end();
    this.#finish({ kind: 'closed-here', detail: 'closed here' });
  }

  /** Ends at once, for a peer that hangs or lies. */
  destroy(detail: string): void {
    this.#finish({ kind: 'broken', detail });
    this.#stream.destroy();
  }

  #onData(chunk: Buffer): void {
    if (!this.open) return;
    const { frames, fault } = this.#decoder.decode(chunk);
    const messages: Received<In>[] = [];
    let problem = fault === undefined ? undefined : `${fault.kind}: ${fault.detail}`;
    for (const { header, body } of frames) {
      const parsed = this.#options.parse(header);
      if (!parsed.ok) {
        problem = `a message that is not of the protocol (${parsed.detail})`;
        break;
      }
      if (body.byteLength >= maxBodyBytes) expectLargeBodies();
      messages.push({ message: parsed.message, body });
    }
    if (messages.length > 0) this.#options.onMessages(messages);
    if (problem !== undefined) this.destroy(problem);
  }

  /** A stream that closes without a word is over; in the middle of a frame it is broken. */
  #onClose(): void {
    if (this.#decoder.end()?.kind === 'truncated') return this.#onEnd();
    this.#finish({ kind: 'ended', detail: 'the peer closed the connection' });
  }

  #onEnd(): void {
    if (!this.open) return;
    const fault = this.#decoder.end();
    if (fault === undefined) this.#finish({ kind: 'ended', detail: 'the peer closed the connection' });
    else this.#finish({ kind: 'broken', detail: `${fault.kind}: ${fault.detail}` });
    this.#stream.end();
  }

  #finish(end: ConnectionEnd): void {
    this.#end?.(end);
    this.#end = undefined;
    this.#onDrain();
    for (const taken of this.#untaken) taken();
  }
}
