import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { get } from 'node:http';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { exposition, type Measured } from '../../src/control/exposition.ts';
import { type MetricsOptions, serveMetrics } from '../../src/control/metrics.ts';
import { Tally } from '../../src/control/tally.ts';
import type { Event } from '../../src/core/event.ts';
import { eventually } from '../world/eventually.ts';

const peer: Measured['peers'][number] = {
  name: 'mail2',
  connected: true,
  pending: 3,
  lastAckAt: 1_700_000_001_500,
  lagMs: 250,
  skewMs: -1500,
  watchlistsAgree: false,
  troubles: [{}],
  hookFailures: [{}, {}],
};
const silent = { peer: 'mail2', latencyMs: 12, lastAt: 1_700_000_000_000, silentMs: 180_000 };
const active: Measured = {
  version: '1.2.3',
  startedAt: 1_700_000_000_000,
  node: 'mail"1\\',
  role: 'active',
  epoch: 7,
  ha: { state: 'disabled' },
  halt: 'mass-deletion',
  split: true,
  failover: { safe: false },
  conflicts: 4,
  troubles: [{}, {}],
  watching: { paths: 5012, directories: 310, degraded: 'too few watches' },
  following: null,
  peers: [
    peer,
    {
      ...peer,
      name: 'mail3',
      connected: false,
      lagMs: null,
      lastAckAt: null,
      skewMs: null,
      watchlistsAgree: null,
    },
  ],
  canary: {
    intervalMs: 60_000,
    failure: 'EROFS',
    peers: [silent, { ...silent, peer: 'mail3', latencyMs: null, lastAt: null, silentMs: null }],
  },
};
const passive: Measured = {
  ...active,
  role: 'passive',
  peers: [],
  canary: null,
  following: { connected: true, heardAt: 1_700_000_000_000, pending: 2 },
};

const pushed = { kind: 'pushed', path: '/etc/a', what: 'file', result: 'applied' } as const;
const events: Event[] = [
  { ...pushed, peer: 'mail2', lagMs: 1 },
  { ...pushed, peer: 'mail2', lagMs: 70 },
  { ...pushed, peer: 'mail2', lagMs: 10_000_000 },
  { ...pushed, peer: 'mail3', lagMs: -5, result: 'already-there' },
  { kind: 'path-failed', path: '/etc/b', reason: 'too-large', detail: 'x' },
  { kind: 'path-failed', path: '/etc/c', reason: 'too-large', detail: 'y' },
  { kind: 'path-failed', path: '/etc/c', peer: 'mail2', reason: 'busy', detail: 'z' },
  { kind: 'refused', peer: 'mail2', reason: 'ha-disabled', detail: 'x' },
  { kind: 'conflict', peer: 'mail2', path: '/etc/a', conflict: 'edited-on-both' },
  { kind: 'hook-failed', peer: 'mail2', detail: 'exit 1' },
  { kind: 'disconnected', peer: 'mail2', detail: 'x', retryMs: 1 },
  { kind: 'reconciled', peer: 'mail2', why: 'start', checked: 1, pushed: 0, conflicts: 0, durationMs: 400 },
  { kind: 'stopped' },
];

function tallied(): Tally {
  const seen: Event[] = [];
  const tally = new Tally((event) => void seen.push(event));
  for (const event of events) tally.log(event);
  tally.canary('mail2', 30);
  assert.deepEqual(seen, events, 'the log behind it hears everything');
  return tally;
}

/** Rows by name and labels, without the prefix. */
function rowsOf(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(' ');
      return [line.slice(0, at).replace(/^bm_confsync_/, ''), Number(line.slice(at + 1))];
    }),
  );
}

