import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { eventually } from '../world/eventually.ts';
import { type NodeName, Pair, type Running } from '../world/pair.ts';
import { write } from '../world/tree.ts';

const monitoring = join(import.meta.dirname, '../../monitoring');

/** A port that nobody listens on. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => void server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('expected a port');
  return address.port;
}

function get(options: { socketPath: string } | { port: number; host: string }, path = '/metrics') {
  return new Promise<{ code: number; type: string; text: string }>((resolve, reject) => {
    const asked = request({ ...options, path }, (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += String(chunk);
      });
      response.on('end', () =>
        resolve({ code: response.statusCode ?? 0, type: response.headers['content-type'] ?? '', text }),
      );
    });
    asked.on('error', reject).end();
  });
}

/** The value of one row, as `name{label="x"}` has it. */
function rowOf(text: string, row: string): number | undefined {
  const line = text.split('\n').find((one) => one.startsWith(`${row} `));
  return line === undefined ? undefined : Number(line.slice(row.length + 1));
}

function namesIn(text: string): Set<string> {
  return new Set([...text.matchAll(/\b(?:bm_confsync|process)_[a-z0-9_]+/g)].map(([name]) => name));
}

describe('metrics of a pair', () => {
  let pair: Pair;
  let daemon: Running;
  let port: number;
  let textfile: string;
  const socket = (): { socketPath: string } => ({ socketPath: join(pair.folder, 'active/run/metrics.sock') });
  const scraped = async (): Promise<string> => (await get(socket())).text;
  const canaryFolder = (node: NodeName = 'active'): string => pair.at(node, 'var/lib/bm-confsync-canary');

  before(async () => {
    port = await freePort();
    pair = await Pair.open({
      active: { canary: { interval: '300ms' } },
      // A pattern that takes in all there is around the canary.
      include: ['/etc/**', '/var/lib/**'],
      mutual: true,
    });
    textfile = join(pair.folder, 'bm-confsync.prom');
    const config = pair.config('active');
    const more = `metrics:\n  port: ${port}\n  textfile: ${textfile}\n  interval: 300ms\n`;
    writeFileSync(config, readFileSync(config, 'utf8') + more);
    write(pair.root('active'), { 'etc/a': 'a\n', 'etc/b': 'b\n' });
    daemon = await pair.startActive();
    assert.equal((await pair.flush()).code, 0);
  });
  after(() => pair[Symbol.asyncDispose]());

  it('are told on the socket, which is root’s alone, and nothing else is', async () => {
    const { code, type } = await get(socket());
    assert.deepEqual([code, type], [200, 'text/plain; version=0.0.4; charset=utf-8']);
    assert.equal(statSync(socket().socketPath).mode & 0o777, 0o600);
    assert.equal((await get(socket(), '/')).code, 404);
    assert.equal((await get(socket(), '/../../etc/shadow')).code, 404);
  });

  it('say what happened', async () => {
    const before = await scraped();
    const pushes = (text: string): number =>
      rowOf(text, 'bm_confsync_pushes_total{peer="mail2",result="applied"}') ?? 0;
    write(pair.root('active'), { 'etc/a': 'changed\n', 'etc/c': 'new\n' });
    assert.equal((await pair.flush()).code, 0);
    const text = await scraped();
    assert.equal(pushes(text) - pushes(before), 2);
    const rows: [string, number][] = [
      ['bm_confsync_role{role="active"}', 1],
      ['bm_confsync_role{role="passive"}', 0],
      ['bm_confsync_epoch', 1],
      ['bm_confsync_ha_enabled', 1],
      ['bm_confsync_halted', 0],
      ['bm_confsync_conflicts', 0],
      ['bm_confsync_peer_connected{peer="mail2"}', 1],
      ['bm_confsync_peer_pending_paths{peer="mail2"}', 0],
      ['bm_confsync_canary_silent{peer="mail2"}', 0],
    ];
    for (const [row, value] of rows) assert.equal(rowOf(text, row), value, row);
    const took = rowOf(text, 'bm_confsync_push_duration_seconds_count{peer="mail2"}') ?? 0;
    assert.ok(took >= 2, String(took));
  });

  it('tell of conflicts and of a switch that is off', async () => {
    writeFileSync(pair.at('passive', 'etc/b'), 'edited there\n');
    writeFileSync(pair.at('active', 'etc/b'), 'edited here\n');
    await eventually(
      'the conflict is told',
      async () => rowOf(await scraped(), 'bm_confsync_conflicts') === 1,
    );
    const kind = 'bm_confsync_conflicts_found_total{peer="mail2",kind="edited-on-both"}';
    assert.equal(rowOf(await scraped(), kind), 1);
    assert.equal((await pair.run('active', ['ha', 'disable', '--reason', 'test'])).code, 0);
    await eventually(
      'the switch is told',
      async () => rowOf(await scraped(), 'bm_confsync_ha_enabled') === 0,
    );
    assert.equal((await pair.run('active', ['ha', 'enable'])).code, 1, 'a conflict waits');
    await eventually(
      'it goes on',
      async () => rowOf(await scraped(), 'bm_confsync_peer_connected{peer="mail2"}') === 1,
    );
  });

  it('are the same on the loopback port and in the textfile, and promtool finds nothing wrong with them', async () => {
    const names = namesIn(await scraped());
    assert.ok(names.size > 40, String(names.size));
    assert.deepEqual(namesIn((await get({ host: '127.0.0.1', port })).text), names);
    await eventually('the textfile is there', () => existsSync(textfile));
    const text = readFileSync(textfile, 'utf8');
    assert.deepEqual(namesIn(text), names);
    const lint = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
    assert.deepEqual([lint.status, lint.stdout, lint.stderr], [0, '', '']);
    const bad = spawnSync('promtool', ['check', 'metrics'], { input: `${text}x{ 1\n`, encoding: 'utf8' });
    assert.notEqual(bad.status, 0);
  });

  it('have every name that the rules and the dashboard use', async () => {
    const names = namesIn(await scraped());
    const used = ['prometheus-rules.yml', 'grafana-dashboard.json'].flatMap((file) => [
      ...namesIn(readFileSync(join(monitoring, file), 'utf8')),
    ]);
    assert.ok(used.length > 20);
    const ofLabels = new Set(['bm_confsync_canary']);
    for (const name of used) if (!ofLabels.has(name)) assert.ok(names.has(name), name);
    assert.ok(!names.has('bm_confsync_nothing'));
  });

  it('tell how long the canary takes, in status too', async () => {
    const latency = 'bm_confsync_canary_last_latency_seconds{peer="mail2"}';
    await eventually('a canary was heard', async () => rowOf(await scraped(), latency) !== undefined);
    const { canary } = (await pair.json('active', ['status'])) as {
      canary?: { peers: { latencyMs: number }[] };
    };
    assert.ok((canary?.peers[0]?.latencyMs ?? -1) >= 0, JSON.stringify(canary));
    assert.ok(existsSync(pair.at('passive', 'var/lib/bm-confsync-canary/beat')));
  });

  it('and nothing of the canary is a path to anybody', async () => {
    for (const command of [
      ['verify', '--json'],
      ['history', '/etc/a'],
      ['watchlist', 'list'],
      ['status', '--json'],
    ])
      assert.doesNotMatch((await pair.run('active', command)).stdout, /canary\/beat/, command.join(' '));
    assert.doesNotMatch(daemon.log(), /canary\/beat/);
  });

  const silences: [string, RegExp, () => void, () => void][] = [
    [
      'a passive node that is stuck',
      /it is connected and does not answer/,
      () => {
        for (const { pid } of pair.sshd.sessions().commands) process.kill(pid, 'SIGSTOP');
      },
      () => {
        for (const { pid } of pair.sshd.sessions().commands) process.kill(pid, 'SIGCONT');
      },
    ],
    [
      'a watcher that sees nothing',
      /changes go unnoticed on this node: systemctl restart/,
      // What is written there from now on is on another file system than the one that is watched.
      () => execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', canaryFolder()]),
      () => execFileSync('umount', [canaryFolder()]),
    ],
    [
      'a passive node that has no place for it',
      /it refuses them: \S.*link/,
      () => {
        renameSync(canaryFolder('passive'), join(pair.folder, 'away'));
        symlinkSync('/', canaryFolder('passive'));
      },
      () => unlinkSync(canaryFolder('passive')),
    ],
  ];
  for (const [what, why, begin, end] of silences) {
    it(`the canary is silent because of ${what}, which is told, and told to be over`, async () => {
      const from = daemon.log().length;
      begin();
      let ended = false;
      try {
        await eventually('the silence is logged', () => daemon.log().slice(from).includes('canary-silent'));
        assert.equal(rowOf(await scraped(), 'bm_confsync_canary_silent{peer="mail2"}'), 1);
        const shown = await pair.run('active', ['status']);
        assert.match(shown.stdout, /canary SILENT/);
        assert.match(shown.stdout, why);
        assert.match(shown.stdout, /no canary reaches mail2/);
        assert.equal((await pair.run('active', ['status', '--nagios'])).code, 2);
        end();
        ended = true;
        await eventually('the end is logged', () => daemon.log().slice(from).includes('canary-heard'));
        assert.equal(rowOf(await scraped(), 'bm_confsync_canary_silent{peer="mail2"}'), 0);
      } finally {
        if (!ended) end();
      }
    });
  }

  it('are gone with the daemon, file and all', async () => {
    assert.equal(await daemon.stop(), 0);
    assert.ok(!existsSync(textfile));
    await assert.rejects(get({ host: '127.0.0.1', port }));
  });
});

