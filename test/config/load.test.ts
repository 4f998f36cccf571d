import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type Config, loadConfig } from '../../src/config/load.ts';
import { Failure } from '../../src/core/failure.ts';

const folder = mkdtempSync(join(tmpdir(), 'bmcs-load-'));
after(() => rmSync(folder, { recursive: true }));
const file = join(folder, 'config.yml');

function load(text: string): Config {
  writeFileSync(file, text);
  return loadConfig(file);
}

function failureOf(action: () => unknown): Failure {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof Failure, String(error));
    return error;
  }
  assert.fail('expected a Failure');
}

test('a file with the node name alone gets every default', () => {
  assert.deepEqual(load('node: mail1\n'), {
    file,
    node: 'mail1',
    root: '/',
    state: '/var/lib/bm-confsync',
    runtime: '/run/bm-confsync',
    peers: [],
    watchlists: ['bluemind'],
    role: { source: 'manual' },
    conflict: 'hold',
    limits: {
      maxFileSizeBytes: 67_108_864,
      minFreeDiskBytes: 67_108_864,
      clockSkewMs: 2000,
      massDeletion: { paths: 20, percent: 10 },
    },
    reconcileMinutes: 5,
    settle: { deleteHoldMs: 500, maxWaitMs: 5000 },
    versions: { count: 20, days: 90, totalSizeBytes: 1_073_741_824 },
    metrics: { port: undefined, textfile: undefined },
    canaryMs: 60_000,
  });
});

test('metrics are told where the file says, the canary as often', () => {
  const { metrics, canaryMs } = load(
    'node: a\nmetrics: { port: 9475, address: "::1", textfile: /a/../b.prom, interval: 1m }\ncanary: { interval: 5s }\n',
  );
  assert.deepEqual(metrics.port, { address: '::1', port: 9475 });
  assert.deepEqual(metrics.textfile, { path: '/b.prom', everyMs: 60_000 });
  assert.equal(canaryMs, 5000);
  assert.equal(load('node: a\ncanary: { interval: off }\n').canaryMs, undefined);
});

test('every key is read, and a part of a mapping keeps the defaults of the rest', () => {
  const config = load(`
node: mail1
root: /srv/test/
state: /tmp/a/../state
runtime: /tmp/run
peers:
  - name: mail2
    host: 192.0.2.12
    hostKey: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKnt   # pinned
  - { name: mail3, host: "2001:db8::1", port: 2222, user: sync, identityFile: /root/key }
watchlists: [bluemind, /etc/bm-confsync/own.yml]
role: { source: vip, address: 192.0.2.1, hold: 1.5s, fenced: true }
conflict: active-wins
limits: { maxFileSize: 10 MB, clockSkew: 500ms, massDeletion: { percent: 2.5 } }
reconcileMinutes: 0.5
settle: { deleteHoldMs: 0 }
versions: { totalSize: 1048576 }
`);
  assert.equal(config.root, '/srv/test');
  assert.equal(config.state, '/tmp/state');
  assert.deepEqual(config.peers, [
    {
      name: 'mail2',
      host: '192.0.2.12',
      port: 22,
      user: 'root',
      identityFile: '/etc/bm-confsync/id_ed25519',
      hostKey: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKnt',
    },
    {
      name: 'mail3',
      host: '2001:db8::1',
      port: 2222,
      user: 'sync',
      identityFile: '/root/key',
      hostKey: undefined,
    },
  ]);
  assert.deepEqual(config.role, { source: 'vip', address: '192.0.2.1', holdMs: 1500, fenced: true });
  assert.equal(config.conflict, 'active-wins');
  assert.equal(config.limits.clockSkewMs, 500);
  assert.equal(config.limits.maxFileSizeBytes, 10_000_000);
  assert.deepEqual(config.limits.massDeletion, { paths: 20, percent: 2.5 });
  assert.deepEqual(config.settle, { deleteHoldMs: 0, maxWaitMs: 5000 });
  assert.deepEqual(config.versions, { count: 20, days: 90, totalSizeBytes: 1_048_576 });
});

test('a role that follows an address waits three seconds and fences nobody, unless it says so', () => {
  const address = '2001:db8::7';
  const { role } = load(`node: mail1\nrole: { source: vip, address: "${address}" }\n`);
  assert.deepEqual(role, { source: 'vip', address, holdMs: 3000, fenced: false });
});

test('a role that follows no address has nothing but its source', () => {
  for (const source of ['manual', 'pacemaker'])
    assert.deepEqual(load(`node: mail1\nrole: { source: ${source} }\n`).role, { source });
});