describe('the exposition', () => {
  const wanted: [string, Measured, Record<string, number | undefined>][] = [
    [
      'of an active',
      active,
      {
        'role{role="active"}': 1,
        'role{role="passive"}': 0,
        epoch: 7,
        ha_enabled: 0,
        halted: 1,
        split_brain: 1,
        failover_safe: 0,
        conflicts: 4,
        skipped_paths: 2,
        replicated_paths: 5012,
        watched_directories: 310,
        watch_degraded: 1,
        'peer_connected{peer="mail2"}': 1,
        'peer_connected{peer="mail3"}': 0,
        'peer_pending_paths{peer="mail2"}': 3,
        'peer_lag_seconds{peer="mail2"}': 0.25,
        'peer_lag_seconds{peer="mail3"}': undefined,
        'peer_last_ack_timestamp_seconds{peer="mail2"}': 1_700_000_001.5,
        'peer_clock_skew_seconds{peer="mail2"}': -1.5,
        'peer_watchlists_agree{peer="mail2"}': 0,
        'peer_watchlists_agree{peer="mail3"}': undefined,
        'peer_held_paths{peer="mail2"}': 1,
        'peer_failed_hooks{peer="mail2"}': 2,
        following_connected: undefined,
        canary_interval_seconds: 60,
        canary_failed: 1,
        'canary_silent{peer="mail2"}': 1,
        'canary_silent{peer="mail3"}': 0,
        'canary_last_latency_seconds{peer="mail2"}': 0.012,
        'canary_last_latency_seconds{peer="mail3"}': undefined,
        'canary_last_success_timestamp_seconds{peer="mail2"}': 1_700_000_000,
        process_start_time_seconds: 1_700_000_000,
      },
    ],
    [
      'of a passive, which has no peers to send to and no canary',
      passive,
      {
        'role{role="passive"}': 1,
        following_connected: 1,
        following_pending_paths: 2,
        following_heard_timestamp_seconds: 1_700_000_000,
        'peer_connected{peer="mail2"}': undefined,
        canary_interval_seconds: undefined,
      },
    ],
    [
      'of what was counted',
      active,
      {
        'pushes_total{peer="mail2",result="applied"}': 3,
        'pushes_total{peer="mail3",result="already-there"}': 1,
        'path_failures_total{peer="",reason="too-large"}': 2,
        'path_failures_total{peer="mail2",reason="busy"}': 1,
        'sessions_refused_total{peer="mail2",reason="ha-disabled"}': 1,
        'conflicts_found_total{peer="mail2",kind="edited-on-both"}': 1,
        'hook_failures_total{peer="mail2"}': 1,
        'disconnects_total{peer="mail2"}': 1,
        'events_total{event="path-failed"}': 3,
        'events_total{event="stopped"}': 1,
        'push_duration_seconds_bucket{peer="mail2",le="0.002"}': 1,
        'push_duration_seconds_bucket{peer="mail2",le="0.05"}': 1,
        'push_duration_seconds_bucket{peer="mail2",le="0.1"}': 2,
        'push_duration_seconds_bucket{peer="mail2",le="300"}': 2,
        'push_duration_seconds_bucket{peer="mail2",le="+Inf"}': 3,
        'push_duration_seconds_count{peer="mail2"}': 3,
        'push_duration_seconds_sum{peer="mail2"}': 10_000.071,
        'push_duration_seconds_sum{peer="mail3"}': 0,
        'reconcile_duration_seconds_sum{peer="mail2"}': 0.4,
        'canary_latency_seconds_bucket{peer="mail2",le="0.025"}': 0,
        'canary_latency_seconds_bucket{peer="mail2",le="0.05"}': 1,
      },
    ],
  ];
  for (const [what, measured, rows] of wanted)
    it(what, async () => {
      const found = rowsOf(await exposition(measured, tallied().told()));
      const picked = Object.fromEntries(Object.keys(rows).map((row) => [row, found.get(row)]));
      assert.deepEqual(picked, rows);
    });

  it('is well formed whatever the names are', async () => {
    const text = await exposition(active, tallied().told());
    assert.match(
      text,
      /^bm_confsync_build_info\{version="1\.2\.3",runtime="v[^"]+",node="mail\\"1\\\\"\} 1$/m,
    );
    const checked = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
    assert.deepEqual([checked.status, checked.stdout, checked.stderr], [0, '', '']);
  });
});

type Served = { readonly folder: string; readonly failures: string[]; readonly socketPath: string };

