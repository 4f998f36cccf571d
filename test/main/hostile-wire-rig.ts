import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Duplex, duplexPair } from 'node:stream';
import { stringify } from 'yaml';
import { composePassive, type PassiveHooks } from '../../src/cli/compose-passive.ts';
import { type Node, openNode } from '../../src/cli/node.ts';
import type { FileEntry } from '../../src/core/entry.ts';
import type { Event } from '../../src/core/event.ts';
import type { Renames } from '../../src/files/place.ts';
import type { PassiveNode } from '../../src/passive/node.ts';
import { placingRight } from '../../src/passive/placing.ts';
import { serve } from '../../src/passive/serve.ts';
import type { ConnectionEnd } from '../../src/wire/connection.ts';
import { FrameDecoder, preamble } from '../../src/wire/frame.ts';
import { type FromPassive, parseFromPassive } from '../../src/wire/message.ts';
import { encodeFrame } from '../rig/frames.ts';
import { temporaryFolder } from '../world/tree.ts';

export type Answer<T extends FromPassive['t']> = Extract<FromPassive, { t: T }>;

export type PassiveOptions = {
  /** More keys of its watchlist. */
  readonly watchlist?: Readonly<Record<string, unknown>>;
  /** More keys of its limits. */
  readonly limits?: Readonly<Record<string, unknown>>;
  readonly hooks?: PassiveHooks;
  readonly renames?: Renames;
};

/** A passive node with a real disk and state, whose sessions run in this process over a pair of streams. */
export class Passive implements AsyncDisposable {
  readonly root: string;
  readonly node: Node;
  readonly events: Event[];
  readonly #folder: string;
  readonly #served: PassiveNode;
  readonly #senders: Sender[] = [];

  private constructor(folder: string, node: Node, events: Event[], options: PassiveOptions) {
    this.#folder = folder;
    this.root = join(folder, 'root');
    this.node = node;
    this.events = events;
    const served = composePassive(node, placingRight(join(folder, 'state', 'placing.lock')), options.hooks);
    this.#served = { ...served, ...(options.renames === undefined ? {} : { renames: options.renames }) };
  }

  static async open(options: PassiveOptions = {}): Promise<Passive> {
    const folder = temporaryFolder('wire');
    const file = join(folder, 'config.yml');
    const watchlist = join(folder, 'watchlist.yml');
    mkdirSync(join(folder, 'root', 'etc'), { recursive: true });
    mkdirSync(join(folder, 'state'), { mode: 0o700 });
    const list = { name: 'test', include: ['/etc/**'], exclude: ['/etc/hostname'], ...options.watchlist };
    writeFileSync(watchlist, stringify(list));
    const places = {
      root: join(folder, 'root'),
      state: join(folder, 'state'),
      runtime: join(folder, 'run'),
    };
    writeFileSync(
      file,
      stringify({
        ...places,
        node: 'mail2',
        watchlists: [watchlist],
        limits: { minFreeDisk: 1, ...options.limits },
      }),
      { mode: 0o600 },
    );
    const events: Event[] = [];
    const node = await openNode(file, (event) => events.push(event));
    node.seats.write({ role: 'passive', epoch: 5 });
    return new Passive(folder, node, events, options);
  }

