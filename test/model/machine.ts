import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { stringify } from 'yaml';
import { composePassive } from '../../src/cli/compose-passive.ts';
import { Daemon } from '../../src/cli/daemon/daemon.ts';
// Loaded by the daemon once it watches, for which no turn of the model's time waits.
import '../../src/cli/daemon/sides.ts';
import { serveRequest } from '../../src/cli/daemon/requests.ts';
import { type Node, openNode } from '../../src/cli/node.ts';
import { receiverHooks } from '../../src/cli/receiver-hooks.ts';
import type { Event } from '../../src/core/event.ts';
import { Failure } from '../../src/core/failure.ts';
import type { ReplicaPath } from '../../src/core/path.ts';
import type { Role } from '../../src/core/seat.ts';
import { kernelRenames, type Renames } from '../../src/files/place.ts';
import type { PlacingRight } from '../../src/passive/node.ts';
import { placingRight } from '../../src/passive/placing.ts';
import { serve } from '../../src/passive/serve.ts';
import type { Database } from '../../src/state/database.ts';
import { Crash, onStray } from './clock.ts';
import { listen, unlisten } from './stand-ins/control.ts';
import { bury, cutLinks, serveLinks } from './stand-ins/link.ts';
import { hintAt } from './stand-ins/watcher.ts';

export type Name = 'a' | 'b';
export type Policy = 'hold' | 'active-wins';

/** Two names that a name pairs with. */
export function otherThan(name: Name): Name {
  return name === 'a' ? 'b' : 'a';
}

/** Everything of a node that a crash takes away. */
type Life = {
  readonly identity: string;
  /** The daemon's and the receivers': two processes, two connections to the state. */
  readonly node: Node;
  readonly receiving: Node;
  readonly daemon: Daemon;
  readonly rights: Set<{ release(): void }>;
  readonly sessions: Set<Promise<void>>;
  readonly died: AbortController;
  dead: boolean;
};

/** What differs between the configurations of histories; `deleteHoldMs`: as in the configuration. */
export type Settings = { readonly policy: Policy; readonly deleteHoldMs: number };

type Seat = { readonly role: Role; readonly epoch: number };

let lives = 0;

/** One node of a history: its disk, its state, and the processes that run on it, until it crashes. */
export class Machine {
  readonly name: Name;
  readonly folder: string;
  readonly root: string;
  readonly events: Event[] = [];
  #life: Life | undefined;
  #firstSeat: Seat | undefined;
  #effectsLeft: number | undefined;
  #onLastEffect: () => void = () => undefined;

  /** The folder is kept between histories: the configuration stays. */
  constructor(folder: string, name: Name) {
    this.name = name;
    this.folder = folder;
    this.root = join(folder, 'root');
  }

  /** An empty node that will have this seat when it starts. */
  prepare(seat: Seat, { policy, deleteHoldMs }: Settings): void {
    this.events.length = 0;
    this.#effectsLeft = undefined;
    rmSync(this.folder, { recursive: true, force: true });
    mkdirSync(join(this.root, 'etc'), { recursive: true });
    const at = (file: string): string => join(this.folder, file);
    writeFileSync(at('list.yml'), stringify({ name: 'test', include: ['/etc/**'] }));
    const peer = { name: otherThan(this.name), host: otherThan(this.name), hostKey: 'ssh-ed25519 AAAA' };
    const config = {
      node: this.name,
      root: this.root,
      state: at('state'),
      runtime: at('run'),
      peers: [{ ...peer, identityFile: at('key') }],
      watchlists: [at('list.yml')],
      conflict: policy,
      settle: { deleteHoldMs },
      versions: { count: 10_000, days: 36_500, totalSize: '1GiB' },
    };
    writeFileSync(at('config.yml'), stringify(config), { mode: 0o600 });
    this.#firstSeat = seat;
  }

  get up(): boolean {
    return this.#life !== undefined;
  }