/** Name, the file, and the one line it must be answered with, without the file's name. */
const mistakes: readonly (readonly [string, string, string])[] = [
  ['an empty file', '', ':1: the file: expected a mapping with the keys node, '],
  ['a list', '- a', ':1: the file: expected a mapping with the keys node, '],
  ['no node', 'root: /', ':1: node: expected a name of letters'],
  ['a bad node name', 'node: "a b"', ':1: node: expected a name of letters'],
  ['an unknown key', 'node: a\nroots: /', ':2: roots: expected one of the keys node, root, '],
  ['an unknown key names what was found', 'node: a\nroots: /', 'found the unknown key "roots"'],
  ['a prototype key', 'node: a\n__proto__: { x: 1 }', ':2: __proto__: expected one of the keys'],
  [
    'an unknown key of a peer',
    'node: a\npeers:\n  - name: b\n    host: c\n    prt: 1',
    ':5: peers[0].prt: expected one of the keys name, host, port',
  ],
  ['a peer without host', 'node: a\npeers:\n  - name: b', ':3: peers[0].host: expected a host name'],
  [
    'a host that would be an option',
    'node: a\npeers: [{ name: b, host: -x }]',
    'expected a host name or an address, found "-x"',
  ],
  [
    'a text as port',
    'node: a\npeers: [{ name: b, host: c, port: "22" }]',
    ':2: peers[0].port: expected a whole number from 1 to 65535, found "22"',
  ],
  [
    'a port out of range',
    'node: a\npeers: [{ name: b, host: c, port: 65536 }]',
    'expected a whole number from 1 to 65535, found 65536',
  ],
  [
    'a peer of our own name',
    'node: a\npeers: [{ name: a, host: c }]',
    ':2: peers[0].name: expected a name that neither this node nor another peer has, found "a"',
  ],
  ['peers as a mapping', 'node: a\npeers: { b: c }', ':2: peers: expected a list of peers, found a mapping'],
  ['a relative state', 'node: a\nstate: var/lib', ':2: state: expected an absolute path, found "var/lib"'],
  ['a relative runtime', 'node: a\nruntime: run', ':2: runtime: expected an absolute path, found "run"'],
  [
    'a relative key file',
    'node: a\npeers: [{ name: b, host: c, identityFile: id }]',
    ':2: peers[0].identityFile: expected an absolute path, found "id"',
  ],
  ['a bad size', 'node: a\nlimits: { maxFileSize: 64XB }', ':2: limits.maxFileSize: expected a size such as'],
  ['a size of nothing', 'node: a\nlimits: { maxFileSize: 0 }', 'limits.maxFileSize: expected a size'],
  [
    'a negative number of paths',
    'node: a\nlimits:\n  massDeletion:\n    paths: -1',
    ':4: limits.massDeletion.paths: expected a whole number from 0 to 1000000, found -1',
  ],
  [
    'an unknown role source',
    'node: a\nrole: { source: dns }',
    ':2: role.source: expected manual, vip or pacemaker, found "dns"',
  ],
  [
    'a role without source',
    'node: a\nrole: {}',
    'role.source: expected manual, vip or pacemaker, found nothing',
  ],
  [
    'a role that is a text',
    'node: a\nrole: vip',
    ':2: role: expected a mapping with the key source, found "vip"',
  ],
  [
    'vip without address',
    'node: a\nrole: { source: vip }',
    ':2: role.address: expected an IP address, found nothing',
  ],
  [
    'an address that is not one',
    'node: a\nrole: { source: vip, address: mail }',
    'role.address: expected an IP address, found "mail"',
  ],
  [
    'an address without vip',
    'node: a\nrole: { source: manual, address: 192.0.2.1 }',
    ':2: role.address: expected one of the keys source, found the unknown key "address"',
  ],
  [
    'an unknown key of vip',
    'node: a\nrole:\n  source: vip\n  address: 192.0.2.1\n  holdMs: 3',
    ':5: role.holdMs: expected one of the keys source, address, hold, fenced, found the unknown key "holdMs"',
  ],
  [
    'a hold without unit',
    'node: a\nrole: { source: vip, address: 192.0.2.1, hold: 3 }',
    ':2: role.hold: expected a duration such as 500ms, 30s, 5m, 2h or 1d, found 3',
  ],
  [
    'a hold of nothing',
    'node: a\nrole:\n  source: vip\n  address: 192.0.2.1\n  hold: 0s',
    ':5: role.hold: expected a duration such as 500ms, 30s, 5m, 2h or 1d, found "0s"',
  ],
  [
    'fenced as a word',
    'node: a\nrole:\n  source: vip\n  address: 192.0.2.1\n  fenced: yes',
    ':5: role.fenced: expected true or false, found "yes"',
  ],
  [
    'fenced without an address to follow',
    'node: a\nrole: { source: pacemaker, fenced: true }',
    ':2: role.fenced: expected one of the keys source, found the unknown key "fenced"',
  ],
  [
    'a clock skew without unit',
    'node: a\nlimits:\n  clockSkew: 2',
    ':3: limits.clockSkew: expected a duration such as 500ms, 30s, 5m, 2h or 1d, found 2',
  ],
  [
    'a clock skew below nothing',
    'node: a\nlimits:\n  clockSkew: -2s',
    ':3: limits.clockSkew: expected a duration such as 500ms, 30s, 5m, 2h or 1d, found "-2s"',
  ],
  [
    'an unknown limit',
    'node: a\nlimits: { clockskew: 2s }',
    ':2: limits.clockskew: expected one of the keys maxFileSize, minFreeDisk, clockSkew, massDeletion, found',
  ],
  [
    'policies, which belong into a watchlist',
    'node: a\npolicies: [{ match: /etc/**, conflict: hold }]',
    ':2: policies: expected one of the keys node, root, ',
  ],
  [
    'a policy in capitals',
    'node: a\nconflict: Hold',
    ':2: conflict: expected one of hold, active-wins, newest-wins, found "Hold"',
  ],
  [
    'an unknown policy',
    'node: a\nconflict: both',
    ':2: conflict: expected one of hold, active-wins, newest-wins, found "both"',
  ],
  [
    'no watchlist',
    'node: a\nwatchlists: []',
    ':2: watchlists: expected at least one watchlist, found an empty list',
  ],
  ['a watchlist twice', 'node: a\nwatchlists: [b, b]', ':2: watchlists: expected each watchlist once'],
  [
    'a relative watchlist',
    'node: a\nwatchlists: [./own.yml]',
    ':2: watchlists[0]: expected the name of a shipped',
  ],
  ['a key without value', 'node: a\nlimits:', ':2: limits: expected a mapping with the keys maxFileSize'],
  ['a duplicate key', 'node: a\nroot: /\nroot: /x', ':3: root: expected each key once, found it again'],
  ['an open list', 'node: a\npeers: [', 'expected valid YAML, found a mistake: '],
  ['a tab', 'node: a\nlimits:\n\tx: 1', ':3: expected valid YAML, found a mistake: Tabs'],
  ['two documents', 'node: a\n---\nnode: b', 'expected valid YAML, found a mistake: '],
  [
    'metrics for the network',
    'node: a\nmetrics: { port: 9475, address: 0.0.0.0 }',
    ':2: metrics.address: expected a loopback address such as 127.0.0.1 or ::1, found "0.0.0.0"',
  ],
  [
    'metrics for a host by its name',
    'node: a\nmetrics: { address: localhost }',
    ':2: metrics.address: expected a loopback address',
  ],
  ...(
    [
      ['metrics: { interval: 2m }', 'metrics.interval', '1m', '"2m"'],
      ['canary: { interval: 10ms }', 'canary.interval', '1d', '"10ms"'],
      ['canary: { interval: 30d }', 'canary.interval', '1d', '"30d"'],
    ] as const
  ).map(([line, key, longest, found]): readonly [string, string, string] => [
    `a rhythm that cannot be kept: ${line}`,
    `node: a\n${line}`,
    `:2: ${key}: expected a duration from 100ms to ${longest}, found ${found}`,
  ]),
  [
    'a canary without unit',
    'node: a\ncanary:\n  interval: 60',
    ':3: canary.interval: expected a duration such as 500ms, 30s, 5m, 2h or 1d, or off, found 60',
  ],
  ['a tag', 'node: !secret a', ':1: expected valid YAML, found a mistake: '],
  ['an unknown alias', 'node: *x', ':1: expected YAML that can be resolved, found '],
];

