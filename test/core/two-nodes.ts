import { admitPush } from '../../src/core/admit.ts';
import { type ConflictPolicy, settle } from '../../src/core/conflict.ts';
import { absent, type Entry, entryKey, sameEntry } from '../../src/core/entry.ts';
import type { ReplicaPath } from '../../src/core/path.ts';
import { type Push, planPush, reconcile } from '../../src/core/plan.ts';

/** What may go wrong on the way of one push. */
export type Luck = {
  /** The passive crashes after placing, before it remembers. */
  readonly forgotten?: boolean;
  /** The active never hears what became of it. */
  readonly ackLost?: boolean;
};

/** Something on a disk was replaced by the other node's entry. */
export type Displaced = {
  readonly node: 'active' | 'passive';
  readonly path: ReplicaPath;
  readonly entry: Entry;
};

type Tree = Map<ReplicaPath, Entry>;

/** Two nodes without disks, wires and clocks: all that happens is what the core decides. */
export class TwoNodes {
  readonly disk: { readonly active: Tree; readonly passive: Tree } = {
    active: new Map(),
    passive: new Map(),
  };
  readonly ledger: { readonly active: Tree; readonly passive: Tree } = {
    active: new Map(),
    passive: new Map(),
  };
  /** Paths in conflict, as the active knows them. */
  readonly conflicts = new Set<ReplicaPath>();
  /** All that was replaced, in order; each is kept as a version. */
  readonly displaced: Displaced[] = [];
  readonly #policy: ConflictPolicy;
  readonly #clocksAgree: boolean;
  readonly #known = new Set<string>();
  /** Sent by the active, not answered. In its memory. */
  readonly #unacked = new Map<ReplicaPath, Entry[]>();
  /** Noted by the passive before it places, until it remembers. */
  readonly #intents: Tree = new Map();

  constructor(policy: ConflictPolicy, clocksAgree: boolean) {
    this.#policy = policy;
    this.#clocksAgree = clocksAgree;
  }

  on(node: 'active' | 'passive', path: ReplicaPath): Entry {
    return this.disk[node].get(path) ?? absent;
  }

  /** Whether the entry ever was on the active's disk. */
  wasOnActive(path: ReplicaPath, entry: Entry): boolean {
    return this.#known.has(`${path} ${entryKey(entry)}`) || entry.kind === 'absent';
  }

  edit(node: 'active' | 'passive', path: ReplicaPath, entry: Entry): void {
    this.disk[node].set(path, entry);
    if (node === 'active') this.#known.add(`${path} ${entryKey(entry)}`);
  }

  /** What the active would send now. */
  plan(path: ReplicaPath): Push | undefined {
    const plan = planPush(this.ledger.active.get(path) ?? absent, this.on('active', path));
    return plan.kind === 'push' ? { path, expect: plan.expect, put: plan.put } : undefined;
  }

  /** An event on the active: it sends what differs from its ledger. */
  push(path: ReplicaPath, luck: Luck = {}): void {
    const push = this.plan(path);
    if (push !== undefined) this.deliver(push, luck);
  }

  /** One push on the passive, and its ack on the active. Answers the verdict. */
  deliver(push: Push, luck: Luck = {}): 'placed' | 'conflict' {
    const { path, put } = push;
    this.#recover(path);
    const disk = this.on('passive', path);
    const admission = admitPush(push, disk, this.ledger.passive.get(path));
    if (luck.ackLost === true) this.#unacked.set(path, [...(this.#unacked.get(path) ?? []), put]);
    if (admission.kind === 'conflict') {
      if (luck.ackLost !== true) this.#refused(path, admission.found);
      return 'conflict';
    }
    if (admission.kind === 'apply') this.displaced.push({ node: 'passive', path, entry: disk });
    this.disk.passive.set(path, put);
    if (luck.forgotten === true) this.#intents.set(path, put);
    else this.ledger.passive.set(path, put);
    if (luck.ackLost !== true) this.#agreed(path, put);
    return 'placed';
  }

  /** The active loses what it only held in memory. */
  restartActive(): void {
    this.#unacked.clear();
  }

  /**
   * The active compares both disks at this path. `meanwhile`: what somebody does on the passive after it was looked
   * at, before anything arrives there. Answers whether anything was sent or taken.
   */
  reconcile(path: ReplicaPath, luck: Luck & { readonly meanwhile?: Entry } = {}): boolean {
    const passive = this.on('passive', path);
    this.#takeOwn(path, passive);
    const verdict = reconcile(this.ledger.active.get(path), this.on('active', path), passive);
    if (luck.meanwhile !== undefined) this.edit('passive', path, luck.meanwhile);
    switch (verdict.kind) {
      case 'agree':
        // What the manifest showed is agreed on both nodes.
        this.#recover(path);
        this.ledger.passive.set(path, passive);
        this.#agreed(path, passive);
        return false;
      case 'push':
        return this.deliver({ path, expect: verdict.expect, put: verdict.put }, luck) === 'placed';
      case 'conflict': {
        // It is offered, so that the passive's own ledger has its say.
        const before = this.displaced.length;
        const expect = this.ledger.active.get(path) ?? absent;
        const result = this.deliver({ path, expect, put: this.on('active', path) }, luck);
        return result === 'placed' || this.displaced.length > before;
      }
    }
  }

  /** After a crash: what lies there as it was about to be placed came from the active. */
  #recover(path: ReplicaPath): void {
    const intent = this.#intents.get(path);
    this.#intents.delete(path);
    if (intent !== undefined && sameEntry(intent, this.on('passive', path)))
      this.ledger.passive.set(path, intent);
  }

  /** Whether what the passive holds was sent from here without an ack having come back. */
  #takeOwn(path: ReplicaPath, passive: Entry): boolean {
    const own = this.#unacked.get(path)?.find((put) => sameEntry(put, passive));
    if (own !== undefined) this.#agreed(path, own);
    return own !== undefined;
  }

  #refused(path: ReplicaPath, found: Entry): void {
    if (this.#takeOwn(path, found)) this.push(path);
    else this.#settle(path, found);
  }

  /** A policy's way out of a conflict. */
  #settle(path: ReplicaPath, passive: Entry): void {
    const active = this.on('active', path);
    switch (settle(this.#policy, active, passive, this.#clocksAgree)) {
      case 'hold':
        this.conflicts.add(path);
        return;
      case 'take-active':
        this.deliver({ path, expect: passive, put: active });
        return;
      case 'take-passive':
        this.displaced.push({ node: 'active', path, entry: active });
        this.edit('active', path, passive);
        this.deliver({ path, expect: passive, put: passive });
    }
  }

  #agreed(path: ReplicaPath, entry: Entry): void {
    this.ledger.active.set(path, entry);
    this.conflicts.delete(path);
    this.#unacked.delete(path);
  }
}
