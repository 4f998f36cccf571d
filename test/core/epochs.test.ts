import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import fc from 'fast-check';
import { Failure } from '../../src/core/failure.ts';
import { admitSender, type Role, type Seat } from '../../src/core/seat.ts';
import { type Database, openDatabase } from '../../src/state/database.ts';
import { SeatStore } from '../../src/state/seat.ts';

const nodeNames = ['mail1', 'mail2'] as const;
type NodeName = (typeof nodeNames)[number];

type Step =
  /** As `promote` does it: the peer steps down first, or nobody can reach it. */
  | { readonly kind: 'promote'; readonly node: NodeName; readonly reachable: boolean }
  | { readonly kind: 'demote'; readonly node: NodeName }
  /** The node hears what the other one knows. */
  | { readonly kind: 'meet'; readonly node: NodeName }
  | { readonly kind: 'learn'; readonly node: NodeName; readonly epoch: number }
  /** What no command does: any seat at all. */
  | { readonly kind: 'write'; readonly node: NodeName; readonly seat: Seat }
  | { readonly kind: 'restart'; readonly node: NodeName };

const node = fc.constantFrom(...nodeNames);
const epoch = fc.nat(12);
const promote: fc.Arbitrary<Step> = fc.record({
  kind: fc.constant('promote' as const),
  node,
  reachable: fc.boolean(),
});
const meet: fc.Arbitrary<Step> = fc.record({ kind: fc.constant('meet' as const), node });
const demote: fc.Arbitrary<Step> = fc.record({ kind: fc.constant('demote' as const), node });
const restart: fc.Arbitrary<Step> = fc.record({ kind: fc.constant('restart' as const), node });
const learn: fc.Arbitrary<Step> = fc.record({ kind: fc.constant('learn' as const), node, epoch });
const write: fc.Arbitrary<Step> = fc.record({
  kind: fc.constant('write' as const),
  node,
  seat: fc.record({ role: fc.constantFrom<Role>('active', 'passive'), epoch }),
});
const steps = fc.array(fc.oneof(promote, demote, meet, learn, write, restart), {
  minLength: 5,
  maxLength: 20,
});

/** The stores of both nodes, each in a folder of its own. */
class Stores implements Disposable {
  readonly #folder: string;
  readonly #databases = new Map<NodeName, Database>();

  constructor() {
    this.#folder = mkdtempSync(join(tmpdir(), 'bmcs-epochs-'));
    for (const name of nodeNames) this.restart(name);
  }

  restart(name: NodeName): void {
    this.#databases.get(name)?.close();
    this.#databases.set(name, openDatabase(join(this.#folder, name)));
  }

  of(name: NodeName): SeatStore {
    const database = this.#databases.get(name);
    assert.ok(database);
    return new SeatStore(database);
  }

  /** What must never go back: the epoch of the seat, and the highest that was heard of. */
  epochs(name: NodeName): { seat: number; highest: number } {
    const store = this.of(name);
    return { seat: store.read()?.epoch ?? 0, highest: store.highestEpoch() };
  }

  [Symbol.dispose](): void {
    for (const database of this.#databases.values()) database.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function other(name: NodeName): NodeName {
  return name === 'mail1' ? 'mail2' : 'mail1';
}

function take(stores: Stores, step: Step): void {
  const store = stores.of(step.node);
  const peer = stores.of(other(step.node));
  switch (step.kind) {
    case 'promote': {
      const next = Math.max(store.highestEpoch(), step.reachable ? peer.highestEpoch() : 0) + 1;
      if (step.reachable) peer.write({ role: 'passive', epoch: next });
      return store.write({ role: 'active', epoch: next });
    }
    case 'demote':
      return store.write({ role: 'passive', epoch: store.read()?.epoch ?? 0 });
    case 'meet':
      return store.learnEpoch(peer.highestEpoch());
    case 'learn':
      return store.learnEpoch(step.epoch);
    case 'write':
      return store.write(step.seat);
    case 'restart':
      return stores.restart(step.node);
  }
}

/** Whether a step may be refused: only what no command does. */
function mayBeRefused(step: Step, error: unknown): boolean {
  return step.kind === 'write' && error instanceof Failure && error.code === 'epoch-goes-back';
}

it('epochs never go back on either node, whatever is promoted, demoted, heard of or tried', () => {
  let refused = 0;
  fc.assert(
    fc.property(steps, (history) => {
      using stores = new Stores();
      for (const step of history) {
        const before = nodeNames.map((name) => stores.epochs(name));
        const seat = stores.of(step.node).read();
        try {
          take(stores, step);
        } catch (error) {
          assert.ok(mayBeRefused(step, error), String(error));
          assert.deepEqual(stores.of(step.node).read(), seat, 'what is refused changes nothing');
          refused += 1;
        }
        for (const [at, name] of nodeNames.entries()) {
          const now = stores.epochs(name);
          const then = before[at] ?? { seat: 0, highest: 0 };
          assert.ok(now.seat >= then.seat && now.highest >= then.highest, JSON.stringify([step, then, now]));
          assert.ok(now.highest >= now.seat);
        }
      }
    }),
    { numRuns: 60 },
  );
  assert.ok(refused > 0, `only ${refused} writes were refused`);
});

it('a promotion takes an epoch that neither this node nor a peer in reach ever saw', () => {
  fc.assert(
    fc.property(steps, promote, (history, last) => {
      using stores = new Stores();
      for (const step of history) if (step.kind !== 'write') take(stores, step);
      if (last.kind !== 'promote') return;
      const before = nodeNames.map((name) => stores.epochs(name));
      take(stores, last);
      const seat = stores.of(last.node).read();
      const seen = before.filter((_, at) => last.reachable || nodeNames[at] === last.node);
      assert.equal(seat?.role, 'active');
      assert.ok(seen.every(({ highest }) => (seat?.epoch ?? 0) > highest));
    }),
    { numRuns: 30 },
  );
});

it('while each promotion reaches the peer, at most one node is active, and the other one takes what it sends', () => {
  const met = fc.array(fc.oneof(promote, demote, meet, restart), { minLength: 3, maxLength: 15 });
  fc.assert(
    fc.property(met, (history) => {
      using stores = new Stores();
      for (const step of history) take(stores, step.kind === 'promote' ? { ...step, reachable: true } : step);
      const seats = nodeNames.map((name) => stores.of(name).read() ?? { role: 'passive' as const, epoch: 0 });
      const active = seats.findIndex(({ role }) => role === 'active');
      if (active < 0) return;
      const [here, there] = [seats[active], seats[1 - active]];
      assert.ok(here && there);
      assert.equal(there.role, 'passive');
      assert.equal(admitSender(there, { state: 'enabled' }, here.epoch), undefined);
    }),
    { numRuns: 30 },
  );
});

it('two nodes that were promoted out of reach of each other never both send: a split brain or a stale epoch', () => {
  fc.assert(
    fc.property(fc.array(promote, { minLength: 2, maxLength: 6 }), (history) => {
      using stores = new Stores();
      for (const step of history)
        take(stores, step.kind === 'promote' ? { ...step, reachable: false } : step);
      const [one, two] = nodeNames.map((name) => stores.of(name).read());
      if (one?.role !== 'active' || two?.role !== 'active') return;
      const refusals = [
        admitSender(one, { state: 'enabled' }, two.epoch),
        admitSender(two, { state: 'enabled' }, one.epoch),
      ].sort();
      const expected =
        one.epoch === two.epoch ? ['split-brain', 'split-brain'] : ['peer-is-active', 'stale-epoch'];
      assert.deepEqual(refusals, expected);
    }),
    { numRuns: 30 },
  );
});
