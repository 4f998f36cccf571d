import Counter from 'prom-client/lib/counter.js';
import Gauge from 'prom-client/lib/gauge.js';
import Histogram from 'prom-client/lib/histogram.js';
import Registry from 'prom-client/lib/registry.js';
import type { Counted, Durations, Tallied } from './tally.ts';

/** What is true of a node right now, as far as metrics tell it. Times are milliseconds, since 1970 where they are moments. */
export type Measured = {
  readonly version: string;
  readonly startedAt: number;
  readonly node: string;
  readonly role: 'active' | 'passive';
  readonly epoch: number;
  readonly ha: { readonly state: 'enabled' | 'disabled' };
  readonly halt: string | null;
  readonly split: boolean;
  readonly failover: { readonly safe: boolean };
  readonly conflicts: number;
  readonly troubles: readonly unknown[];
  readonly watching: {
    readonly paths: number;
    readonly directories: number;
    readonly degraded: string | null;
  };
  readonly following: {
    readonly connected: boolean;
    readonly heardAt: number | null;
    readonly pending: number | null;
  } | null;
  readonly peers: readonly {
    readonly name: string;
    readonly connected: boolean;
    readonly pending: number;
    readonly lastAckAt: number | null;
    readonly lagMs: number | null;
    readonly skewMs: number | null;
    readonly watchlistsAgree: boolean | null;
    readonly troubles: readonly unknown[];
    readonly hookFailures: readonly unknown[];
  }[];
  readonly canary?: {
    readonly intervalMs: number;
    readonly failure: string | null;
    readonly peers: readonly {
      readonly peer: string;
      readonly latencyMs: number | null;
      readonly lastAt: number | null;
      readonly silentMs: number | null;
    }[];
  } | null;
};

type CanaryRow = NonNullable<Measured['canary']>['peers'][number];
type Row = { readonly labels: Readonly<Record<string, string>>; readonly value: number };

/** The content type of what `exposition` returns. */
export const expositionType: string = Registry.PROMETHEUS_CONTENT_TYPE;

/** Everything that there is to tell, in the text format of Prometheus. */
export function exposition(measured: Measured, tallied: Tallied): Promise<string> {
  const registry = new Registry();
  tellProcess(registry, measured);
  tellNode(registry, measured);
  tellPeers(registry, measured);
  tellCanary(registry, measured);
  tellCounts(registry, tallied);
  return registry.metrics();
}

function tellProcess(registry: Registry, { version, node, startedAt }: Measured): void {
  const { user, system } = process.cpuUsage();
  const info = { version, runtime: process.version, node };
  gauge(registry, 'build_info', 'Version of bm-confsync and of Node; always 1.', [one(1, info)]);
  const now = Date.now() / 1000;
  gauge(registry, 'told_timestamp_seconds', 'When these numbers were taken.', [one(now)]);
  new Gauge({
    name: 'process_start_time_seconds',
    help: 'Start time of the process since unix epoch in seconds.',
    registers: [registry],
  }).set(startedAt / 1000);
  new Gauge({
    name: 'process_resident_memory_bytes',
    help: 'Resident memory size in bytes.',
    registers: [registry],
  }).set(process.memoryUsage.rss());
  new Counter({
    name: 'process_cpu_seconds_total',
    help: 'Total user and system CPU time spent in seconds.',
    registers: [registry],
  }).inc((user + system) / 1e6);
}