async function served(
  t: TestContext,
  options: (folder: string) => Partial<MetricsOptions>,
): Promise<Served & { stop(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'bmcs-metrics-'));
  const failures: string[] = [];
  const metrics = await serveMetrics({
    runtime: folder,
    tell: () => ({ measured: active, tallied: tallied().told() }),
    onFailed: (where, detail) => failures.push(`${where.replace(folder, '')}: ${detail}`),
    ...options(folder),
  });
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopped ??= Promise.resolve(metrics[Symbol.asyncDispose]());
    return stopped;
  };
  t.after(async () => {
    await stop();
    rmSync(folder, { recursive: true, force: true });
  });
  return { folder, failures, socketPath: join(folder, 'metrics.sock'), stop };
}

function codeOf(options: { socketPath: string; method?: string }): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = get({ ...options, path: '/metrics' }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    asked.on('error', reject);
  });
}

describe('where metrics are read', () => {
  it('a node that cannot tell is no reason for its daemon to end', async (t) => {
    let broken = true;
    const tell = (): ReturnType<MetricsOptions['tell']> => {
      if (broken) throw new Error('the database is locked');
      return { measured: active, tallied: tallied().told() };
    };
    const { socketPath, failures, folder } = await served(t, (folder) => ({
      tell,
      textfile: { path: join(folder, 'a.prom'), everyMs: 20 },
    }));
    assert.equal(await codeOf({ socketPath }), 500);
    await eventually('it is told', () => failures.length > 0);
    broken = false;
    assert.equal(await codeOf({ socketPath }), 200);
    await eventually('the file is there', () => existsSync(join(folder, 'a.prom')));
    assert.deepEqual(failures, ['/a.prom: the database is locked'], 'once');
  });

  it('asks for nothing but to be read', async (t) => {
    const { socketPath } = await served(t, () => ({}));
    assert.equal(await codeOf({ socketPath, method: 'POST' }), 405);
    assert.equal(await codeOf({ socketPath, method: 'HEAD' }), 200);
  });

  it('whoever says nothing, says nonsense or goes away hurts nobody', async (t) => {
    const { socketPath, stop } = await served(t, () => ({}));
    const silent = createConnection(socketPath);
    const rude = createConnection(socketPath);
    for (const socket of [silent, rude]) socket.on('error', () => socket.destroy()).resume();
    rude.write(Buffer.alloc(100_000, 0xff));
    const gone = createConnection(socketPath);
    gone.on('error', () => gone.destroy());
    gone.end('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n', () => gone.destroy());
    assert.equal(await codeOf({ socketPath }), 200);
    await stop();
    await eventually('nobody is left', () => silent.closed && rude.closed);
  });

  it('a port that is taken and a folder that is not there are told; the rest goes on', async (t) => {
    const taken = createServer();
    await new Promise<void>((resolve) => void taken.listen(0, '127.0.0.1', resolve));
    t.after(() => taken.close());
    const address = taken.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const { socketPath, failures } = await served(t, (folder) => ({
      port: { address: '127.0.0.1', port },
      textfile: { path: join(folder, 'missing/a.prom'), everyMs: 20 },
    }));
    await eventually('both are told', () => failures.length >= 2);
    assert.match(failures.join('\n'), /EADDRINUSE/);
    assert.match(failures.join('\n'), /missing\/a\.prom: ENOENT/);
    assert.equal(await codeOf({ socketPath }), 200);
    assert.equal(failures.length, 2, 'each once');
  });

  it('the textfile is for everybody to read and never half there; what is in its place is nobody’s loss', async (t) => {
    const { folder, stop } = await served(t, (folder) => {
      mkdirSync(join(folder, 'text'));
      writeFileSync(join(folder, 'text/.a.prom~'), 'of a crash');
      return { textfile: { path: join(folder, 'text/a.prom'), everyMs: 20 } };
    });
    const file = join(folder, 'text/a.prom');
    await eventually('it is there', () => existsSync(file));
    assert.equal(statSync(file).mode & 0o777, 0o644);
    const first = statSync(file).ino;
    await eventually('it is another one', () => statSync(file).ino !== first);
    assert.match(readFileSync(file, 'utf8'), /\nbm_confsync_told_timestamp_seconds \d+/);
    await stop();
    assert.deepEqual(readdirSync(join(folder, 'text')), []);
  });
});
