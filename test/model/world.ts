import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { askPeer } from '../../src/active/questions.ts';
import { openConversation } from '../../src/cli/connect.ts';
import { disableHere, enableHere } from '../../src/cli/peer-requests.ts';
import type { PeerRequest } from '../../src/wire/message.ts';
import { passTime, resetClock, takeStrays, turn, turnsWanted } from './clock.ts';
import { Machine, type Name, otherThan } from './machine.ts';
import { resetLinks, traffic } from './stand-ins/link.ts';
import { forgetWatchers } from './stand-ins/watcher.ts';

/** So many turns without anything going on are rest: a chain of streams hands on within one or two. */
const restTurns = 4;
const mostTurns = 20_000;

/** Two machines, a network between them, and time that passes by hand. */
export class World {
  readonly machines: Readonly<Record<Name, Machine>>;
  readonly #folder: string;

  constructor() {
    const memory = statSync('/dev/shm', { throwIfNoEntry: false })?.isDirectory() === true;
    this.#folder = mkdtempSync(join(memory ? '/dev/shm' : tmpdir(), 'bm-confsync-model-'));
    this.machines = {
      a: new Machine(join(this.#folder, 'a'), 'a'),
      b: new Machine(join(this.#folder, 'b'), 'b'),
    };
  }

  /** Both machines down, the network up, nothing left of the history before. */
  async reset(): Promise<void> {
    for (const machine of Object.values(this.machines)) machine.crash();
    resetLinks();
    await this.quiet();
    forgetWatchers();
    resetClock();
  }

  async close(): Promise<void> {
    await this.reset();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get running(): Machine[] {
    return Object.values(this.machines).filter(({ up }) => up);
  }

  /** Until nothing moves without time passing. */
  async quiet(): Promise<void> {
    let moved = traffic();
    for (let still = 0, turns = 0; still < restTurns; turns += 1) {
      if (turns > mostTurns) throw new Error('it never comes to rest');
      await turn();
      still = turnsWanted() || traffic() !== moved ? 0 : still + 1;
      moved = traffic();
    }
  }

  /** Until nothing moves although a moment passes; what is tried again and again is given a few tries. */
  async settle(): Promise<void> {
    await this.quiet();
    for (const ms of [400, 1500, 4000]) {
      passTime(ms);
      await this.quiet();
      if (!this.running.some(({ life }) => (life.daemon.active?.node.engine.dirty ?? 0) > 0)) break;
    }
  }

  /** Lets those connect that wait for their next try. */
  async meet(): Promise<void> {
    await this.settle();
    for (let tries = 0; tries < 3; tries += 1) {
      const offline = this.running
        .flatMap(({ life }) => life.daemon.active?.node.peers ?? [])
        .filter(({ state }) => state.kind === 'offline');
      if (offline.length === 0) return;
      for (const peer of offline) peer.wake();
      await this.settle();
    }
  }

  /** The result of something that needs turns and time to be done. */
  async run<Value>(work: Promise<Value>): Promise<Value> {
    const ended: { outcome?: PromiseSettledResult<Value> } = {};
    void Promise.allSettled([work]).then(([outcome]) => {
      ended.outcome = outcome;
    });
    for (let tries = 0; ended.outcome === undefined; tries += 1) {
      await this.quiet();
      if (ended.outcome !== undefined) break;
      if (tries > 30) throw new Error(`it hangs: ${JSON.stringify(takeStrays().map(String))}`);
      passTime(tries < 10 ? 100 : 5000);
    }
    if (ended.outcome?.status === 'fulfilled') return ended.outcome.value;
    throw ended.outcome?.reason;
  }

  /** As `ha disable` and `ha enable` do, in their order. `reachable`: whether the other node can be told. */
  async turnSwitch(name: Name, on: boolean, reachable: boolean): Promise<void> {
    const node = this.machines[name].life.receiving;
    const about = { reason: 'upgrade', by: 'root' };
    const first = !on || node.seat().role === 'passive';
    if (first) await this.run(on ? enableHere(node) : disableHere(node, about));
    if (reachable) await this.#tell(name, on ? { do: 'enable' } : { do: 'disable', ...about });
    if (!first) await this.run(enableHere(node));
  }

  async #tell(name: Name, request: PeerRequest): Promise<void> {
    const node = this.machines[name].life.receiving;
    const peer = node.config.peers.find((one) => one.name === otherThan(name));
    if (peer === undefined) throw new Error('no peer');
    const { session, close } = await this.run(openConversation(node, peer, 'request'));
    await this.run(askPeer(session, request));
    close();
  }
}