function tellNode(registry: Registry, measured: Measured): void {
  const { role, epoch, ha, halt, split, failover, conflicts, troubles, watching, following } = measured;
  const tell = (name: string, help: string, value: number): void => gauge(registry, name, help, [one(value)]);
  const roles = (['active', 'passive'] as const).map((name) => one(name === role ? 1 : 0, { role: name }));
  gauge(registry, 'role', 'Whether this node has the role (1) or not (0).', roles);
  tell('epoch', 'Epoch of the seat of this node.', epoch);
  tell('ha_enabled', 'Whether the HA switch lets this node replicate.', ha.state === 'enabled' ? 1 : 0);
  tell('halted', 'Whether a safety guard stopped replication.', halt === null ? 0 : 1);
  tell('split_brain', 'Whether another node is active with the same epoch.', split ? 1 : 0);
  tell('failover_safe', 'Whether a failover now would lose nothing.', failover.safe ? 1 : 0);
  tell('conflicts', 'Conflicts that wait for a decision.', conflicts);
  tell('skipped_paths', 'Paths of this node that cannot be replicated.', troubles.length);
  tell('replicated_paths', 'Paths that are replicated.', watching.paths);
  tell('watched_directories', 'Directories that are watched.', watching.directories);
  const { degraded } = watching;
  tell('watch_degraded', 'Whether some directories cannot be watched.', degraded === null ? 0 : 1);
  if (following === null) return;
  const { connected, heardAt, pending } = following;
  tell('following_connected', 'On a passive: whether a session of the active is open.', connected ? 1 : 0);
  if (pending !== null)
    tell('following_pending_paths', 'On a passive: paths that it lacked when the active last told.', pending);
  if (heardAt !== null)
    tell('following_heard_timestamp_seconds', 'On a passive: when the active last told.', heardAt / 1000);
}

function tellPeers(registry: Registry, { peers }: Measured): void {
  type Peer = Measured['peers'][number];
  const tell = (name: string, help: string, of: (peer: Peer) => number | null): void =>
    gauge(
      registry,
      name,
      help,
      peers.flatMap((peer) => {
        const value = of(peer);
        return value === null ? [] : [one(value, { peer: peer.name })];
      }),
    );
  tell('peer_connected', 'Whether a session with the peer is open.', (peer) => (peer.connected ? 1 : 0));
  tell('peer_pending_paths', 'Paths that changed and are not durable on the peer.', ({ pending }) => pending);
  tell(
    'peer_lag_seconds',
    'Age of the oldest change that the peer lacks; if it lacks none, how long the last one took.',
    ({ lagMs }) => (lagMs === null ? null : lagMs / 1000),
  );
  tell(
    'peer_last_ack_timestamp_seconds',
    'When the last change became durable on the peer.',
    ({ lastAckAt }) => (lastAckAt === null ? null : lastAckAt / 1000),
  );
  tell(
    'peer_clock_skew_seconds',
    'The clock of the peer minus that of this node, at the start of the session.',
    ({ skewMs }) => (skewMs === null ? null : skewMs / 1000),
  );
  tell('peer_held_paths', 'Paths that could not be brought to the peer.', ({ troubles }) => troubles.length);
  tell(
    'peer_failed_hooks',
    'Apply hooks of the peer that failed at last.',
    ({ hookFailures }) => hookFailures.length,
  );
  tell(
    'peer_watchlists_agree',
    'Whether both nodes replicate the same paths.',
    ({ watchlistsAgree: agree }) => (agree === null ? null : agree ? 1 : 0),
  );
}

function tellCanary(registry: Registry, { canary }: Measured): void {
  if (canary === null || canary === undefined) return;
  const rows = (of: (peer: CanaryRow) => number | null): Row[] =>
    canary.peers.flatMap((row) => {
      const value = of(row);
      return value === null ? [] : [one(value, { peer: row.peer })];
    });
  gauge(registry, 'canary_interval_seconds', 'Time between two canaries.', [one(canary.intervalMs / 1000)]);
  const failed = canary.failure === null ? 0 : 1;
  gauge(registry, 'canary_failed', 'Whether no canary can be written on this node.', [one(failed)]);
  gauge(
    registry,
    'canary_last_latency_seconds',
    'How long the last canary took from its write to its acknowledgement.',
    rows(({ latencyMs }) => (latencyMs === null ? null : latencyMs / 1000)),
  );
  gauge(
    registry,
    'canary_last_success_timestamp_seconds',
    'When a canary was last acknowledged by the peer.',
    rows(({ lastAt }) => (lastAt === null ? null : lastAt / 1000)),
  );
  gauge(
    registry,
    'canary_silent',
    'Whether canaries are overdue although the peer is connected: the watcher may be dead.',
    rows(({ silentMs }) => (silentMs === null ? 0 : 1)),
  );
}