for (const [name, text, expected] of mistakes) {
  test(`refuses ${name}`, () => {
    const failure = failureOf(() => load(text));
    assert.equal(failure.code, 'config-invalid');
    assert.equal(failure.exit, 'usage');
    assert.match(failure.hint, /config\.yml/);
    const lines = failure.message.split('\n');
    assert.ok(lines.every((line) => line.startsWith(file)));
    assert.equal(lines.filter((line) => line.includes(expected)).length, 1, failure.message);
  });
}

test('lists every problem, one line each', () => {
  const failure = failureOf(() => load('nod: a\nstate: x\nroot: /\nroot: /\nconflict: 3\n'));
  const keys = failure.message.split('\n').map((line) => line.slice(file.length).split(' ')[1]);
  assert.deepEqual(keys.sort(), ['conflict:', 'nod:', 'node:', 'root:', 'state:']);
});

test('control characters of the file never reach the terminal', () => {
  const failure = failureOf(() => load('node: "\\e[31m"\n"k\\nx": 1\n'));
  assert.ok(!failure.message.includes('\u001b'));
  assert.equal(failure.message.split('\n').length, 2);
});

test('a missing file points to init, a folder is no file', () => {
  const missing = failureOf(() => loadConfig(join(folder, 'none.yml')));
  assert.equal(missing.exit, 'usage');
  assert.equal(
    missing.message,
    `${join(folder, 'none.yml')}: expected a readable YAML file, found no such file`,
  );
  assert.match(missing.hint, /bm-confsync init/);
  assert.match(failureOf(() => loadConfig(folder)).message, /found a directory$/);
});