describe('what reads the metrics', () => {
  const promtool = (...words: string[]) =>
    spawnSync('promtool', words, { cwd: monitoring, encoding: 'utf8' });

  it('are rules that Prometheus takes, each of which fires where it should and not where all is well', () => {
    const checked = promtool('check', 'rules', 'prometheus-rules.yml');
    assert.equal(checked.status, 0, checked.stdout + checked.stderr);
    const tested = promtool('test', 'rules', 'prometheus-rules.test.yml');
    assert.equal(tested.status, 0, tested.stdout + tested.stderr);
    const rules = readFileSync(join(monitoring, 'prometheus-rules.yml'), 'utf8');
    const tests = readFileSync(join(monitoring, 'prometheus-rules.test.yml'), 'utf8');
    for (const [, alert = ''] of rules.matchAll(/- alert: (\w+)/g))
      assert.ok((tests.match(new RegExp(`alertname: ${alert}$`, 'gm'))?.length ?? 0) >= 2, alert);
  });

  it('is a dashboard whose panels have a place of their own', () => {
    const { panels } = JSON.parse(readFileSync(join(monitoring, 'grafana-dashboard.json'), 'utf8')) as {
      panels: { title: string; gridPos: { x: number; y: number; w: number; h: number } }[];
    };
    const taken = new Map<string, string>();
    for (const { title, gridPos } of panels)
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
          assert.ok(x < 24, title);
          assert.equal(taken.get(`${x} ${y}`), undefined, title);
          taken.set(`${x} ${y}`, title);
        }
    assert.ok(panels.length > 10);
  });
});