function tellCounts(registry: Registry, tallied: Tallied): void {
  const tell = (name: string, help: string, labelNames: string[], counted: Counted): void => {
    const counter = new Counter({ name: named(`${name}_total`), help, labelNames, registers: [registry] });
    for (const { labels, value } of counted) counter.inc({ ...labels }, value);
  };
  tell('events', 'Events of the log by their names.', ['event'], tallied.events);
  tell('pushes', 'Changes that became durable on a peer.', ['peer', 'result'], tallied.pushes);
  tell(
    'path_failures',
    'Attempts at a path that failed, by reason; without a peer those on this node.',
    ['peer', 'reason'],
    tallied.pathFailures,
  );
  tell('sessions_refused', 'Sessions that a peer refused, by reason.', ['peer', 'reason'], tallied.refusals);
  tell('conflicts_found', 'Conflicts that were found, by kind.', ['peer', 'kind'], tallied.conflicts);
  tell('hook_failures', 'Apply hooks that failed.', ['peer'], tallied.hookFailures);
  tell('disconnects', 'Sessions that ended or could not be opened.', ['peer'], tallied.disconnects);
  const spread = (name: string, help: string, durations: readonly Durations[]): void =>
    registry.registerMetric(new Spread(named(name), help, durations));
  spread('push_duration_seconds', 'From a change to its durability on the peer.', tallied.pushDurations);
  spread('reconcile_duration_seconds', 'How long full comparisons took.', tallied.reconcileDurations);
  spread(
    'canary_latency_seconds',
    'From the write of a canary to its acknowledgement.',
    tallied.canaryDurations,
  );
}

function named(name: string): string {
  return `bm_confsync_${name}`;
}

function one(value: number, labels: Readonly<Record<string, string>> = {}): Row {
  return { value, labels };
}

/** A metric without rows is told all the same, so that its name is known from the start. */
function gauge(registry: Registry, name: string, help: string, rows: readonly Row[]): void {
  // All that may have no row are told by peer; without a label there would be a zero that nobody measured.
  const labelNames = Object.keys(rows[0]?.labels ?? { peer: '' });
  const told = new Gauge({ name: named(name), help, labelNames, registers: [registry] });
  for (const { labels, value } of rows) told.set({ ...labels }, value);
}

/** A histogram whose buckets were filled elsewhere: the package is loaded only when somebody asks. */
class Spread extends Histogram {
  readonly #values: { metricName: string; labels: Record<string, string | number>; value: number }[];
  readonly #about: { readonly name: string; readonly help: string };

  constructor(name: string, help: string, durations: readonly Durations[]) {
    super({ name, help, labelNames: ['peer'], registers: [] });
    this.#about = { name, help };
    this.#values = durations.flatMap(({ labels, buckets, count, sum }) => [
      ...buckets.map(([le, value]) => ({ metricName: `${name}_bucket`, labels: { ...labels, le }, value })),
      { metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: count },
      { metricName: `${name}_sum`, labels: { ...labels }, value: sum },
      { metricName: `${name}_count`, labels: { ...labels }, value: count },
    ]);
  }

  override get(): ReturnType<Histogram['get']> {
    return this.getForPromString();
  }

  /** What the registry asks for where it is there. */
  async getForPromString(): ReturnType<Histogram['get']> {
    const type = 'histogram' as unknown as Awaited<ReturnType<Histogram['get']>>['type'];
    return { ...this.#about, type, aggregator: 'sum', collect: () => undefined, values: this.#values };
  }
}