  get life(): Life {
    if (this.#life === undefined) throw new Error(`${this.name} is down`);
    return this.#life;
  }

  async start(): Promise<void> {
    lives += 1;
    const identity = `${this.name}/${lives}`;
    writeFileSync(join(this.folder, 'key'), identity, { mode: 0o600 });
    const config = join(this.folder, 'config.yml');
    const log = (event: Event): void => {
      if (life.dead) throw new Crash();
      this.events.push(event);
    };
    const node = await openNode(config, log);
    if (this.#firstSeat !== undefined) node.seats.write(this.#firstSeat);
    this.#firstSeat = undefined;
    const receiving = await openNode(config, log);
    const life: Life = {
      identity,
      node,
      receiving,
      daemon: new Daemon(node),
      rights: new Set(),
      sessions: new Set(),
      died: new AbortController(),
      dead: false,
    };
    for (const { database } of [node, receiving]) this.#guard(database, life);
    this.#life = life;
    listen(node.config.runtime, (asked, onProgress, signal) => this.#answer(life, asked, onProgress, signal));
    serveLinks(this.name, (stream) => this.#serve(life, stream));
    await life.daemon.start();
  }

  /** Everything in memory is gone in this instant; what runs on runs into errors. The disk is as it is. */
  crash(): void {
    const life = this.#life;
    if (life === undefined) return;
    this.#life = undefined;
    this.#effectsLeft = undefined;
    life.dead = true;
    bury(life.identity);
    unlisten(life.node.config.runtime);
    serveLinks(this.name, undefined);
    cutLinks(this.name);
    for (const right of life.rights) right.release();
    life.died.abort(new Crash());
    // It may be in the middle of a transaction, which is rolled back on the way up.
    setImmediate(() => {
      for (const { database } of [life.node, life.receiving]) database.close();
    });
  }

  /** Ends as systemd ends it: politely. */
  async stop(): Promise<void> {
    const life = this.#life;
    if (life === undefined) return;
    await life.daemon.stop();
    this.crash();
  }

  /** Crashes at the effect that comes after `effects` more: a rename, or a commit to the state. */
  crashAfter(effects: number, onCrash: () => void): void {
    this.#effectsLeft = effects;
    this.#onLastEffect = onCrash;
  }

  disarm(): void {
    this.#effectsLeft = undefined;
  }

  /** What the watcher would tell after these paths changed. */
  hint(paths: Iterable<string>): void {
    for (const path of paths)
      hintAt(this.root, { kind: 'path', path: path as ReplicaPath, change: 'rename' });
  }

  #effect(life: Life): void {
    if (life.dead) throw new Crash();
    if (this.#effectsLeft === undefined) return;
    this.#effectsLeft -= 1;
    if (this.#effectsLeft >= 0) return;
    this.#onLastEffect();
    this.crash();
    throw new Crash();
  }

  /** After a crash the state answers nobody any more, and takes nothing. */
  #guard(database: Database, life: Life): void {
    const { read, write, durably, statement } = database;
    const alive = (): void => {
      if (life.dead) throw new Crash();
    };
    database.statement = (text) => {
      alive();
      return statement.call(database, text);
    };
    database.read = <T>(work: () => T): T => {
      alive();
      return read.call(database, work) as T;
    };
    database.write = <T>(work: () => T): T => {
      this.#effect(life);
      return write.call(database, work) as T;
    };
    database.durably = <T>(work: () => T): T => {
      this.#effect(life);
      return durably.call(database, work) as T;
    };
  }

  #serve(life: Life, stream: Duplex): void {
    const placing = placingRight(join(this.folder, 'state', 'placing.lock'));
    const noted: PlacingRight = {
      take: async (peer, onLost) => {
        const right = await placing.take(peer, onLost);
        if (right !== undefined) life.rights.add(right);
        if (life.dead) right?.release();
        return right;
      },
    };
    const renames: Renames = {
      exchange: (...names) => {
        this.#effect(life);
        return kernelRenames.exchange(...names);
      },
      noReplace: (...names) => {
        this.#effect(life);
        return kernelRenames.noReplace(...names);
      },
    };
    const passive = { ...composePassive(life.receiving, noted, receiverHooks(life.receiving)), renames };
    const session = serve(passive, stream).catch(onStray);
    life.sessions.add(session);
    void session.then(() => life.sessions.delete(session));
  }

  async #answer(
    life: Life,
    request: { readonly command: string; readonly args: unknown },
    onProgress: (value: unknown) => void,
    signal: AbortSignal,
  ): Promise<unknown> {
    const { node, daemon, died } = life;
    const { promise, reject } = Promise.withResolvers<never>();
    const gone = (): void => reject(daemonGone());
    died.signal.addEventListener('abort', gone, { once: true });
    promise.catch(() => undefined);
    const either = AbortSignal.any([signal, died.signal]);
    try {
      return await Promise.race([
        serveRequest({ node, daemon }, request, { progress: onProgress }, either),
        promise,
      ]);
    } finally {
      died.signal.removeEventListener('abort', gone);
    }
  }
}

function daemonGone(): Failure {
  return new Failure({
    code: 'daemon-gone',
    exit: 'unreachable',
    message: 'the node crashed before it answered',
    hint: 'start it',
  });
}