  get config(): string {
    return join(this.#folder, 'config.yml');
  }

  /** The other end of a session, with how it ends. */
  stream(): { stream: Duplex; over: Promise<ConnectionEnd> } {
    const [stream, theirs] = duplexPair();
    const over = new Promise<ConnectionEnd>((resolve, reject) => {
      serve(this.#served, theirs, resolve).catch(reject);
    });
    return { stream, over };
  }

  /** A session in which nothing was said yet. */
  connect(): Sender {
    const { stream, over } = this.stream();
    const sender = new Sender(stream, over);
    this.#senders.push(sender);
    return sender;
  }

  /** A session after the handshake. */
  async session(): Promise<Sender> {
    const sender = this.connect();
    sender.hello();
    await sender.next('welcome');
    return sender;
  }

  /** Everything in the tree, so that any change of it shows. */
  tree(): string {
    const lines: string[] = [];
    const walk = (folder: string): void => {
      for (const name of readdirSync(folder).sort()) {
        const path = join(folder, name);
        const stats = lstatSync(path);
        const what = stats.isFile()
          ? readFileSync(path, 'latin1')
          : stats.isSymbolicLink()
            ? readlinkSync(path)
            : '/';
        lines.push(
          `${path.slice(this.root.length)} ${stats.mode.toString(8)} ${stats.uid} ${JSON.stringify(what)}`,
        );
        if (stats.isDirectory()) walk(path);
      }
    };
    walk(this.root);
    return lines.join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const sender of this.#senders) await sender.cut();
    this.node.database.close();
    // Paths may be longer than a single call takes.
    execFileSync('rm', ['-rf', this.#folder]);
  }
}

/** The active's end of one session: says whatever it is told to say. */
export class Sender {
  readonly over: Promise<ConnectionEnd>;
  readonly #stream: Duplex;
  readonly #decoder = new FrameDecoder();
  readonly #answers: FromPassive[] = [];
  /** The bodies of all `content` and `blocks` that came, one after the other. */
  content = Buffer.alloc(0);
  #wake: (() => void) | undefined;
  #ended = false;
  #lastId = 0;
  #gathered: Uint8Array[] | undefined;

  constructor(stream: Duplex, over: Promise<ConnectionEnd>) {
    this.#stream = stream;
    this.over = over;
    stream.on('data', (chunk: Buffer) => this.#onData(chunk));
    stream.on('error', () => this.#onEnd());
    stream.on('close', () => this.#onEnd());
    stream.on('end', () => this.#onEnd());
    void over.then(() => setImmediate(() => this.#onEnd()));
    this.raw(preamble);
  }

  raw(bytes: Uint8Array): void {
    if (this.#gathered === undefined) this.#stream.write(bytes);
    else this.#gathered.push(bytes);
  }

  /** All that `work` says arrives in one piece. */
  together<T>(work: () => T): T {
    this.#gathered = [];
    const result = work();
    const whole = Buffer.concat(this.#gathered);
    this.#gathered = undefined;
    this.raw(whole);
    return result;
  }

  /** Bytes that the other side has not taken yet. */
  get unsent(): number {
    return this.#stream.writableLength;
  }

  /** Sends any header; nothing checks it on this side. */
  say(header: unknown, body?: Uint8Array): void {
    this.raw(encodeFrame(header, body));
  }

  hello(changes: Readonly<Record<string, unknown>> = {}): void {
    const greeting = {
      protocol: 1,
      node: 'mail1',
      version: '1',
      role: 'active',
      epoch: 5,
      ha: 'enabled',
      now: 0,
    };
    this.say({ t: 'hello', purpose: 'replicate', ...greeting, watchlists: 'w', ...changes });
  }

  /** Pushes a small file; any part of the message can be changed. Returns its id. */
  push(path: string, text: string, changes: Readonly<Record<string, unknown>> = {}): number {
    this.#lastId += 1;
    const id = this.#lastId;
    const message = { t: 'push', id, epoch: 5, path, expect: { kind: 'absent' }, put: fileOf(text) };
    const whole = { ...message, content: 'inline', ...changes };
    this.say(whole, whole.content === 'inline' ? Buffer.from(text) : undefined);
    return id;
  }

  /** The next answer, which has to be of this kind. Fails when the session ends instead. */
  async next<T extends FromPassive['t']>(t: T): Promise<Answer<T>> {
    await this.#more(t);
    const answer = this.#answers.shift();
    if (answer?.t !== t) throw new Error(`expected ${t}, found ${JSON.stringify(answer)}`);
    return answer as Answer<T>;
  }

  async #more(t: string): Promise<void> {
    while (this.#answers.length === 0) {
      if (this.#ended)
        throw new Error(`expected ${t}, but the session ended: ${JSON.stringify(await this.over)}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Waits until there is an answer, and leaves it. */
  peek(): Promise<void> {
    return this.#more('an answer');
  }

  /** The next answer of this kind; what else comes meanwhile is passed over. */
  async until<T extends FromPassive['t']>(t: T): Promise<Answer<T>> {
    for (;;) {
      await this.#more(t);
      const answer = this.#answers.shift();
      if (answer?.t === t) return answer as Answer<T>;
    }
  }

  /** The answer to one push. */
  async ack(id: number): Promise<Answer<'ack'>['result']> {
    const answer = await this.next('ack');
    if (answer.id !== id) throw new Error(`expected the ack of ${id}, found that of ${answer.id}`);
    return answer.result;
  }

  /** Everything that came and was not taken. */
  rest(): readonly FromPassive[] {
    return this.#answers;
  }

  /** Ends the stream without a word, and waits until the passive is done with it. */
  async cut(): Promise<ConnectionEnd> {
    this.#stream.end();
    return this.over;
  }

  #onData(chunk: Buffer): void {
    const { frames, fault } = this.#decoder.decode(chunk);
    if (fault !== undefined) throw new Error(`the passive sent ${fault.kind}`);
    for (const { header, body } of frames) {
      const parsed = parseFromPassive(header);
      if (!parsed.ok) throw new Error(`the passive sent what no active takes: ${parsed.detail}`);
      if (parsed.message.t === 'content' || parsed.message.t === 'blocks')
        this.content = Buffer.concat([this.content, body]);
      this.#answers.push(parsed.message);
    }
    this.#wake?.();
  }

  #onEnd(): void {
    this.#ended = true;
    this.#wake?.();
  }
}

/** The entry of a file with this content. */
export function fileOf(text: string, changes: Partial<FileEntry> = {}): FileEntry {
  const digest = createHash('sha256').update(text).digest('hex');
  const size = Buffer.byteLength(text);
  const common = { owner: 'root', group: 'root', mode: 0o644, mtime: '1700000000.000000000', xattrs: {} };
  return { kind: 'file', digest, size, ...common, ...changes };
}
