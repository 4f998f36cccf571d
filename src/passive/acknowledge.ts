import type { ReplicaPath } from '../core/path.ts';
import { type AckResult, type FromPassive, maxJoinedAcks } from '../wire/message.ts';
import type { Applied } from './apply.ts';
import { commandText } from './command.ts';
import type { Heartbeat } from './heartbeat.ts';
import { type HookPlan, HookRunner, keyOf, planHooks } from './hooks.ts';
import type { PassiveNode } from './node.ts';
import { shortened } from './operation.ts';

export type AcknowledgerOptions = {
  readonly node: Pick<PassiveNode, 'watchlists' | 'log' | 'owedHooks'>;
  readonly heartbeat: Heartbeat;
  readonly send: (message: FromPassive) => void;
  /** Whether the sender knows an answer to many pushes. */
  readonly joins: boolean;
  readonly onMissing: (program: string) => void;
  readonly onBroken: (error: unknown) => void;
};

/** Pushes that have no result yet, and runs that have not ended, of one command. */
type Debt = { open: number; runs: number };

const noKeys: ReadonlySet<string> = new Set();

/**
 * Answers pushes, those with apply hooks after their hooks have run. A hook is owed from the moment a push that calls
 * for it arrives, so that it runs in the next session when this one does not get to it.
 */
export class Acknowledger {
  readonly #options: AcknowledgerOptions;
  readonly #hooks: HookRunner;
  readonly #debts = new Map<string, Debt>();

  constructor(options: AcknowledgerOptions) {
    this.#options = options;
    this.#hooks = new HookRunner(options.onMissing);
  }

  /** Whether a hook is to run, or runs. */
  get owes(): boolean {
    return this.#debts.size > 0;
  }

  /** A push is about to be taken in. */
  expect(path: ReplicaPath): void {
    for (const key of this.#keysOf(path)) {
      const debt = this.#debts.get(key) ?? { open: 0, runs: 0 };
      if (!this.#debts.has(key)) this.#options.node.owedHooks.owe(key);
      debt.open += 1;
      this.#debts.set(key, debt);
    }
  }

  /** Runs what an earlier session owed and did not get to. */
  payOff(): void {
    const { node, heartbeat, onBroken } = this.#options;
    for (const key of node.owedHooks.list()) {
      const command = node.watchlists.applies.find(({ run }) => keyOf(run) === key);
      const debt = { open: 0, runs: 1 };
      this.#debts.set(key, debt);
      const run = command === undefined ? Promise.resolve(undefined) : this.#hooks.run(key, command);
      const paid = run.then((failure) => {
        if (command !== undefined && failure !== undefined) this.#tell(command.run, failure);
        this.#ended(key);
      });
      heartbeat.during(paid).catch(onBroken);
    }
  }

  /** The results of a batch that is in place and remembered. */
  acknowledge(results: readonly Applied[]): void {
    const { watchlists } = this.#options.node;
    if (watchlists.applies.length === 0) return this.#send(results);
    const applied = results.flatMap(({ push, result }) => (result.kind === 'applied' ? [push.path] : []));
    const plan = planHooks(applied, watchlists.applies);
    for (const { key } of plan.commands) this.#debtOf(key).runs += 1;
    for (const { push } of results) for (const key of this.#keysOf(push.path)) this.#hasResult(key);
    const isLate = ({ push, result }: Applied): boolean =>
      result.kind === 'applied' && plan.waiting.has(push.path);
    this.#send(results.filter((one) => !isLate(one)));
    const late = results.filter(isLate);
    if (late.length > 0) this.#runHooks(plan, late);
  }

  /** Resolves when the hooks of all that was placed have run. */
  idle(): Promise<void> {
    return this.#hooks.idle();
  }

  #keysOf(path: ReplicaPath): ReadonlySet<string> {
    const { applies } = this.#options.node.watchlists;
    return applies.length === 0
      ? noKeys
      : new Set(applies.flatMap(({ matches, run }) => (matches(path) ? [keyOf(run)] : [])));
  }

  /** What was applied in one piece, as nearly all is, is told in one message: that is most of what an answer costs both nodes. */
  #send(results: readonly Applied[]): void {
    const { send, joins } = this.#options;
    let ids: number[] = [];
    const sendJoined = (): void => {
      const [first] = ids;
      if (first !== undefined && ids.length === 1) send({ t: 'ack', id: first, result: { kind: 'applied' } });
      else if (ids.length > 1) send({ t: 'acks', ids });
      ids = [];
    };
    for (const { push, result } of results) {
      const isPlain = joins && result.kind === 'applied' && result.hooks === undefined;
      if (!isPlain || ids.length >= maxJoinedAcks) sendJoined();
      if (isPlain) ids.push(push.id);
      else send({ t: 'ack', id: push.id, result });
    }
    sendJoined();
  }

  #runHooks(plan: HookPlan, late: readonly Applied[]): void {
    const run = Promise.all(
      plan.commands.map(async ({ key, command, path }): Promise<[string, string | undefined]> => {
        const failure = await this.#hooks.run(key, command);
        if (failure !== undefined) this.#tell(command.run, failure, path);
        this.#ended(key);
        return [key, failure];
      }),
    );
    this.#options.heartbeat
      .during(run)
      .then((outcomes) => {
        const failures = new Map(outcomes);
        for (const { push } of late) {
          const keys = plan.waiting.get(push.path) ?? [];
          const hooks = keys.flatMap((key) => failures.get(key) ?? []).map(shortened);
          const result: AckResult = hooks.length === 0 ? { kind: 'applied' } : { kind: 'applied', hooks };
          this.#options.send({ t: 'ack', id: push.id, result });
        }
      })
      .catch((error: unknown) => this.#options.onBroken(error));
  }

  #tell(run: readonly string[], detail: string, path?: ReplicaPath): void {
    const told = { command: commandText(run), detail };
    this.#options.node.log({ kind: 'hook-failed', ...(path === undefined ? {} : { path }), ...told });
  }

  #debtOf(key: string): Debt {
    const debt = this.#debts.get(key) ?? { open: 0, runs: 0 };
    this.#debts.set(key, debt);
    return debt;
  }

  #hasResult(key: string): void {
    const debt = this.#debtOf(key);
    debt.open = Math.max(0, debt.open - 1);
    this.#settle(key, debt);
  }

  #ended(key: string): void {
    const debt = this.#debtOf(key);
    debt.runs = Math.max(0, debt.runs - 1);
    this.#settle(key, debt);
  }

  #settle(key: string, { open, runs }: Debt): void {
    if (open + runs > 0) return;
    this.#debts.delete(key);
    this.#options.node.owedHooks.paid(key);
  }
}
